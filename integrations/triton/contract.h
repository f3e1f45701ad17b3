// Inputs and outputs that a model has, and config.pbtxt held against them.
//
// Is: names, types and sizes by mode and task; those of `tamis serve` in KServe's protocols. Is
// not: their values. May use: config, settings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "integrations/triton/config.h"
#include "integrations/triton/settings.h"

namespace tamis::triton {

/// What the contract depends on.
struct Subject {
  Mode mode = Mode::kTexts;
  std::string task;
  int64_t width = 0;        ///< of an embedding or of logits
  bool needs_pair = false;  ///< no text is read without another
};

/// A tensor without its batch; -1 stands for tokens.
struct Port {
  std::string name;
  std::vector<std::string_view> types;  ///< that may be chosen, the usual one first
  std::vector<int64_t> dims;
  bool optional = false;
};

struct Contract {
  std::vector<Port> inputs;
  std::vector<Port> outputs;
};

/// Throws Error{kUnsupported} for a task that does not go with the mode.
[[nodiscard]] Contract contract_of(const Subject& subject);

/// Whether a model's own output has a row for each token, not for each text.
[[nodiscard]] bool rows_are_tokens(std::string_view task);

/// Throws Error{kInvalidArgument} naming model, tensor and field where the config contradicts.
void check_contract(const ModelConfig& config, const Contract& contract);

/// The config with the contract's inputs and outputs, for one that has none.
[[nodiscard]] ModelConfig completed(const ModelConfig& config, const Contract& contract);

}  // namespace tamis::triton
