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

/// What a caller decides over a folder's files.
struct LoadOptions {
  /// A JSON object whose members stand in place of tokenizer_config.json's, as keyword arguments do
  /// in transformers (sentence-transformers' tokenizer_args or processor_kwargs); empty for none.
  std::string overrides = {};
  /// Puts the normalizer Lowercase before the folder's own, unless that has one: do_lower_case of
  /// sentence_bert_config.json. Special tokens in a text are found as they are written.
  bool lowercase_first = false;
  /// tokenizer.json stands as it is written and the files beside it give lengths, sides and roles
  /// alone: for the folder of a bundle.
  bool as_written = false;
  /// tokenizer.json alone, as the tokenizers library reads it: no file beside it counts, no special
  /// tokens are added, and its truncation block gives the longest text and the side. For
  /// StaticEmbedding of sentence-transformers.
  bool bare = false;
};

/// Immutable and thread-safe once loaded.
class Tokenizer {
 public:
  /// Reads the bytes of a tokenizer.json; `source` names them in errors. Truncation and padding
  /// blocks in it are ignored. Throws Error: kCorruptData for what cannot be a tokenizer,
  /// kUnsupported for a component or option that is not built, naming it.
  [[nodiscard]] static Tokenizer load_json(std::string_view bytes, std::string_view source);

  /// Reads a checkpoint folder as transformers 5 does: tokenizer.json, else vocab.txt, else
  /// vocab.json + merges.txt, else a SentencePiece model; beside it tokenizer_config.json,
  /// special_tokens_map.json, added_tokens.json and config.json where they exist. The tokenizer
  /// class that they name decides what becomes of the vocabulary (convert/tokenizer_classes.inc); a
  /// generic class leaves tokenizer.json as it stands. Keys that no table knows are warned of.
  /// Throws Error: kNotFound if the folder has no vocabulary, kUnsupported naming a class or key
  /// that is not built, and as load_json.
  [[nodiscard]] static Tokenizer load(const std::filesystem::path& folder,
                                      const LoadOptions& options = {});

  /// Keys of the files beside tokenizer.json that make load() give other ids than tokenizer.json as
  /// it is written; empty if there are none or no tokenizer.json. Throws as load().
  [[nodiscard]] static std::vector<std::string> keys_that_change(
      const std::filesystem::path& folder);

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
  /// The same, an added token as its file spells it, where id_to_token() gives its normalized form.
  [[nodiscard]] std::string_view spelled_token(int32_t id) const;
  /// What a model that knows words puts before the pieces inside one ("##"); empty if it does not.
  [[nodiscard]] const std::string& continuing_subword_prefix() const;
  /// Number of different tokens, added ones included.
  [[nodiscard]] int64_t vocab_size() const;
  /// True for the added tokens that decode(skip_special_tokens) leaves out.
  [[nodiscard]] bool is_special(int32_t id) const;
  [[nodiscard]] const SpecialIds& special_ids() const;
  /// tokenizer_config.json's model_max_length if it is a length (below 1e6).
  [[nodiscard]] std::optional<int64_t> model_max_length() const;
  /// Sides that tokenizer_config.json names; right where it names none.
  [[nodiscard]] Side truncation_side() const;
  [[nodiscard]] Side padding_side() const;
  /// False if tokenizer_config.json lists the model's inputs and token_type_ids is not among them.
  [[nodiscard]] bool uses_type_ids() const;
  /// The resolved tokenizer as one tokenizer.json: all that class, options and side files decided
  /// is written in, so that load_json() of it, or load() of a folder with it and config_json(),
  /// gives this same tokenizer.
  [[nodiscard]] const std::string& to_json() const;
  /// The tokenizer_config.json that goes with to_json(): a generic class, so that tokenizer.json
  /// stands, and lengths, sides and roles of special tokens.
  [[nodiscard]] std::string config_json(std::optional<int64_t> max_length = {}) const;

  /// What it consists of; known only inside this module.
  struct Impl;

 private:
  [[nodiscard]] static Tokenizer load_bare(const std::filesystem::path& folder);
  /// The token as it is written, added or not.
  [[nodiscard]] std::string_view id_content(int32_t id) const;

  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tamis::tokenizer
