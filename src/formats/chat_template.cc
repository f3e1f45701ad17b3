#include "formats/chat_template.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/config_file.h"

namespace tamis {

namespace {

constexpr size_t kMaxTemplateBytes = size_t{1} << 20;
constexpr size_t kMaxParts = 1000;
constexpr std::string_view kSpaces = " \t\r\n\f\v";
constexpr std::string_view kRoles[] = {"query", "document", "system"};

// What Python strips as well: separators of files to units, and Unicode's white space.
constexpr std::string_view kWideSpaces[] = {
    "\x1c",         "\x1d",         "\x1e",         "\x1f",         "\xc2\x85",     "\xc2\xa0",
    "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84",
    "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a",
    "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};

// Bytes of the white space that the text begins or ends with, 0 without any.
size_t space_in_front(std::string_view text) {
  if (!text.empty() && kSpaces.find(text.front()) != kSpaces.npos) return 1;
  for (const std::string_view space : kWideSpaces) {
    if (text.starts_with(space)) return space.size();
  }
  return 0;
}

size_t space_behind(std::string_view text) {
  if (!text.empty() && kSpaces.find(text.back()) != kSpaces.npos) return 1;
  for (const std::string_view space : kWideSpaces) {
    if (text.ends_with(space)) return space.size();
  }
  return 0;
}

std::string_view without_spaces_before(std::string_view text) {
  while (const size_t space = space_in_front(text)) text.remove_prefix(space);
  return text;
}

std::string_view without_spaces_behind(std::string_view text) {
  while (const size_t space = space_behind(text)) text.remove_suffix(space);
  return text;
}

/// What stands inside a tag, taken word by word. A taker leaves the rest as it is if it fails.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(without_spaces_before(text)) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  // A sign or a whole name.
  bool take(std::string_view word) {
    if (is_name(word[0]) ? name_ahead() != word : !rest_.starts_with(word)) return false;
    skip(word.size());
    return true;
  }

  bool take_name(std::string& name) {
    name = name_ahead();
    skip(name.size());
    return !name.empty();
  }

  // A text in quotes; false also for an escape that is not understood.
  bool take_text(std::string& text) {
    if (rest_.empty() || (rest_[0] != '"' && rest_[0] != '\'')) return false;
    text.clear();
    for (size_t i = 1; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == rest_[0]) {
        skip(i + 1);
        return true;
      }
      if (c == '\\' && (++i == rest_.size() || !unescape(rest_[i], c))) return false;
      text += c;
    }
    return false;
  }

 private:
  static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }

  static bool unescape(char escape, char& c) {
    constexpr std::string_view kEscapes = "nt\\\"'";
    constexpr std::string_view kMeanings = "\n\t\\\"'";
    const size_t at = kEscapes.find(escape);
    if (at == kEscapes.npos) return false;
    c = kMeanings[at];
    return true;
  }

  [[nodiscard]] std::string_view name_ahead() const {
    const auto end = std::ranges::find_if_not(rest_, is_name);
    return rest_.substr(0, static_cast<size_t>(end - rest_.begin()));
  }

  void skip(size_t size) { rest_ = without_spaces_before(rest_.substr(size)); }

  std::string_view rest_;
};

// messages | selectattr("role", "eq", ROLE) | map(attribute="content") | first, and a default.
bool take_chain(Words& words, TextPart& part) {
  std::string key;
  std::string test;
  std::string attribute;
  const bool selected = words.take("messages") && words.take("|") && words.take("selectattr") &&
                        words.take("(") && words.take_text(key) && words.take(",") &&
                        words.take_text(test) && words.take(",") && words.take_text(part.slot) &&
                        words.take(")");
  if (!selected || key != "role" || (test != "eq" && test != "equalto" && test != "==")) {
    return false;
  }
  const bool mapped = words.take("|") && words.take("map") && words.take("(") &&
                      words.take("attribute") && words.take("=") && words.take_text(attribute) &&
                      words.take(")") && words.take("|") && words.take("first");
  if (!mapped || attribute != "content") return false;
  part.text.clear();
  if (words.empty()) return true;
  return words.take("|") && words.take("default") && words.take("(") &&
         words.take_text(part.text) && words.take(")") && words.empty();
}

/// One tag of the template and where it stands.
struct TagPlace {
  char kind = 0;  // of "{%", "{{", "{#"
  size_t begin = 0;
  size_t end = 0;
  std::string_view inside;
  bool strips_before = false;
  bool strips_behind = false;
};

class TemplateReader {
 public:
  TemplateReader(std::string_view jinja, std::string_view source, bool generates)
      : source_(source), generates_(generates) {
    if (jinja.size() > kMaxTemplateBytes) {
      fail(ErrorCode::kUnsupported, source_, ": more than ", kMaxTemplateBytes, " bytes");
    }
    for (size_t i = 0; i < jinja.size(); ++i) {
      if (jinja[i] == '\r') {
        text_ += '\n';
        if (i + 1 < jinja.size() && jinja[i + 1] == '\n') ++i;
      } else {
        text_ += jinja[i];
      }
    }
    if (text_.ends_with('\n')) text_.pop_back();
  }

  TextTemplate read() {
    size_t at = 0;
    TagPlace tag;
    while (find_tag(at, tag)) {
      add_text(data_before(at, tag));
      read_tag(tag);
      at = end_of(tag);
    }
    add_text(std::string_view(text_).substr(at));
    if (inside_if_) refuse(text_.size(), "an {% if %} without an end");
    for (const std::string_view role : {"query", "document"}) {
      const bool has =
          std::ranges::any_of(parts_, [role](const TextPart& part) { return part.slot == role; });
      if (!has) {
        fail(ErrorCode::kUnsupported, source_, ": no place for the message of role \"", role,
             "\"; accepted are templates for a query and a document");
      }
    }
    return std::move(parts_);
  }

 private:
  [[noreturn]] void refuse(size_t at, std::string_view what) const {
    const auto end = text_.begin() + static_cast<int64_t>(std::min(at, text_.size()));
    fail(ErrorCode::kUnsupported, source_, ": line ", 1 + std::count(text_.begin(), end, '\n'),
         ": ", what.substr(0, 200),
         " is not built: templates are matched, never run; accepted are messages chosen by their "
         "role, as text");
  }

  bool find_tag(size_t at, TagPlace& tag) const {
    for (tag.begin = text_.find('{', at); tag.begin != text_.npos;
         tag.begin = text_.find('{', tag.begin + 1)) {
      tag.kind = tag.begin + 1 < text_.size() ? text_[tag.begin + 1] : '\0';
      if (tag.kind == '%' || tag.kind == '{' || tag.kind == '#') break;
    }
    if (tag.begin == text_.npos) return false;
    find_end(tag);
    return true;
  }

  // Quotes hide the end of a tag, but for a comment's.
  void find_end(TagPlace& tag) const {
    const char close = tag.kind == '{' ? '}' : tag.kind;
    char quote = 0;
    size_t i = tag.begin + 2;
    for (; i + 1 < text_.size(); ++i) {
      const char c = text_[i];
      if (quote == 0 && c == close && text_[i + 1] == '}') break;
      if (tag.kind == '#') continue;
      if (quote != 0 && c == '\\')
        ++i;
      else if (quote == 0 && (c == '"' || c == '\''))
        quote = c;
      else if (c == quote)
        quote = 0;
    }
    if (i + 1 >= text_.size()) refuse(tag.begin, "a tag without an end");
    tag.inside = std::string_view(text_).substr(tag.begin + 2, i - tag.begin - 2);
    tag.end = i + 2;
    const auto signs = [&](char sign) {
      return tag.inside.starts_with(sign) || tag.inside.ends_with(sign);
    };
    if (signs('+')) refuse(tag.begin, "a tag that keeps its spaces by +");
    tag.strips_before = tag.inside.starts_with('-');
    tag.strips_behind = tag.inside.size() > 1 && tag.inside.ends_with('-');
    tag.inside.remove_prefix(tag.strips_before ? 1 : 0);
    tag.inside.remove_suffix(tag.strips_behind ? 1 : 0);
  }

  // The text between `at` and the tag. Spaces between the start of its line and a statement go.
  [[nodiscard]] std::string_view data_before(size_t at, const TagPlace& tag) const {
    const std::string_view data = std::string_view(text_).substr(at, tag.begin - at);
    if (tag.strips_before) return without_spaces_behind(data);
    if (tag.kind == '{') return data;
    const size_t line = data.rfind('\n') + 1;
    const bool starts_line = line > 0 || at == 0 || text_[at - 1] == '\n';
    const bool blank = without_spaces_before(data.substr(line)).empty();
    return starts_line && blank ? data.substr(0, line) : data;
  }

  // Where the text behind the tag begins: a statement takes the end of its line with it.
  [[nodiscard]] size_t end_of(const TagPlace& tag) const {
    if (tag.strips_behind) {
      return text_.size() - without_spaces_before(std::string_view(text_).substr(tag.end)).size();
    }
    const bool newline = tag.kind != '{' && tag.end < text_.size() && text_[tag.end] == '\n';
    return tag.end + (newline ? 1 : 0);
  }

  void add_text(std::string_view text) {
    if (text.empty() || (inside_if_ && !generates_)) return;
    if (parts_.empty() || !parts_.back().slot.empty()) parts_.push_back({});
    parts_.back().text += text;
  }

  void add_slot(const TextPart& part, size_t at) {
    if (std::ranges::find(kRoles, part.slot) == std::end(kRoles)) {
      refuse(at, cat("the role ", json_quote(part.slot.substr(0, 100))));
    }
    if (parts_.size() >= kMaxParts) refuse(at, "so many places");
    if (!inside_if_ || generates_) parts_.push_back(part);
  }

  void read_tag(const TagPlace& tag) {
    if (tag.kind == '#') return;
    Words words(tag.inside);
    const bool read = tag.kind == '{' ? read_output(words, tag.begin) : read_statement(words);
    if (!read) refuse(tag.begin, std::string_view(text_).substr(tag.begin, tag.end - tag.begin));
  }

  bool read_output(Words words, size_t at) {
    TextPart part;
    std::string text;
    if (words.take_text(text)) {
      add_text(text);
      return words.empty();
    }
    Words chain = words;
    if (!take_chain(chain, part)) {
      std::string name;
      if (!words.take_name(name) || !words.empty() || !named_.contains(name)) return false;
      part = named_[name];
    }
    add_slot(part, at);
    return true;
  }

  bool read_statement(Words words) {
    if (words.take("set")) {
      std::string name;
      TextPart part;
      const bool read =
          !inside_if_ && words.take_name(name) && words.take("=") && take_chain(words, part);
      if (read) named_[name] = part;
      return read;
    }
    if (words.take("if")) {
      const bool read = !inside_if_ && words.take("add_generation_prompt") && words.empty();
      inside_if_ = true;
      return read;
    }
    const bool ends = words.take("endif") && words.empty() && inside_if_;
    inside_if_ = false;
    return ends;
  }

  std::string source_;
  bool generates_;
  std::string text_;
  TextTemplate parts_;
  std::map<std::string, TextPart> named_;
  bool inside_if_ = false;
};

}  // namespace

TextTemplate parse_pair_template(std::string_view jinja, std::string_view source,
                                 bool add_generation_prompt) {
  return TemplateReader(jinja, source, add_generation_prompt).read();
}

ChatTemplateText read_chat_template(const std::filesystem::path& folder) {
  const std::filesystem::path own = folder / "chat_template.jinja";
  if (file_exists(own)) return {read_file(own, kMaxTemplateBytes), own.string()};
  const std::filesystem::path config = folder / "tokenizer_config.json";
  if (file_exists(config)) {
    const ConfigFile file(config);
    const JsonView text = file->get("chat_template");
    if (text.is_string()) {
      const std::string what = file->what("chat_template");
      return {std::string(text.as_string(what)), what};
    }
    if (text) {
      fail(ErrorCode::kUnsupported, file->what("chat_template"),
           " is a list of templates, which is not built; accepted is one text");
    }
  }
  fail(ErrorCode::kNotFound, folder.string(),
       ": no chat template, which a reranker of next words needs; looked for chat_template.jinja "
       "and chat_template in tokenizer_config.json");
}

bool has_chat_template(const std::filesystem::path& folder) {
  if (file_exists(folder / "chat_template.jinja")) return true;
  const std::filesystem::path config = folder / "tokenizer_config.json";
  return file_exists(config) && ConfigFile(config)->get("chat_template").exists();
}

}  // namespace tamis
