// The `parameters` of config.pbtxt that this backend knows, as options of libtamis.
//
// Is: one row for each name, what it may be and for which models it is. Is not: the model. May use:
// config, libtamis.
#pragma once

#include <tamis/model.h>
#include <tamis/tokenizer.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "integrations/triton/config.h"

namespace tamis::triton {

/// What a model is served as.
enum class Mode : uint8_t {
  kTexts,      ///< texts in, answers out
  kIds,        ///< token ids in, the model's own outputs out
  kTokenizer,  ///< texts in, padded token ids out
};

struct Settings {
  Mode mode = Mode::kTexts;
  LoadOptions load;
  EmbedOptions embed;
  ClassifyOptions classify;
  NerOptions ner;
  QaOptions qa;
  FillMaskOptions fill_mask;
  TokenizeOptions tokenize;
  EmbedSparseOptions sparse;
  EmbedMultiOptions multi;
  EmbedAllOptions all;
  int64_t pad_to_multiple_of = 1;  ///< of kTokenizer
  bool pad_to_max_length = false;  ///< likewise
};

/// Reads the parameters; inputs and `output: tokens` tell the mode. Throws Error naming the
/// parameter: kUnsupported (unknown, listing those that are known, or of another mode),
/// kInvalidArgument (its value).
[[nodiscard]] Settings read_settings(const ModelConfig& config);

/// Throws Error{kUnsupported} for a parameter that does not go with a model of that task, and for
/// `task` if the model answers another.
void check_settings(const ModelConfig& config, const Settings& settings, std::string_view task);

}  // namespace tamis::triton
