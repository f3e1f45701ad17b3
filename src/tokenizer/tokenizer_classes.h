// Which tokenizer a checkpoint's class stands for.
//
// Is: the one list of transformers' tokenizer classes, and which of them a folder names. Is not:
// the rules themselves (class_rules.h). May use: base.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tamis::tokenizer {

enum class ClassRules : uint8_t {
  kGeneric,  ///< tokenizer.json stands
  kBert,
  kMpnet,
  kRoberta,
  kXlmRoberta,
  kCamembert,
  kAlbert,
  kUnbuilt,  ///< known to transformers, not built here
};

struct TokenizerClass {
  /// As the files spell it; empty if none names one.
  std::string name;
  ClassRules rules = ClassRules::kGeneric;
  /// False for a class that transformers does not know either.
  bool known = true;
};

/// The class that tokenizer_config.json names, else config.json, else that of the model_type, as
/// transformers 5 chooses it. Absent files are absent views. Throws Error{kUnsupported} naming the
/// class if its rules are not built, or if its code comes with the checkpoint.
[[nodiscard]] TokenizerClass tokenizer_class_of(const JsonView& tokenizer_config,
                                                const JsonView& model_config,
                                                const std::string& source);

}  // namespace tamis::tokenizer
