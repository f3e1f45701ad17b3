#include "tokenizer/special_tokens.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

namespace {

bool is_token(const JsonView& value) {
  return value.is_string() || (value.is_object() && value.get("content").is_string());
}

/// `special_default` stands where an object does not say; `forced` overrides what it says.
TokenValue token_of(const JsonView& value, bool special_default, const std::string& where) {
  TokenValue token;
  if (value.is_string()) {
    token.content = value.as_string(where);
    return token;
  }
  token.plain = false;
  token.content = string_field(value, "content", where);
  token.single_word = bool_field_or(value, "single_word", false, where);
  token.lstrip = bool_field_or(value, "lstrip", false, where);
  token.rstrip = bool_field_or(value, "rstrip", false, where);
  token.special = bool_field_or(value, "special", special_default, where);
  if (!value.get("normalized").is_null()) {
    token.normalized = bool_field(value, "normalized", where);
  }
  return token;
}

/// A token of special_tokens_map.json is special, whatever it says.
TokenValue map_token(const JsonView& value, const std::string& where) {
  TokenValue token = token_of(value, true, where);
  token.special = true;
  return token;
}

std::vector<TokenValue> token_list(const JsonView& list, bool from_map, const std::string& where) {
  std::vector<TokenValue> tokens;
  if (list.is_null()) return tokens;
  if (!list.is_array()) fail(ErrorCode::kCorruptData, where, ": expected a list of tokens");
  for (size_t i = 0; i < list.size(); ++i) {
    if (!is_token(list.at(i))) {
      fail(ErrorCode::kCorruptData, where, "[", i, "]: expected a token");
    }
    tokens.push_back(from_map ? map_token(list.at(i), where) : token_of(list.at(i), false, where));
  }
  return tokens;
}

int64_t id_of_key(std::string_view key, const std::string& source) {
  int64_t id = 0;
  const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
  if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size()) {
    fail(ErrorCode::kCorruptData, source, ": added_tokens_decoder has the key ", json_quote(key),
         "; expected an id");
  }
  return id;
}

class Reader {
 public:
  explicit Reader(const TokenFiles& files) : files_(files) {}

  SpecialTokens read() {
    read_config();
    const JsonView decoder = files_.config.get("added_tokens_decoder");
    if (decoder.exists()) {
      // Then no other file is asked.
      read_decoder(decoder);
    } else {
      read_map();
      read_added();
      read_json_added();
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string place(std::string_view key) const {
    return cat(files_.config.source, ": ", key);
  }

  void set_role(size_t i, const JsonView& value, bool from_map, const std::string& where) {
    out_.named[i] = true;
    out_.roles[i].reset();
    if (value.is_null()) return;
    if (!is_token(value)) fail(ErrorCode::kCorruptData, where, ": expected a token");
    out_.roles[i] = from_map ? map_token(value, where) : token_of(value, false, where);
    text_[i] = value.is_string() || from_map;
  }

  void set_own_role(std::string_view key, TokenValue token) {
    for (auto& [name, value] : out_.own_roles) {
      if (name == key) {
        value = std::move(token);
        return;
      }
    }
    out_.own_roles.emplace_back(key, std::move(token));
  }

  void read_config() {
    for (size_t i = 0; i < kRoles.size(); ++i) {
      const JsonView value = files_.config.get(kRoles[i]);
      if (value.exists()) set_role(i, value, false, place(kRoles[i]));
    }
    for (const JsonView& object : {files_.config.file, files_.config.overrides}) {
      for (size_t i = 0; i < object.size(); ++i) {
        const JsonView::Member member = object.member(i);
        read_own_role(member.key, member.value, false, place(member.key));
      }
    }
    read_extras();
  }

  /// additional_special_tokens is the older name, which counts only where the newer gives no list;
  /// an object gives tokens of the model's own.
  void read_extras() {
    const JsonView value = files_.config.get("extra_special_tokens");
    const JsonView older = files_.config.get("additional_special_tokens");
    const bool renamed = older.exists() && value.size() == 0;
    set_extras(renamed ? older : value, false,
               place(renamed ? "additional_special_tokens" : "extra_special_tokens"));
    if (older.exists() && !renamed) {
      out_.additional = token_list(older, false, place("additional_special_tokens"));
    }
  }

  void set_extras(const JsonView& value, bool from_map, const std::string& where) {
    if (!value.exists()) return;
    if (!value.is_object()) {
      out_.extras = token_list(value, from_map, where);
      note_texts(value, from_map);
      return;
    }
    for (size_t i = 0; i < value.size(); ++i) {
      const JsonView::Member member = value.member(i);
      const std::string at = cat(where, ".", member.key);
      if (!is_token(member.value)) fail(ErrorCode::kCorruptData, at, ": expected a token");
      set_own_role(member.key, token_of(member.value, false, at));
    }
  }

  void read_own_role(std::string_view key, const JsonView& value, bool from_map,
                     const std::string& where) {
    if (!key.ends_with("_token") || !is_token(value)) return;
    if (std::ranges::find(kRoles, key) != kRoles.end()) return;
    set_own_role(key, from_map ? map_token(value, where) : token_of(value, false, where));
  }

  void read_decoder(const JsonView& decoder) {
    if (!decoder.is_null()) (void)decoder.as_object(place("added_tokens_decoder"));
    for (size_t i = 0; i < decoder.size(); ++i) {
      const JsonView::Member member = decoder.member(i);
      const std::string where = cat(place("added_tokens_decoder"), ".", member.key);
      if (!member.value.is_object()) {
        fail(ErrorCode::kCorruptData, where, ": expected an object with the token's flags");
      }
      out_.listed[id_of_key(member.key, files_.config.source)] =
          token_of(member.value, false, where);
    }
  }

  /// Its values replace those of tokenizer_config.json, but not the overrides.
  void read_map() {
    const JsonView map = files_.special_tokens_map;
    for (size_t i = 0; i < map.size(); ++i) {
      const JsonView::Member member = map.member(i);
      if (!files_.config.overrides.get(member.key).is_null()) continue;
      const std::string where = cat(files_.special_tokens_map_source, ": ", member.key);
      const auto role = std::ranges::find(kRoles, member.key);
      if (role != kRoles.end()) {
        set_role(static_cast<size_t>(role - kRoles.begin()), member.value, true, where);
      } else if (member.key == "extra_special_tokens") {
        join_extras(member.value, where);
      } else if (member.key == "additional_special_tokens") {
        out_.additional = token_list(member.value, true, where);
      } else {
        read_own_role(member.key, member.value, true, where);
      }
    }
  }

  void join_extras(const JsonView& value, const std::string& where) {
    if (!value.is_array()) {
      set_extras(value, true, where);
      return;
    }
    std::vector<TokenValue> joined = out_.extras.value_or(std::vector<TokenValue>());
    for (TokenValue& token : token_list(value, true, where)) {
      if (std::ranges::find(joined, token) == joined.end()) joined.push_back(std::move(token));
    }
    out_.extras = std::move(joined);
    note_texts(value, true);
  }

  void note_texts(const JsonView& list, bool from_map) {
    for (size_t i = 0; i < list.size(); ++i) {
      const JsonView item = list.at(i);
      const JsonView text = item.is_object() ? item.get("content") : item;
      const bool counts = from_map || item.is_string();
      if (counts && text.is_string()) extra_texts_.insert(text.as_string("content"));
    }
  }

  void read_added() {
    std::set<std::string_view> special;
    for (size_t i = 0; i < kRoles.size(); ++i) {
      // A token with flags in tokenizer_config.json is not recognized here.
      if (out_.roles[i] && text_[i]) special.insert(out_.roles[i]->content);
    }
    special.insert(extra_texts_.begin(), extra_texts_.end());
    const JsonView added = files_.added_tokens;
    for (size_t i = 0; i < added.size(); ++i) {
      const JsonView::Member member = added.member(i);
      TokenValue token;
      token.content = member.key;
      token.plain = false;
      token.special = special.contains(member.key);
      token.normalized = !token.special;
      out_.listed[member.value.as_int(files_.added_tokens_source)] = std::move(token);
    }
  }

  void read_json_added() {
    const JsonView list = files_.json_added_tokens;
    if (!list.is_null()) (void)list.as_array(cat(files_.json_source, ": added_tokens"));
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string where = cat(files_.json_source, ": added_tokens[", i, "]");
      // Ones without an id come first, in their order.
      const int64_t id = list.at(i).get("id").is_int()
                             ? int_field(list.at(i), "id", where)
                             : static_cast<int64_t>(i) - static_cast<int64_t>(list.size());
      out_.listed[id] = token_of(list.at(i), false, where);
    }
  }

  const TokenFiles& files_;
  SpecialTokens out_;
  /// Roles whose token is a text, or comes from special_tokens_map.json.
  std::array<bool, kRoles.size()> text_{};
  /// The same of extras.
  std::set<std::string_view> extra_texts_;
};

}  // namespace

std::vector<const TokenValue*> SpecialTokens::with_roles() const {
  std::vector<const TokenValue*> tokens;
  for (const auto& token : roles) {
    if (token) tokens.push_back(&*token);
  }
  for (const auto& [name, token] : own_roles) tokens.push_back(&token);
  return tokens;
}

SpecialTokens read_special_tokens(const TokenFiles& files) { return Reader(files).read(); }

}  // namespace tamis::tokenizer
