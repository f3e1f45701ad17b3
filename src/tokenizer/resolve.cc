#include "tokenizer/resolve.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

namespace {

std::string text_of(const JsonView& view) {
  JsonWriter json;
  if (view.exists()) {
    json.value(view);
  } else {
    json.null();
  }
  return json.take();
}

/// The pre-tokenizers of one that holds a Metaspace, in one spelling of each option; else empty.
std::string metaspace_cuts(const JsonView& pre_tokenizer) {
  const JsonView list = pre_tokenizer.get("pretokenizers");
  std::string cuts;
  bool found = false;
  for (size_t i = 0; i < (list.is_array() ? list.size() : 1); ++i) {
    const JsonView one = list.is_array() ? list.at(i) : pre_tokenizer;
    const std::string type = text_of(one.get("type"));
    cuts += type;
    if (type != "\"Metaspace\"") continue;
    found = true;
    const JsonView scheme = one.get("prepend_scheme");
    cuts += text_of(one.get("replacement")) + (scheme.exists() ? text_of(scheme) : "\"always\"");
    if (text_of(one.get("split")) == "false") cuts += "whole";
  }
  return found ? cuts : std::string();
}

/// Added tokens with the ids that Hugging Face's library gives them, one after the other.
class AddedList {
 public:
  AddedList(const JsonView& model, const std::set<std::string_view>& wanted,
            const std::string& source) {
    const JsonView vocab = model.get("vocab");
    next_id_ = static_cast<int64_t>(vocab.size());
    for (size_t i = 0; i < vocab.size(); ++i) {
      if (vocab.is_object()) {
        const JsonView::Member member = vocab.member(i);
        if (wanted.contains(member.key))
          in_vocab_[std::string(member.key)] = member.value.as_int(source);
        continue;
      }
      const JsonView piece =
          vocab.at(i).is_array() && vocab.at(i).size() > 0 ? vocab.at(i).at(0) : JsonView();
      if (!piece.is_string() || !wanted.contains(piece.as_string(source))) continue;
      // Of equal pieces the last counts.
      in_vocab_[std::string(piece.as_string(source))] = static_cast<int64_t>(i);
    }
  }

  /// Later flags of a token replace earlier ones; once special it stays so.
  void add(AddedToken token) {
    if (token.content.empty()) return;
    const auto [entry, is_new] = tokens_.try_emplace(token.content);
    if (is_new) {
      const auto known = in_vocab_.find(token.content);
      entry->second.id = known != in_vocab_.end() ? known->second : next_id_++;
      order_.push_back(token.content);
    } else {
      token.special = token.special || entry->second.token.special;
    }
    entry->second.token = std::move(token);
  }

  [[nodiscard]] const AddedToken* find(std::string_view content) const {
    const auto found = tokens_.find(std::string(content));
    return found == tokens_.end() ? nullptr : &found->second.token;
  }
  [[nodiscard]] int64_t id_of(std::string_view content) const {
    return tokens_.at(std::string(content)).id;
  }

  void write(JsonWriter& json) const {
    std::map<int64_t, const AddedToken*> by_id;
    for (const std::string& content : order_) {
      const Entry& entry = tokens_.at(content);
      by_id[entry.id] = &entry.token;
    }
    json.begin_array();
    for (const auto& [id, token] : by_id) {
      json.begin_object().member("id", id).member("content", token->content);
      json.member("single_word", token->single_word).member("lstrip", token->lstrip);
      json.member("rstrip", token->rstrip).member("normalized", token->normalized);
      json.member("special", token->special).end_object();
    }
    json.end_array();
  }

 private:
  struct Entry {
    AddedToken token;
    int64_t id = 0;
  };
  std::map<std::string, int64_t> in_vocab_;
  std::map<std::string, Entry> tokens_;
  std::vector<std::string> order_;
  int64_t next_id_ = 0;
};

AddedToken json_token(const JsonView& item, const std::string& where) {
  AddedToken token;
  token.content = string_field(item, "content", where);
  token.single_word = bool_field_or(item, "single_word", false, where);
  token.lstrip = bool_field_or(item, "lstrip", false, where);
  token.rstrip = bool_field_or(item, "rstrip", false, where);
  token.special = bool_field_or(item, "special", false, where);
  token.normalized = bool_field_or(item, "normalized", !token.special, where);
  return token;
}

class Resolver {
 public:
  explicit Resolver(ResolveInput input)
      : input_(std::move(input)),
        source_(input_.files.json_source),
        document_(JsonDocument::parse(input_.json, source_)),
        root_(document_.root()),
        generic_(input_.tokenizer_class.rules == ClassRules::kGeneric),
        class_{input_.tokenizer_class.rules,
               input_.tokenizer_class.name,
               input_.files.config,
               root_,
               source_,
               input_.from_tokenizer_json} {
    if (class_.class_name.empty()) class_.class_name = "the class of its model_type";
  }

  Resolved run() {
    if (!root_.is_object()) fail(ErrorCode::kCorruptData, source_, ": expected an object");
    input_.files.json_added_tokens =
        input_.from_tokenizer_json ? root_.get("added_tokens") : JsonView();
    out_.tokens = read_special_tokens(input_.files);
    out_.truncation_side = string_field_or(root_.get("truncation"), "direction", "", source_);
    out_.padding_side = string_field_or(root_.get("padding"), "direction",
                                        pads_left(class_.rules) ? "Left" : "", source_);
    if (input_.piece_tokens) out_.tokens.additional = input_.piece_tokens;
    if (input_.listed_are_raw) {
      for (auto& [id, token] : out_.tokens.listed) token.normalized = false;
    }
    if (generic_) {
      add_padding_token();
      add_piece_roles();
    } else {
      add_class_tokens(class_, out_.tokens);
    }
    if (!out_.tokens.extras) out_.tokens.extras = out_.tokens.additional;
    read_existing();
    AddedList added(field(root_, "model", source_), wanted(), source_);
    for (const AddedToken& token : kept_) added.add(token);
    const std::vector<AddedToken> news = new_tokens();
    for (const AddedToken& token : news) added.add(token);
    restate(restated_tokens(class_.rules), added);
    note_added(added);
    const bool lowercase = input_.lowercase_first && !has_lowercase(root_.get("normalizer"));
    if (generic_ && news.empty() && !lowercase && !names_ends(class_)) {
      out_.json = std::move(input_.json);
    } else {
      write(added);
    }
    return std::move(out_);
  }

 private:
  /// The padding block of tokenizer.json names a pad_token where no other file does.
  void add_padding_token() {
    const auto pad = static_cast<size_t>(Role::kPad);
    const JsonView token = root_.get("padding").get("pad_token");
    if (out_.tokens.named[pad] || !token.is_string()) return;
    out_.tokens.roles[pad] = TokenValue{std::string(token.as_string(source_))};
  }

  void add_piece_roles() {
    for (const auto& [role, content] : input_.piece_roles) {
      const auto i = static_cast<size_t>(role);
      if (!out_.tokens.named[i]) out_.tokens.roles[i] = TokenValue{content};
    }
  }

  void restate(Restated how, AddedList& added) const {
    if (how == Restated::kNone) return;
    const auto add = [&](TokenValue token) {
      if (how == Restated::kByText || token.plain) token = TokenValue{token.content};
      // Its flag is what it was before the token became a special one.
      const bool normalized = token.normalized.value_or(!token.special);
      token.special = true;
      token.normalized = normalized;
      added.add(token.added());
    };
    for (const TokenValue* token : out_.tokens.with_roles()) add(*token);
    if (!out_.tokens.extras) return;
    for (const TokenValue& token : *out_.tokens.extras) add(token);
  }

  /// tokenizer.json's own added tokens, which a class other than a generic one forgets.
  void read_existing() {
    const JsonView list = root_.get("added_tokens");
    if (!list.is_null()) (void)list.as_array(cat(source_, ": added_tokens"));
    for (size_t i = 0; i < list.size(); ++i) {
      existing_.push_back(json_token(list.at(i), cat(source_, ": added_tokens[", i, "]")));
    }
    if (generic_) kept_ = existing_;
  }

  [[nodiscard]] std::set<std::string_view> wanted() const {
    std::set<std::string_view> contents;
    for (const AddedToken& token : kept_) contents.insert(token.content);
    for (const auto& [id, token] : out_.tokens.listed) contents.insert(token.content);
    for (const TokenValue* token : out_.tokens.with_roles()) contents.insert(token->content);
    if (out_.tokens.extras) {
      for (const TokenValue& token : *out_.tokens.extras) contents.insert(token.content);
    }
    return contents;
  }

  /// What is to be added, in order: listed tokens that are new or have other flags, then tokens
  /// with a role and further special ones that nothing listed.
  [[nodiscard]] std::vector<AddedToken> new_tokens() const {
    std::vector<TokenValue> tokens;
    std::set<std::string> known;
    for (const AddedToken& token : kept_) known.insert(token.content);
    for (const auto& [id, token] : out_.tokens.listed) {
      if (std::ranges::find(kept_, token.added()) != kept_.end()) continue;
      tokens.push_back(token);
    }
    for (const TokenValue& token : tokens) known.insert(token.content);
    const auto add = [&](const TokenValue& token) {
      if (known.contains(token.content)) return;
      if (std::ranges::find(tokens, token) == tokens.end()) tokens.push_back(token);
    };
    std::set<std::string_view> with_role;
    const std::vector<const TokenValue*> roles = out_.tokens.with_roles();
    for (const TokenValue* token : roles) {
      with_role.insert(token->content);
      add(*token);
    }
    if (out_.tokens.extras) {
      for (const TokenValue& token : *out_.tokens.extras) add(token);
    }
    std::vector<AddedToken> added;
    for (TokenValue& token : tokens) {
      token.special = token.special || with_role.contains(token.content);
      added.push_back(token.added());
    }
    return added;
  }

  static bool has_lowercase(const JsonView& normalizer) {
    const auto is_it = [](const JsonView& item) {
      const JsonView type = item.get("type");
      return type.is_string() && type.as_string("type") == "Lowercase";
    };
    const JsonView list = normalizer.get("normalizers");
    for (size_t i = 0; list.is_array() && i < list.size(); ++i) {
      if (is_it(list.at(i))) return true;
    }
    return is_it(normalizer);
  }

  /// `normalizer` behind Lowercase, unless it has one.
  [[nodiscard]] std::string lowercased(const std::string& normalizer) const {
    const JsonDocument document = JsonDocument::parse(normalizer, source_);
    if (has_lowercase(document.root())) return normalizer;
    JsonWriter json;
    json.begin_object().member("type", "Sequence").key("normalizers").begin_array();
    json.begin_object().member("type", "Lowercase").end_object();
    const JsonView list = document.root().get("normalizers");
    for (size_t i = 0; list.is_array() && i < list.size(); ++i) json.value(list.at(i));
    if (!list.is_array() && !document.root().is_null()) json.value(document.root());
    json.end_array().end_object();
    return json.take();
  }

  void write(const AddedList& added) {
    Components parts;
    std::string post = "null";
    const IdOf id_of = [&](std::string_view token) { return added.id_of(token); };
    if (generic_) {
      parts = {text_of(root_.get("normalizer")), text_of(root_.get("pre_tokenizer")),
               text_of(root_.get("decoder")), text_of(root_.get("model"))};
      post = own_post_processor(class_, out_.tokens, id_of);
    } else {
      parts = class_components(class_, out_.tokens);
      post = class_post_processor(class_, out_.tokens, id_of);
      if (input_.from_tokenizer_json) note_components(parts);
    }
    if (input_.lowercase_first) parts.normalizer = lowercased(parts.normalizer);
    JsonWriter list;
    added.write(list);
    out_.json =
        cat(R"({"version":"1.0","truncation":)", text_of(root_.get("truncation")), R"(,"padding":)",
            text_of(root_.get("padding")), R"(,"added_tokens":)", list.str(), R"(,"normalizer":)",
            parts.normalizer, R"(,"pre_tokenizer":)", parts.pre_tokenizer, R"(,"post_processor":)",
            post, R"(,"decoder":)", parts.decoder, R"(,"model":)", parts.model, "}");
  }

  void note(std::string_view key) {
    if (std::ranges::find(out_.changed_by, key) == out_.changed_by.end()) {
      out_.changed_by.emplace_back(key);
    }
  }

  void note_added(const AddedList& added) {
    if (!input_.from_tokenizer_json) return;
    for (const AddedToken& token : existing_) {
      const AddedToken* now = added.find(token.content);
      if (now == nullptr || *now != token) note("added_tokens_decoder");
    }
    const auto is_known = [&](const TokenValue& token) {
      return std::ranges::find(existing_, token.content, &AddedToken::content) != existing_.end();
    };
    for (const auto& [id, token] : out_.tokens.listed) {
      if (!is_known(token)) note("added_tokens_decoder");
    }
    for (const TokenValue* token : out_.tokens.with_roles()) {
      if (!is_known(*token)) note("a token with a role");
    }
    if (!out_.tokens.extras) return;
    for (const TokenValue& token : *out_.tokens.extras) {
      if (!is_known(token)) note("extra_special_tokens");
    }
  }

  /// Names the options whose value tokenizer.json does not have.
  void note_components(const Components& parts) {
    struct Option {
      std::string_view field;
      std::string_view key;
    };
    constexpr Option kBertOptions[] = {{"lowercase", "do_lower_case"},
                                       {"strip_accents", "strip_accents"},
                                       {"handle_chinese_chars", "tokenize_chinese_chars"},
                                       {"clean_text", "tokenizer_class"}};
    const JsonDocument normalizer = JsonDocument::parse(parts.normalizer, source_);
    const JsonView had = root_.get("normalizer");
    if (text_of(had.get("type")) != text_of(normalizer.root().get("type"))) {
      note("tokenizer_class");
    } else if (text_of(had.get("type")) == "\"BertNormalizer\"") {
      for (const Option& option : kBertOptions) {
        if (text_of(had.get(option.field)) != text_of(normalizer.root().get(option.field))) {
          note(option.key);
        }
      }
    }
    const JsonDocument cut = JsonDocument::parse(parts.pre_tokenizer, source_);
    const JsonView prefix = cut.root().get("add_prefix_space");
    if (prefix.exists() &&
        text_of(prefix) != text_of(root_.get("pre_tokenizer").get("add_prefix_space"))) {
      note("add_prefix_space");
    }
    const std::string pieces = metaspace_cuts(cut.root());
    if (!pieces.empty() && pieces != metaspace_cuts(root_.get("pre_tokenizer"))) {
      note("tokenizer_class");
    }
  }

  ResolveInput input_;
  std::string source_;
  JsonDocument document_;
  JsonView root_;
  bool generic_;
  ClassInput class_;
  std::vector<AddedToken> existing_;
  std::vector<AddedToken> kept_;
  Resolved out_;
};

}  // namespace

Resolved resolve_tokenizer(ResolveInput input) { return Resolver(std::move(input)).run(); }

}  // namespace tamis::tokenizer
