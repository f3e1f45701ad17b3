// The tokenizer of a model without its weights: texts to the ids that the model would run.
#pragma once

#include <tamis/model.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tamis {

/// What becomes of a text before it is tokenized. Empty stands for the model's default. A question
/// answerer's context is not cut: max_length bounds its one window, and `side` is kUnsupported.
struct TokenizeOptions {
  std::optional<std::string> prompt_name;  ///< of models for "embed"
  std::optional<std::string> prompt;       ///< put before the text; wins over prompt_name
  Truncation truncation = {};
};

struct TokenizerInfo {
  std::string task;        ///< what the model was made for
  int64_t max_length = 0;  ///< tokens, special ones included
  int32_t pad_id = 0;      ///< what stands where a padded row has no token
  bool uses_type_ids = false;
  bool needs_pair = false;  ///< an input must have `pair`: ModelInfo's
};

/// Immutable and thread-safe.
class Tokenizer {
 public:
  /// `folder`: a bundle, or what `tamis export --format triton` writes of a tokenizer. Throws
  /// Error: kNotFound, kCorruptData, kUnsupported.
  [[nodiscard]] static Tokenizer load(const std::string& folder);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  [[nodiscard]] TokenizerInfo info() const;

  /// The ids that the model's task runs for each text or pair: with prompt and special tokens, cut
  /// at the model's length. Throws InputError: kInvalidArgument for a text that is not UTF-8, has
  /// no tokens, is too long with truncation off, or would be read in several windows.
  [[nodiscard]] std::vector<TokenIds> encode(const std::vector<TaskInput>& inputs,
                                             const TokenizeOptions& options = {}) const;

 private:
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace tamis
