// Tokenizer::load: a checkpoint folder to a Tokenizer.
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/convert.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/tokenizer_impl.h"

namespace tamis::tokenizer {

namespace {

namespace fs = std::filesystem;

/// A JSON file that may be missing.
class OptionalJson {
 public:
  explicit OptionalJson(const fs::path& path) {
    if (file_exists(path)) document_.emplace(JsonDocument::parse(read_file(path), path.string()));
  }
  [[nodiscard]] JsonView root() const { return document_ ? document_->root() : JsonView(); }

 private:
  std::optional<JsonDocument> document_;
};

std::string convert_folder(const fs::path& folder, const SideFiles& files) {
  const auto path = [&](std::string_view name) { return folder / name; };
  if (file_exists(path("vocab.txt"))) {
    return convert_wordpiece(read_file(path("vocab.txt")), files, path("vocab.txt").string());
  }
  if (file_exists(path("vocab.json")) && file_exists(path("merges.txt"))) {
    return convert_byte_bpe(read_file(path("vocab.json")), read_file(path("merges.txt")), files,
                            path("vocab.json").string());
  }
  for (const char* name : {"sentencepiece.bpe.model", "spiece.model", "tokenizer.model"}) {
    if (file_exists(path(name))) {
      return convert_sentencepiece(read_file(path(name)), files, path(name).string());
    }
  }
  fail(ErrorCode::kNotFound, folder.string(),
       ": no tokenizer; expected tokenizer.json, vocab.txt, vocab.json with merges.txt, "
       "sentencepiece.bpe.model, spiece.model or tokenizer.model");
}

/// Re-emits tokenizer.json with the tokens that only the files beside it name.
std::string with_extra_tokens(std::string text, const JsonView& config, const JsonView& added,
                              const std::string& source) {
  const JsonView decoder = config.get("added_tokens_decoder");
  if (decoder.size() == 0 && added.size() == 0) return text;
  const JsonDocument document = JsonDocument::parse(text, source);
  const JsonView root = document.root();
  const JsonView list = root.get("added_tokens");
  std::set<std::string_view> known;
  for (size_t i = 0; i < list.size(); ++i) {
    known.insert(string_field(list.at(i), "content", source));
  }
  // In the order of their ids, so that new ones get the ids that they are listed with.
  std::map<int64_t, JsonView> by_id;
  std::map<int64_t, std::string_view> plain;
  for (size_t i = 0; i < decoder.size(); ++i) {
    const auto member = decoder.member(i);
    int64_t id = 0;
    const auto parsed =
        std::from_chars(member.key.data(), member.key.data() + member.key.size(), id);
    if (parsed.ec != std::errc() || parsed.ptr != member.key.data() + member.key.size()) {
      fail(ErrorCode::kCorruptData, source, ": added_tokens_decoder has the key ",
           json_quote(member.key), "; expected an id");
    }
    if (known.insert(string_field(member.value, "content", source)).second) {
      by_id[id] = member.value;
    }
  }
  for (size_t i = 0; i < added.size(); ++i) {
    const auto member = added.member(i);
    if (known.insert(member.key).second) plain[member.value.as_int(source)] = member.key;
  }
  if (by_id.empty() && plain.empty()) return text;
  JsonWriter json;
  json.begin_object();
  for (size_t i = 0; i < root.size(); ++i) {
    const auto member = root.member(i);
    if (member.key != "added_tokens") json.key(member.key).value(member.value);
  }
  json.key("added_tokens").begin_array();
  for (size_t i = 0; i < list.size(); ++i) json.value(list.at(i));
  for (const auto& [id, token] : by_id) {
    const bool special = bool_field_or(token, "special", false, source);
    json.begin_object().member("id", id).member("content", string_field(token, "content", source));
    for (const std::string_view flag : {"single_word", "lstrip", "rstrip"}) {
      json.member(flag, bool_field_or(token, flag, false, source));
    }
    json.member("normalized", bool_field_or(token, "normalized", !special, source));
    json.member("special", special).end_object();
  }
  for (const auto& [id, content] : plain) {
    json.begin_object().member("id", id).member("content", content);
    for (const std::string_view flag : {"single_word", "lstrip", "rstrip"})
      json.member(flag, false);
    json.member("normalized", true).member("special", false).end_object();
  }
  json.end_array().end_object();
  return json.take();
}

Side side_from(const JsonView& config, std::string_view key, const std::string& source) {
  const std::string_view name = string_field_or(config, key, "right", source);
  if (name == "left") return Side::kLeft;
  if (name == "right") return Side::kRight;
  fail(ErrorCode::kCorruptData, source, ": ", key, " ", json_quote(name),
       " is neither left nor right");
}

}  // namespace

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  const fs::path config_path = folder / "tokenizer_config.json";
  const OptionalJson config(config_path);
  const OptionalJson map(folder / "special_tokens_map.json");
  const OptionalJson added(folder / "added_tokens.json");
  const OptionalJson model_config(folder / "config.json");
  const SideFiles files{config.root(), map.root(), model_config.root()};
  const fs::path path = folder / "tokenizer.json";
  std::string text = file_exists(path) ? read_file(path) : convert_folder(folder, files);
  text = with_extra_tokens(std::move(text), config.root(), added.root(), path.string());
  Tokenizer tokenizer = load_json(text, path.string());
  Impl& impl = *tokenizer.impl_;
  const JsonView length = config.root().get("model_max_length");
  // Checkpoints without a limit write 1e30.
  if (length.is_number() && length.as_double("model_max_length") >= 1 &&
      length.as_double("model_max_length") < 1e6) {
    impl.max_length = static_cast<int64_t>(length.as_double("model_max_length"));
  }
  impl.truncation_side = side_from(config.root(), "truncation_side", config_path.string());
  impl.padding_side = side_from(config.root(), "padding_side", config_path.string());
  const auto named = [&](std::string_view key, std::optional<int32_t>& id) {
    const std::string_view content = files.special(key, "");
    if (content.empty()) return;
    const auto found = tokenizer.token_to_id(content);
    if (found) id = found;
  };
  named("cls_token", impl.special.cls);
  named("sep_token", impl.special.sep);
  named("mask_token", impl.special.mask);
  named("pad_token", impl.special.pad);
  named("unk_token", impl.special.unk);
  named("bos_token", impl.special.bos);
  named("eos_token", impl.special.eos);
  return tokenizer;
}

}  // namespace tamis::tokenizer
