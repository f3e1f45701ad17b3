#include "tokenizer/models/model.h"

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

#define TAMIS_MODEL(type, factory) \
  std::unique_ptr<Model> factory(const JsonView& json, const std::string& where);
#include "tokenizer/models/models.inc"
#undef TAMIS_MODEL

namespace {

struct Row {
  std::string_view type;
  ModelFactory factory;
};

constexpr Row kRows[] = {
#define TAMIS_MODEL(type, factory) {#type, factory},
#include "tokenizer/models/models.inc"
#undef TAMIS_MODEL
};

/// Files from before models had a "type" tell it by their fields.
std::string_view infer_type(const JsonView& json) {
  if (json.get("merges")) return "BPE";
  if (json.get("max_input_chars_per_word")) return "WordPiece";
  if (json.get("vocab").is_array()) return "Unigram";
  return "WordLevel";
}

}  // namespace

std::unique_ptr<Model> make_model(const JsonView& json, const std::string& where) {
  if (!json.is_object()) fail(ErrorCode::kCorruptData, where, ": expected an object");
  const JsonView named = json.get("type");
  const std::string_view type =
      named.is_null() ? infer_type(json) : named.as_string(cat(where, ".type"));
  for (const Row& row : kRows) {
    if (row.type == type) return row.factory(json, where);
  }
  fail_unknown_type(where, "model", type);
}

}  // namespace tamis::tokenizer
