// The tokens that a checkpoint names beside its vocabulary.
//
// Is: what tokenizer_config.json, special_tokens_map.json, added_tokens.json and tokenizer.json say
// of them, joined as transformers 5 joins it. Is not: their ids. May use: added_tokens, base.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "tokenizer/added_tokens.h"

namespace tamis::tokenizer {

/// A token that a file names: by its text alone, or with its flags.
struct TokenValue {
  std::string content;
  /// Named by its text alone; then it is special and not normalized.
  bool plain = true;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool special = true;
  /// Absent: the opposite of `special`, whatever that becomes.
  std::optional<bool> normalized = std::nullopt;

  [[nodiscard]] AddedToken added() const {
    return {content, single_word, lstrip, rstrip, normalized.value_or(!special), special};
  }
  friend bool operator==(const TokenValue& a, const TokenValue& b) {
    if (a.plain != b.plain || a.content != b.content) return false;
    return a.plain || a.added() == b.added();
  }
};

/// The seven roles, in the order in which their tokens are added.
inline constexpr std::array<std::string_view, 7> kRoles = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
enum class Role : uint8_t { kBos, kEos, kUnk, kSep, kPad, kCls, kMask };

/// What one folder says.
struct SpecialTokens {
  /// A role's token; absent where a file says null or nothing names it.
  std::array<std::optional<TokenValue>, kRoles.size()> roles;
  /// True for a role that a file names, if only by null.
  std::array<bool, kRoles.size()> named{};
  /// Tokens with a role of the model's own ("entity_token").
  std::vector<std::pair<std::string, TokenValue>> own_roles;
  /// extra_special_tokens, by this name or its older one, additional_special_tokens; absent if no
  /// file has such a key.
  std::optional<std::vector<TokenValue>> extras;
  /// What counts for want of them: additional_special_tokens where it is not renamed.
  std::optional<std::vector<TokenValue>> additional;
  /// Tokens listed with an id, in its order.
  std::map<int64_t, TokenValue> listed;

  [[nodiscard]] const std::optional<TokenValue>& role(Role role) const {
    return roles[static_cast<size_t>(role)];
  }
  /// Every token with a role, in the order in which they are added.
  [[nodiscard]] std::vector<const TokenValue*> with_roles() const;
};

/// Members of tokenizer_config.json, and those that replace them.
struct ConfigView {
  JsonView file;
  JsonView overrides;
  std::string source;

  [[nodiscard]] JsonView get(std::string_view key) const {
    const JsonView own = overrides.get(key);
    return own.exists() ? own : file.get(key);
  }
};

/// The files that name tokens; absent ones are absent views.
struct TokenFiles {
  ConfigView config;
  JsonView special_tokens_map;
  std::string special_tokens_map_source;
  JsonView added_tokens;
  std::string added_tokens_source;
  /// tokenizer.json's "added_tokens".
  JsonView json_added_tokens;
  std::string json_source;
};

/// Throws Error{kCorruptData} naming file and key for a value that is no token.
[[nodiscard]] SpecialTokens read_special_tokens(const TokenFiles& files);

}  // namespace tamis::tokenizer
