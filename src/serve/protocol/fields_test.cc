#include "serve/protocol/fields.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/error.h"

namespace tamis::serve {
namespace {

// What reading `json` by the form says; empty if it is taken.
std::string refusal(std::string_view form, const std::string& json) {
  const JsonDocument document = JsonDocument::parse(json, "request");
  try {
    const Fields fields(form, document.root());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

// A body with all that the form requires, and `field` with `value` (its last one counts).
std::string body_with(const Form& form, const Field& field, const std::string& value) {
  std::string body = cat("{\"", field.name, "\":", value);
  for (const auto& group : form.groups) {
    for (const Field& other : group) {
      if (!other.required || other.name == field.name) continue;
      const bool list = other.kind == FieldKind::kTexts || other.kind == FieldKind::kTextOrList;
      const bool object = other.kind == FieldKind::kObject;
      body += cat(",\"", other.name, "\":", list ? "[\"a\"]" : object ? "{}" : "\"a\"");
    }
  }
  return body + "}";
}

std::string good_value(const Field& field) {
  std::string word(field.words.substr(0, field.words.find('|')));
  switch (field.kind) {
    case FieldKind::kBool:
    case FieldKind::kSwitch:
      return "true";
    case FieldKind::kInt:
    case FieldKind::kNumber:
      return cat(field.most);
    case FieldKind::kText:
    case FieldKind::kJson:
      return "\"a\"";
    case FieldKind::kWord:
      return cat('"', word, '"');
    case FieldKind::kTexts:
    case FieldKind::kTextOrList:
      return "[]";
    case FieldKind::kObject:
      return "{}";
    case FieldKind::kOnly:
      return word == "true" || word == "false" || word == "null" || word.starts_with('[')
                 ? word
                 : cat('"', word, '"');
  }
  return "";
}

// Each row of the table: a value that fits is taken, one of every other kind is refused by name.
TEST(FieldsTest, EveryRowChecksItsKindAndBounds) {
  for (const Form& form : forms()) {
    for (const auto& group : form.groups) {
      for (const Field& field : group) {
        SCOPED_TRACE(cat(form.name, ".", field.name));
        EXPECT_EQ(refusal(form.name, body_with(form, field, good_value(field))), "");
        const std::string null = refusal(form.name, body_with(form, field, "null"));
        EXPECT_EQ(null.empty(), !field.required) << null;
        if (field.kind == FieldKind::kJson) continue;
        const std::string named = cat('`', field.name, '`');
        const std::string wrong = field.kind == FieldKind::kObject ? "[1]" : "{\"x\":1}";
        EXPECT_EQ(refusal(form.name, body_with(form, field, wrong)).find(named), 0U);
        EXPECT_EQ(refusal(form.name, body_with(form, field, "1.5")).find(named), 0U);
        if (field.kind != FieldKind::kInt) continue;
        EXPECT_LT(field.least, field.most);
        for (const int64_t beyond : {field.least - 1, field.most + 1}) {
          const std::string said = refusal(form.name, body_with(form, field, cat(beyond)));
          EXPECT_EQ(said, cat(named, " must be a whole number in ", field.least, "..", field.most));
        }
        EXPECT_EQ(refusal(form.name, body_with(form, field, "9223372036854775808")).find(named),
                  0U);
      }
    }
  }
}

TEST(FieldsTest, NamesAreUniqueInAForm) {
  std::set<std::string_view> forms_seen;
  for (const Form& form : forms()) {
    EXPECT_TRUE(forms_seen.insert(form.name).second) << form.name;
    std::set<std::string_view> names;
    for (const auto& group : form.groups) {
      for (const Field& field : group) {
        EXPECT_TRUE(names.insert(field.name).second) << form.name << "." << field.name;
      }
    }
  }
}

TEST(FieldsTest, SaysWhatItWouldTake) {
  EXPECT_EQ(refusal("EmbedRequest", R"({"inputs":"a","truncation_direction":"up"})"),
            "`truncation_direction` must be left or right");
  EXPECT_EQ(refusal("NerParameters", R"({"truncation":"some"})"),
            "`truncation` must be true, false, only_first, only_second, longest_first or "
            "do_not_truncate");
  EXPECT_EQ(refusal("EmbeddingsRequest", R"({"input":"a","embed_dtype":"float16"})"),
            "`embed_dtype` must be float32: this server has no other");
  EXPECT_EQ(refusal("CohereEmbedRequest", R"({"embedding_types":["int8","int4"]})"),
            "`embedding_types` must be a list of float, int8, uint8, binary, ubinary or base64");
  EXPECT_EQ(refusal("RerankRequest", R"({"documents":["a"]})"),
            "`query` is missing; it must be a string");
  EXPECT_EQ(refusal("QaParameters", R"({"top_k":1001})"),
            "`top_k` must be a whole number in 1..1000");
  for (const char* threshold : {"-0.1", "1.5", "\"0.5\""}) {
    EXPECT_EQ(refusal("NerParameters", cat("{\"threshold\":", threshold, "}")),
              "`threshold` must be a number in 0..1");
  }
  EXPECT_EQ(refusal("NerParameters", R"({"threshold":0.25})"), "");
  EXPECT_EQ(refusal("QaParameters", R"({"unknown":{"a":[]}})"), "") << "unknown fields are ignored";
}

TEST(FieldsTest, ReadsWords) {
  const JsonDocument document =
      JsonDocument::parse(R"({"truncation_direction":"Left","truncation":"do_not_truncate"})", "x");
  const Fields fields("NerParameters", document.root());
  EXPECT_EQ(fields.word("truncation_direction"), "left");
  EXPECT_EQ(fields.word("truncation"), "do_not_truncate");
  EXPECT_EQ(fields.flag("truncation"), std::nullopt);
  EXPECT_EQ(fields.integer("stride"), std::nullopt);
  const JsonDocument types = JsonDocument::parse(R"({"embedding_types":["INT8","float"]})", "x");
  EXPECT_EQ(Fields("CohereEmbedRequest", types.root()).words("embedding_types"),
            (std::vector<std::string_view>{"int8", "float"}));
}

}  // namespace
}  // namespace tamis::serve
