#include "tokenizer/pattern.h"

#include <oniguruma.h>

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

// Whoever sent a text is told the file, and not where it lies.
std::string_view without_folder(std::string_view where) {
  const size_t slash = where.substr(0, where.find(": ")).rfind('/');
  return where.substr(slash == where.npos ? 0 : slash + 1);
}

// The library's Oniguruma gives up one match after 10,000,000 retries; the same here, and ten times
// that for one search over all starting points.
constexpr unsigned long kRetriesInMatch = 10'000'000;
constexpr unsigned long kRetriesInSearch = 100'000'000;
// Oniguruma does not tell how many retries a search took, so a search first gets few, then four
// times as many until they suffice. The first step is free: it bounds the work by the number of
// matches, and searches of usual patterns end in it.
constexpr unsigned long kFreeRetries = 256;
constexpr unsigned long kRetriesFactor = 4;
// Compiling is quadratic at worst; real patterns have a few hundred bytes before classes are
// written out.
constexpr size_t kMaxPattern = 1 << 16;

const OnigUChar* bytes_of(const char* text) { return reinterpret_cast<const OnigUChar*>(text); }

void initialize_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
  });
}

std::string reason_of(int code, OnigErrorInfo* info) {
  OnigUChar buffer[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int size = info != nullptr ? onig_error_code_to_str(buffer, code, info)
                                   : onig_error_code_to_str(buffer, code);
  return std::string(reinterpret_cast<const char*>(buffer), static_cast<size_t>(size));
}

struct FreeRegion {
  void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
};
struct FreeParam {
  void operator()(OnigMatchParam* param) const { onig_free_match_param(param); }
};

}  // namespace

struct Pattern::Regex {
  regex_t* compiled = nullptr;
  std::string where;

  Regex(std::string_view source, std::string place) : where(std::move(place)) {
    initialize_once();
    if (source.size() > kMaxPattern) {
      fail(ErrorCode::kCorruptData, where, ": pattern of ", source.size(), " bytes; at most ",
           kMaxPattern, " are accepted");
    }
    const std::string pattern = rewrite_unicode_classes(source, where);
    OnigErrorInfo info;
    const int code =
        onig_new(&compiled, bytes_of(pattern.data()), bytes_of(pattern.data() + pattern.size()),
                 ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &info);
    if (code != ONIG_NORMAL) {
      fail(ErrorCode::kCorruptData, where, ": pattern ", json_quote(source.substr(0, 200)),
           " does not compile: ", reason_of(code, &info));
    }
  }
  ~Regex() { onig_free(compiled); }
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  /// One search from `at`, in the text's budget.
  int search(std::string_view text, size_t at, OnigRegion* region, OnigMatchParam* param,
             RegexBudget& budget) const {
    const OnigUChar* begin = bytes_of(text.data());
    const OnigUChar* end = begin + text.size();
    for (unsigned long limit = kFreeRetries;; limit *= kRetriesFactor) {
      const unsigned long retries = std::min({limit, kRetriesInSearch, budget.retries});
      onig_set_retry_limit_in_match_of_match_param(param, std::min(retries, kRetriesInMatch));
      onig_set_retry_limit_in_search_of_match_param(param, retries);
      const int code = onig_search_with_param(compiled, begin, end, begin + at, end, region,
                                              ONIG_OPTION_NONE, param);
      if (limit > kFreeRetries) budget.retries -= retries;
      const bool over =
          code == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER || code == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER;
      if (!over || retries == kRetriesInSearch) return code;
      if (budget.retries == 0) {
        fail(ErrorCode::kUnsupported, without_folder(where),
             ": the searches of this text together take too many steps");
      }
    }
  }

  void find_all(std::string_view text, RegexBudget& budget, std::vector<Match>& out) const {
    const std::unique_ptr<OnigRegion, FreeRegion> region(onig_region_new());
    const std::unique_ptr<OnigMatchParam, FreeParam> param(onig_new_match_param());
    onig_initialize_match_param(param.get());
    size_t at = 0;
    int64_t last_end = -1;
    while (at <= text.size()) {
      const int code = search(text, at, region.get(), param.get(), budget);
      if (code == ONIG_MISMATCH) return;
      if (code < 0) {
        fail(ErrorCode::kUnsupported, without_folder(where),
             ": pattern takes too many steps on this text: ", reason_of(code, nullptr));
      }
      const int from = region->beg[0];
      const int to = region->end[0];
      if (from == to && last_end == to) {
        at += at < text.size() ? utf8_size(text[at]) : 1;
        continue;
      }
      out.push_back({static_cast<uint32_t>(from), static_cast<uint32_t>(to)});
      at = static_cast<size_t>(to);
      last_end = to;
    }
  }
};

Pattern::Pattern(std::string literal, std::unique_ptr<Regex> regex)
    : literal_(std::move(literal)), regex_(std::move(regex)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Pattern Pattern::from_json(const JsonView& json, const std::string& where) {
  const JsonView literal = json.get("String");
  if (literal) {
    const std::string_view text = literal.as_string(where);
    // An empty string matches between all characters, which is the regex's business.
    if (!text.empty()) return Pattern(std::string(text), nullptr);
    return Pattern("", std::make_unique<Regex>("", where));
  }
  return Pattern("", std::make_unique<Regex>(string_field(json, "Regex", where), where));
}

void Pattern::find_all(std::string_view text, RegexBudget& budget, std::vector<Match>& out) const {
  if (regex_) {
    regex_->find_all(text, budget, out);
    return;
  }
  for (size_t at = text.find(literal_); at != std::string_view::npos;
       at = text.find(literal_, at + literal_.size())) {
    out.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(at + literal_.size())});
  }
}

}  // namespace tamis::tokenizer
