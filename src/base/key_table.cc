#include "base/key_table.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/log.h"

namespace tamis {

namespace {

constexpr size_t kMaxShown = 200;  // bytes of a key or value in a message

const KeyRow* find_row(std::string_view key, std::span<const KeyRow> table) {
  const auto exact = std::ranges::find(table, key, &KeyRow::key);
  if (exact != table.end()) return &*exact;
  const auto ending = std::ranges::find_if(table, [&](const KeyRow& row) {
    return row.key.starts_with('*') && key.ends_with(row.key.substr(1));
  });
  return ending == table.end() ? nullptr : &*ending;
}

std::string accepted_values(const KeyRow& row) {
  std::string list = "accepted are null";
  for (const std::string_view value : row.accepted) {
    if (!value.empty()) list += cat(", ", value);
  }
  return list;
}

void check_refused(const KeyRow& row, JsonView value, std::string_view source) {
  if (value.is_null()) return;
  JsonWriter json;
  json.value(value);
  const std::string& text = json.str();
  if (std::ranges::find(row.accepted, text) != row.accepted.end()) return;
  fail(ErrorCode::kUnsupported, source, ": ", row.key, " is ",
       std::string_view(text).substr(0, kMaxShown), ": ", row.reason, "; ", accepted_values(row));
}

}  // namespace

void check_keys(JsonView object, std::string_view source, std::span<const KeyRow> table) {
  if (!object.is_object()) return;
  size_t unknown = 0;
  for (size_t i = 0; i < object.size(); ++i) {
    const JsonView::Member member = object.member(i);
    const KeyRow* row = find_row(member.key, table);
    if (row != nullptr) {
      if (row->use == KeyUse::kRefused) check_refused(*row, member.value, source);
    } else if (++unknown <= kMaxKeyWarnings) {
      log(LogLevel::kWarning, cat(source, ": the key ", json_quote(member.key.substr(0, kMaxShown)),
                                  " is unknown and not looked at"));
    }
  }
  if (unknown > kMaxKeyWarnings) {
    log(LogLevel::kWarning,
        cat(source, ": ", unknown - kMaxKeyWarnings, " more keys are unknown and not looked at"));
  }
}

}  // namespace tamis
