#include "tokenizer/post_processor.h"

#include "tokenizer/chars.h"
#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

namespace {

using AddTo = void (*)(const JsonView& json, const std::string& where, PostProcessor& post);

#define TAMIS_POST_PROCESSOR(type, function) \
  void function(const JsonView& json, const std::string& where, PostProcessor& post);
#include "tokenizer/post_processors.inc"
#undef TAMIS_POST_PROCESSOR

struct Row {
  std::string_view type;
  AddTo add;
};

constexpr Row kRows[] = {
#define TAMIS_POST_PROCESSOR(type, function) {#type, function},
#include "tokenizer/post_processors.inc"
#undef TAMIS_POST_PROCESSOR
};

void add_any(const JsonView& json, const std::string& where, PostProcessor& post) {
  if (json.is_null()) return;
  const std::string_view type = string_field(json, "type", where);
  for (const Row& row : kRows) {
    if (row.type == type) {
      row.add(json, where, post);
      return;
    }
  }
  fail_unknown_type(where, "post-processor", type);
}

int32_t checked_id(int64_t id, const std::string& where) {
  if (id < 0 || id > INT32_MAX) {
    fail(ErrorCode::kCorruptData, where, ": token id ", id, " is outside the vocabulary");
  }
  return static_cast<int32_t>(id);
}

/// ["[SEP]", 102]
TemplatePart special_part(const JsonView& json, std::string_view key, const std::string& where) {
  const JsonView pair = array_field(json, key, where);
  if (pair.size() != 2) {
    fail(ErrorCode::kCorruptData, where, ".", key, ": expected [token, id]");
  }
  const std::string place = cat(where, ".", key);
  return {checked_id(pair.at(1).as_int(place), place), 0, 0,
          std::string(pair.at(0).as_string(place))};
}

void wrap_once(const std::string& where, PostProcessor& post) {
  if (post.wraps) {
    fail(ErrorCode::kUnsupported, where,
         ": a second post-processor that adds special tokens is not supported");
  }
  post.wraps = true;
}

void add_bert(const JsonView& json, const std::string& where, PostProcessor& post) {
  wrap_once(where, post);
  const TemplatePart sep = special_part(json, "sep", where);
  const TemplatePart cls = special_part(json, "cls", where);
  TemplatePart last_sep = sep;
  last_sep.type_id = 1;
  post.single = {cls, {-1, 0, 0}, sep};
  post.pair = {cls, {-1, 0, 0}, sep, {-1, 1, 1}, last_sep};
}

void add_roberta(const JsonView& json, const std::string& where, PostProcessor& post) {
  wrap_once(where, post);
  const TemplatePart sep = special_part(json, "sep", where);
  const TemplatePart cls = special_part(json, "cls", where);
  const bool add_prefix_space = bool_field(json, "add_prefix_space", where);
  if (bool_field(json, "trim_offsets", where)) post.trims.push_back(add_prefix_space);
  post.windows_type_0 = true;
  post.single = {cls, {-1, 0, 0}, sep};
  post.pair = {cls, {-1, 0, 0}, sep, sep, {-1, 1, 0}, sep};
}

void add_byte_level(const JsonView& json, const std::string& where, PostProcessor& post) {
  const bool add_prefix_space = bool_field(json, "add_prefix_space", where);
  if (bool_field(json, "trim_offsets", where)) post.trims.push_back(add_prefix_space);
}

void add_sequence(const JsonView& json, const std::string& where, PostProcessor& post) {
  const JsonView list = array_field(json, "processors", where);
  for (size_t i = 0; i < list.size(); ++i) {
    add_any(list.at(i), cat(where, ".processors[", i, "]"), post);
  }
}

/// One {"Sequence": {...}} or {"SpecialToken": {...}}; a special token may stand for several ids.
void add_part(const JsonView& json, const JsonView& special_tokens, const std::string& where,
              std::vector<TemplatePart>& parts) {
  if (json.get("Sequence")) {
    const JsonView body = json.get("Sequence");
    const std::string_view id = string_field(body, "id", where);
    if (id != "A" && id != "B") {
      fail(ErrorCode::kCorruptData, where, ": sequence ", json_quote(id), " is neither A nor B");
    }
    parts.push_back({-1, id == "B", checked_id(int_field(body, "type_id", where), where)});
    return;
  }
  const JsonView body = field(json, "SpecialToken", where);
  const std::string_view name = string_field(body, "id", where);
  const int32_t type_id = checked_id(int_field(body, "type_id", where), where);
  const JsonView token = special_tokens.get(name);
  if (!token) {
    fail(ErrorCode::kCorruptData, where, ": special token ", json_quote(name),
         " is not in special_tokens");
  }
  const JsonView ids = array_field(token, "ids", where);
  const JsonView texts = array_field(token, "tokens", where);
  if (ids.size() != texts.size()) {
    fail(ErrorCode::kCorruptData, where, ": special token ", json_quote(name), " has ", ids.size(),
         " ids and ", texts.size(), " tokens");
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    parts.push_back({checked_id(ids.at(i).as_int(where), where), 0, type_id,
                     std::string(texts.at(i).as_string(where))});
  }
}

std::vector<TemplatePart> template_parts(const JsonView& json, std::string_view key,
                                         const std::string& where) {
  const JsonView list = array_field(json, key, where);
  const JsonView special_tokens = field(json, "special_tokens", where);
  std::vector<TemplatePart> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    add_part(list.at(i), special_tokens, cat(where, ".", key, "[", i, "]"), parts);
  }
  // A template grows every encoding by its length, so a huge one is refused.
  constexpr size_t kMaxParts = 1024;
  if (parts.size() > kMaxParts) {
    fail(ErrorCode::kCorruptData, where, ".", key, ": ", parts.size(), " tokens; at most ",
         kMaxParts, " are accepted");
  }
  return parts;
}

void add_template(const JsonView& json, const std::string& where, PostProcessor& post) {
  wrap_once(where, post);
  post.single = template_parts(json, "single", where);
  post.pair = template_parts(json, "pair", where);
  for (const TemplatePart& part : post.single) {
    if (part.id < 0 && part.sequence == 1) {
      fail(ErrorCode::kCorruptData, where, ".single: names sequence B, but there is only A");
    }
  }
}

}  // namespace

int64_t PostProcessor::num_special(bool is_pair) const {
  int64_t count = 0;
  for (const TemplatePart& part : parts(is_pair)) count += part.id >= 0;
  return count;
}

PostProcessor make_post_processor(const JsonView& json, const std::string& where) {
  PostProcessor post;
  add_any(json, where, post);
  return post;
}

}  // namespace tamis::tokenizer
