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
  kFunnel,
  kRoberta,
  kGpt2,
  kGptNeox,
  kQwen2,
  kQwen35,
  kDeberta,
  kXlmRoberta,
  kCamembert,
  kAlbert,
  kDebertaV2,
  kT5,
  kBigBird,
  kRemBert,
  kXlnet,
  kMbart,
  kMbart50,
  kLlama,
  kGemma,
  kHerbert,
  kEsm,
  kJapanese,            ///< words by MeCab, then WordPiece
  kJapaneseCharacters,  ///< words by MeCab, then characters
  kUnbuilt,             ///< known to transformers, not built here
};

struct TokenizerClass {
  /// As the files spell it; empty if none names one.
  std::string name;
  ClassRules rules = ClassRules::kGeneric;
  /// False for a class that transformers does not know either.
  bool known = true;
  /// True if it gives token_type_ids where no file names the model's inputs.
  bool segments = false;
};

/// True of classes that leave a tokenizer.json aside.
[[nodiscard]] bool reads_vocab_txt_alone(ClassRules rules);

/// True of BertJapaneseTokenizer.
[[nodiscard]] bool is_japanese(ClassRules rules);

/// The files that tell a folder's class; absent ones are absent views.
struct ClassFiles {
  JsonView tokenizer_config;
  JsonView model_config;
  /// True if tokenizer.json has a component ByteLevel.
  bool byte_level = false;
};

/// The class that AutoTokenizer of transformers 5 takes: that of tokenizer_config.json, else
/// config.json, else the one registered for the model_type. Throws Error{kUnsupported} naming the
/// class if its rules are not built, or if its code comes with the checkpoint.
[[nodiscard]] TokenizerClass tokenizer_class_of(const ClassFiles& files, const std::string& source);

}  // namespace tamis::tokenizer
