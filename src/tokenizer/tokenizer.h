// Text to token ids and back, exactly as the Hugging Face tokenizers library does it.
//
// Is: the module's face: load a tokenizer, encode, decode, look tokens up. Is not: padding,
// batching or anything that knows of a model's tensors. May use: base.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/encoding.h"

namespace tamis {
class ThreadPool;
}

namespace tamis::tokenizer {

/// A text, or a pair of texts.
struct TextInput {
  std::string_view text;
  std::optional<std::string_view> pair = std::nullopt;
};

/// Ids of the tokens that a checkpoint gives a role to; absent where it names none.
struct SpecialIds {
  std::optional<int32_t> cls, sep, mask, pad, unk, bos, eos;
};

/// Immutable and thread-safe once loaded.
class Tokenizer {
 public:
  /// Reads the bytes of a tokenizer.json; `source` names them in errors. Truncation and padding
  /// blocks in it are ignored. Throws Error: kCorruptData for what cannot be a tokenizer,
  /// kUnsupported for a component or option that is not built, naming it.
  [[nodiscard]] static Tokenizer load_json(std::string_view bytes, std::string_view source);

  /// Reads a checkpoint folder: tokenizer.json, else vocab.txt, else vocab.json + merges.txt, else
  /// a SentencePiece model; beside it tokenizer_config.json, special_tokens_map.json,
  /// added_tokens.json and config.json where they exist. Throws Error: kNotFound if the folder has
  /// none of them, and as load_json.
  [[nodiscard]] static Tokenizer load(const std::filesystem::path& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Encodes a text or a pair. Throws Error{kInvalidArgument} for text that is not UTF-8 (naming
  /// the byte) or longer than 2^31 - 1 bytes, and for a max_length or stride that cannot be met.
  [[nodiscard]] Encoding encode(const TextInput& input, const EncodeOptions& options = {}) const;
  [[nodiscard]] Encoding encode(std::string_view text, const EncodeOptions& options = {}) const {
    return encode(TextInput{text}, options);
  }
  /// As encode(), reusing the memory of `out`.
  void encode_into(const TextInput& input, const EncodeOptions& options, Encoding& out) const;

  /// Encodes each input, on the idle workers of `pool` if there is one. The error of the first
  /// input that has one names its index.
  [[nodiscard]] std::vector<Encoding> encode_batch(std::span<const TextInput> inputs,
                                                   const EncodeOptions& options = {},
                                                   ThreadPool* pool = nullptr) const;

  /// Ids that no token has are left out, as Hugging Face does.
  [[nodiscard]] std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const;

  /// What the decoder makes of tokens given as text, vocabulary entries or not; joined by spaces
  /// where the tokenizer has no decoder.
  [[nodiscard]] std::string decode_tokens(std::vector<std::string> tokens) const;

  [[nodiscard]] std::optional<int32_t> token_to_id(std::string_view token) const;
  /// The token as it stands in the vocabulary; empty if there is none. Valid while the tokenizer
  /// is.
  [[nodiscard]] std::string_view id_to_token(int32_t id) const;
  /// What a model that knows words puts before the pieces inside one ("##"); empty if it does not.
  [[nodiscard]] const std::string& continuing_subword_prefix() const;
  /// Number of different tokens, added ones included.
  [[nodiscard]] int64_t vocab_size() const;
  /// True for the added tokens that decode(skip_special_tokens) leaves out.
  [[nodiscard]] bool is_special(int32_t id) const;
  [[nodiscard]] const SpecialIds& special_ids() const;
  /// How many tokens add_special_tokens adds to one text or to a pair.
  [[nodiscard]] int64_t num_special_tokens(bool pair) const;
  /// tokenizer_config.json's model_max_length if it is a length (below 1e6).
  [[nodiscard]] std::optional<int64_t> model_max_length() const;
  /// Sides that tokenizer_config.json names; right where it names none.
  [[nodiscard]] Side truncation_side() const;
  [[nodiscard]] Side padding_side() const;
  /// The tokenizer.json that gives this same tokenizer, for a bundle.
  [[nodiscard]] const std::string& to_json() const;

  /// What it consists of; known only inside this module.
  struct Impl;

 private:
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tamis::tokenizer
