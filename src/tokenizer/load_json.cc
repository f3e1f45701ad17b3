// Tokenizer::load_json: tokenizer.json to a Tokenizer.
#include <array>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/tokenizer_impl.h"

namespace tamis::tokenizer {

namespace {

std::vector<AddedToken> read_added_tokens(const JsonView& list, const std::string& where) {
  std::vector<AddedToken> tokens;
  if (list.is_null()) return tokens;
  if (!list.is_array()) fail(ErrorCode::kCorruptData, where, ": expected an array");
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string place = cat(where, "[", i, "]");
    const JsonView item = list.at(i);
    AddedToken token;
    token.content = string_field(item, "content", place);
    token.single_word = bool_field_or(item, "single_word", false, place);
    token.lstrip = bool_field_or(item, "lstrip", false, place);
    token.rstrip = bool_field_or(item, "rstrip", false, place);
    token.special = bool_field_or(item, "special", false, place);
    token.normalized = bool_field_or(item, "normalized", !token.special, place);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

void check_special_ids(const Tokenizer::Impl& impl, const std::string& where) {
  for (const bool pair : {false, true}) {
    for (const TemplatePart& part : impl.post.parts(pair)) {
      if (part.id < 0 || impl.model->vocab().has_id(part.id)) continue;
      if (impl.added.token(part.id) != nullptr) continue;
      fail(ErrorCode::kCorruptData, where, ".post_processor: special token id ", part.id,
           " is outside the vocabulary");
    }
  }
}

/// The names that checkpoints without a special_tokens_map.json use.
SpecialIds guess_special_ids(const Tokenizer& tokenizer, const Model& model) {
  const auto first = [&](std::initializer_list<std::string_view> names) -> std::optional<int32_t> {
    for (const std::string_view name : names) {
      const auto id = tokenizer.token_to_id(name);
      if (id) return id;
    }
    return std::nullopt;
  };
  SpecialIds ids;
  ids.cls = first({"[CLS]", "<s>"});
  ids.sep = first({"[SEP]", "</s>"});
  ids.mask = first({"[MASK]", "<mask>"});
  ids.pad = first({"[PAD]", "<pad>"});
  ids.unk = model.unk_id() >= 0 ? std::optional(model.unk_id()) : first({"[UNK]", "<unk>"});
  ids.bos = first({"<s>"});
  ids.eos = first({"</s>"});
  return ids;
}

}  // namespace

Tokenizer Tokenizer::load_json(std::string_view bytes, std::string_view source) {
  const JsonDocument document = JsonDocument::parse(bytes, source);
  const JsonView root = document.root();
  const std::string where(source);
  if (!root.is_object()) fail(ErrorCode::kCorruptData, where, ": expected an object");
  const JsonView version = root.get("version");
  if (version.is_string() && version.as_string(where) != "1.0") {
    fail(ErrorCode::kUnsupported, where, ": version ", json_quote(version.as_string(where)),
         " is not supported; expected \"1.0\"");
  }
  auto impl = std::make_unique<Impl>();
  impl->normalizer = make_normalizer(root.get("normalizer"), where + ": normalizer");
  impl->pre_tokenizer = make_pre_tokenizer(root.get("pre_tokenizer"), where + ": pre_tokenizer");
  impl->model = make_model(field(root, "model", where), where + ": model");
  const JsonView prefix = root.get("model").get("continuing_subword_prefix");
  if (prefix.is_string()) impl->continuing_subword_prefix = prefix.as_string(where);
  impl->post = make_post_processor(root.get("post_processor"), where + ": post_processor");
  impl->decoder = make_decoder(root.get("decoder"), where + ": decoder");
  impl->added.add(read_added_tokens(root.get("added_tokens"), where + ": added_tokens"),
                  *impl->model);
  auto scratch = impl->scratches.take();
  impl->added.finish(impl->normalizer.get(), *scratch);
  impl->scratches.give_back(std::move(scratch));
  check_special_ids(*impl, where);
  if (impl->pre_tokenizer && impl->pre_tokenizer->ends_with_byte_level() &&
      impl->model->read_raw_bytes()) {
    impl->pre_tokenizer->leave_bytes_raw();
  }
  if (!impl->post.trims.empty()) impl->spaces = count_token_spaces(impl->model->vocab());
  impl->vocab_size = static_cast<int64_t>(impl->model->vocab().size());
  for (const int32_t id : impl->added.ids()) {
    impl->vocab_size += impl->model->vocab().find(impl->added.token(id)->content) < 0;
  }
  impl->json = bytes;
  Tokenizer tokenizer(std::move(impl));
  tokenizer.impl_->special = guess_special_ids(tokenizer, *tokenizer.impl_->model);
  return tokenizer;
}

}  // namespace tamis::tokenizer
