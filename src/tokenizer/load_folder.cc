// Tokenizer::load: a checkpoint folder to a Tokenizer.
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/convert/vocab_files.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/resolve.h"
#include "tokenizer/side_file_keys.h"
#include "tokenizer/tokenizer_impl.h"

namespace tamis::tokenizer {

namespace {

namespace fs = std::filesystem;

/// A JSON file that may be missing.
class OptionalJson {
 public:
  explicit OptionalJson(const fs::path& path) : path_(path.string()) {
    JsonLimits limits;
    limits.python_numbers = true;
    if (!file_exists(path)) return;
    document_.emplace(JsonDocument::parse(read_file(path), path_, limits));
    (void)document_->root().as_object(path_);
  }
  [[nodiscard]] JsonView root() const { return document_ ? document_->root() : JsonView(); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::optional<JsonDocument> document_;
};

/// The files of one folder, parsed.
class Folder {
 public:
  Folder(const fs::path& folder, const LoadOptions& options)
      : folder_(folder),
        json_path_(folder / "tokenizer.json"),
        config_(folder / "tokenizer_config.json"),
        map_(folder / "special_tokens_map.json"),
        added_(folder / "added_tokens.json"),
        model_config_(folder / "config.json"),
        lowercase_first_(options.lowercase_first) {
    if (!options.overrides.empty()) {
      overrides_.emplace(JsonDocument::parse(options.overrides, "tokenizer options"));
    }
    const TokenizerClass named =
        tokenizer_class_of({config_.root(), model_config_.root(), false}, config_.path());
    check_tokenizer_config_keys(config_.root(), config_.path(), named.rules);
    check_tokenizer_config_keys(config().overrides, "tokenizer options", named.rules);
    check_special_tokens_map_keys(map_.root(), map_.path());
  }

  [[nodiscard]] ConfigView config() const {
    return {config_.root(), overrides_ ? overrides_->root() : JsonView(), config_.path()};
  }
  [[nodiscard]] bool has_json() const { return file_exists(json_path_); }
  [[nodiscard]] std::string json_path() const { return json_path_.string(); }

  [[nodiscard]] TokenFiles token_files() const {
    return {config(),      map_.root(), map_.path(), added_.root(),
            added_.path(), JsonView(),  json_path()};
  }

  /// tokenizer.json or older files, and the class that reads them.
  [[nodiscard]] ResolveInput resolve_input() const {
    ResolveInput input;
    input.files = token_files();
    input.lowercase_first = lowercase_first_;
    if (has_json()) input.json = read_file(json_path_);
    const ClassFiles files{config_.root(), model_config_.root(),
                           input.json.find("\"ByteLevel\"") != std::string::npos};
    input.tokenizer_class =
        tokenizer_class_of(files, config_.root() ? config_.path() : json_path());
    if (has_json() && !reads_vocab_txt_alone(input.tokenizer_class.rules)) return input;
    input.from_tokenizer_json = false;
    read_older(input);
    return input;
  }

 private:
  [[nodiscard]] bool has(std::string_view name) const { return file_exists(folder_ / name); }
  [[nodiscard]] std::string path(std::string_view name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::string bytes(std::string_view name) const { return read_file(folder_ / name); }

  /// The class of a folder that names none, by the files it has.
  [[nodiscard]] TokenizerClass guess_class() const {
    if (has("vocab.txt")) return {"BertTokenizer", ClassRules::kBert, true, true};
    if (has("vocab.json") && has("merges.txt")) return {"RobertaTokenizer", ClassRules::kRoberta};
    if (has("tokenizer.model")) return {"TokenizersBackend", ClassRules::kGeneric};
    for (const char* name : {"sentencepiece.bpe.model", "spiece.model", "spm.model"}) {
      if (!has(name)) continue;
      const JsonView type = model_config_.root().get("model_type");
      fail(ErrorCode::kUnsupported, path(name), ": a SentencePiece model of model_type ",
           type.is_string() ? json_quote(type.as_string("model_type")) : "\"\"",
           ", which has no tokenizer class of its own; name one as tokenizer_class in "
           "tokenizer_config.json");
    }
    fail(ErrorCode::kNotFound, folder_.string(),
         ": no tokenizer; expected tokenizer.json, vocab.txt, vocab.json with merges.txt, "
         "sentencepiece.bpe.model, spiece.model, spm.model or tokenizer.model");
  }

  [[noreturn]] void fail_missing(const TokenizerClass& found, std::string_view files) const {
    fail(ErrorCode::kNotFound, folder_.string(), ": no tokenizer; tokenizer_class ",
         json_quote(found.name), " is read from ",
         reads_vocab_txt_alone(found.rules) ? "" : "tokenizer.json or ", files);
  }

  void read_older(ResolveInput& input) const {
    TokenizerClass& found = input.tokenizer_class;
    if (found.name.empty()) found = guess_class();
    const VocabSource source = vocab_source(found.rules);
    switch (source.files) {
      case VocabFiles::kNone:
        fail_missing(found, "nothing else");
      case VocabFiles::kVocabTxt:
        if (!has("vocab.txt")) fail_missing(found, "vocab.txt");
        input.files.json_source = path("vocab.txt");
        input.json = convert_vocab_txt(bytes("vocab.txt"), found.rules, input.files.json_source);
        return;
      case VocabFiles::kByteBpe:
        if (!has("vocab.json") || !has("merges.txt")) {
          fail_missing(found, "vocab.json with merges.txt");
        }
        input.files.json_source = path("vocab.json");
        input.json =
            convert_byte_bpe(bytes("vocab.json"), bytes("merges.txt"), input.files.json_source);
        return;
      case VocabFiles::kPieces:
        read_pieces(source.pieces_file, input);
        return;
    }
  }

  void read_pieces(std::string_view own, ResolveInput& input) const {
    const std::string_view name = has("tokenizer.model") ? "tokenizer.model" : own;
    if (!has(name)) {
      fail_missing(input.tokenizer_class,
                   own == name ? std::string(own) : cat(own, " or tokenizer.model"));
    }
    input.files.json_source = path(name);
    const TokenizerClass& found = input.tokenizer_class;
    ConvertedPieces pieces = convert_sentencepiece(
        bytes(name),
        {found.rules, found.name, input.files.config, {}, input.files.json_source, false},
        read_special_tokens(input.files));
    input.json = std::move(pieces.json);
    input.piece_tokens = std::move(pieces.tokens);
    input.piece_roles = std::move(pieces.roles);
    input.listed_are_raw = pieces.listed_are_raw;
  }

  fs::path folder_;
  fs::path json_path_;
  OptionalJson config_;
  OptionalJson map_;
  OptionalJson added_;
  OptionalJson model_config_;
  std::optional<JsonDocument> overrides_;
  bool lowercase_first_;
};

/// The side that tokenizer_config.json names, else that of tokenizer.json, else right.
Side side_of(const ConfigView& config, std::string_view key, std::string_view json_side) {
  const JsonView value = config.get(key);
  if (value.is_null()) return json_side == "Left" ? Side::kLeft : Side::kRight;
  const std::string_view name = value.as_string(cat(config.source, ": ", key));
  if (name == "left") return Side::kLeft;
  if (name == "right") return Side::kRight;
  fail(ErrorCode::kCorruptData, config.source, ": ", key, " ", json_quote(name),
       " is neither left nor right");
}

/// Checkpoints without a limit write 1e30.
std::optional<int64_t> max_length_of(const ConfigView& config) {
  constexpr double kLongest = 1e6;
  JsonView length = config.get("model_max_length");
  if (!length.exists()) length = config.get("max_len");
  if (!length.is_number()) return std::nullopt;
  const double value = length.as_double("model_max_length");
  if (value < 1 || value >= kLongest) return std::nullopt;
  return static_cast<int64_t>(value);
}

/// True if tokenizer_config.json lists type ids among the model's inputs; `otherwise` if it lists
/// none.
bool lists_type_ids(const ConfigView& config, bool otherwise) {
  const JsonView names = config.get("model_input_names");
  if (!names.is_array()) return otherwise;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names.at(i).as_string("model_input_names") == "token_type_ids") return true;
  }
  return false;
}

void set_roles(const SpecialTokens& tokens, const Tokenizer& tokenizer, SpecialIds& special) {
  const auto set = [&](Role role, std::optional<int32_t>& id) {
    const std::optional<TokenValue>& token = tokens.role(role);
    if (!token || token->content.empty()) return;
    const auto found = tokenizer.token_to_id(token->content);
    if (found) id = found;
  };
  set(Role::kCls, special.cls);
  set(Role::kSep, special.sep);
  set(Role::kMask, special.mask);
  set(Role::kPad, special.pad);
  set(Role::kUnk, special.unk);
  set(Role::kBos, special.bos);
  set(Role::kEos, special.eos);
}

// tokenizer.json without what adds special tokens; no other id depends on it.
std::string without_post_processor(const JsonView& root) {
  JsonWriter json;
  json.begin_object();
  for (size_t i = 0; i < root.size(); ++i) {
    const JsonView::Member member = root.member(i);
    if (member.key != "post_processor") json.key(member.key).value(member.value);
  }
  return json.key("post_processor").null().end_object().take();
}

// The longest text of a truncation block, nothing if there is none.
std::optional<int64_t> truncation_length(const JsonView& block, const std::string& source) {
  if (!block.exists() || block.is_null()) return std::nullopt;
  const std::string_view strategy = string_field_or(block, "strategy", "LongestFirst", source);
  if (strategy == "OnlySecond") {
    fail(ErrorCode::kUnsupported, source,
         ": truncation strategy \"OnlySecond\" needs pairs of texts; accepted are "
         "\"LongestFirst\" and \"OnlyFirst\"");
  }
  const int64_t length = block.get("max_length").as_int(source + ": truncation max_length");
  if (length >= 1 && length <= INT32_MAX) return length;
  fail(ErrorCode::kCorruptData, source, ": truncation max_length is ", length,
       "; must be from 1 to ", INT32_MAX);
}

}  // namespace

Tokenizer Tokenizer::load_bare(const std::filesystem::path& folder) {
  const fs::path path = folder / "tokenizer.json";
  const std::string source = path.string();
  if (!file_exists(path)) {
    fail(ErrorCode::kNotFound, folder.string(), ": no tokenizer; expected tokenizer.json");
  }
  const std::string text = read_file(path);
  const JsonDocument document = JsonDocument::parse(text, source);
  const JsonView root = document.root();
  if (!root.is_object()) fail(ErrorCode::kCorruptData, source, ": expected an object");
  Tokenizer tokenizer = load_json(without_post_processor(root), source);
  Impl& impl = *tokenizer.impl_;
  const JsonView truncation = root.get("truncation");
  impl.max_length = truncation_length(truncation, source);
  const bool left = string_field_or(truncation, "direction", "Right", source) == "Left";
  impl.truncation_side = left ? Side::kLeft : Side::kRight;
  impl.type_ids = false;
  return tokenizer;
}

Tokenizer Tokenizer::load(const std::filesystem::path& folder, const LoadOptions& options) {
  if (options.bare) return load_bare(folder);
  const Folder files(folder, options);
  Resolved resolved;
  bool segments = true;
  std::string source = files.json_path();
  if (options.as_written) {
    resolved.json = read_file(folder / "tokenizer.json");
    resolved.tokens = read_special_tokens(files.token_files());
  } else {
    ResolveInput input = files.resolve_input();
    source = input.files.json_source;
    segments = input.tokenizer_class.segments;
    resolved = resolve_tokenizer(std::move(input));
  }
  Tokenizer tokenizer = load_json(resolved.json, source);
  Impl& impl = *tokenizer.impl_;
  const ConfigView config = files.config();
  impl.max_length = max_length_of(config);
  impl.truncation_side = side_of(config, "truncation_side", resolved.truncation_side);
  impl.padding_side = side_of(config, "padding_side", resolved.padding_side);
  impl.type_ids = lists_type_ids(config, segments);
  set_roles(resolved.tokens, tokenizer, impl.special);
  return tokenizer;
}

std::vector<std::string> Tokenizer::keys_that_change(const std::filesystem::path& folder) {
  const Folder files(folder, {});
  if (!files.has_json()) return {};
  return resolve_tokenizer(files.resolve_input()).changed_by;
}

}  // namespace tamis::tokenizer
