// Precompiled: SentencePiece's rules, applied to grapheme clusters and then to characters.
#include <array>

#include "tokenizer/json_fields.h"
#include "tokenizer/normalizers/charsmap.h"
#include "tokenizer/normalizers/normal_forms.h"
#include "tokenizer/normalizers/normalizer.h"

namespace tamis::tokenizer {

namespace {

/// Clusters of this many bytes and more are never looked up whole (the library's rule).
constexpr size_t kLongCluster = 6;

class PrecompiledNormalizer : public Normalizer {
 public:
  explicit PrecompiledNormalizer(Charsmap map) : map_(std::move(map)) {
    for (int c = 0; c < 128; ++c) {
      const char byte = static_cast<char>(c);
      // \r may be half of a cluster.
      plain_[static_cast<size_t>(c)] = c != '\r' && !map_.find(std::string_view(&byte, 1));
    }
  }

  void normalize(Text& text, Scratch& scratch) const override {
    const std::string_view bytes = text.bytes();
    if (text.identity() && all_plain(bytes)) return;
    scratch.code_points.clear();
    for (size_t i = 0; i < bytes.size(); i += utf8_size(bytes[i])) {
      scratch.code_points.push_back(decode_utf8(bytes.data() + i));
    }
    scratch.changes.clear();
    if (collect(text, scratch.code_points, scratch.changes)) {
      apply_changes(text, scratch.changes, 0);
    }
  }

 private:
  [[nodiscard]] bool all_plain(std::string_view bytes) const {
    bool plain = true;
    for (const char byte : bytes) plain = plain && plain_[static_cast<unsigned char>(byte)];
    return plain;
  }

  /// False if nothing changes.
  bool collect(const Text& whole, std::u32string_view text,
               std::vector<ChangedCodePoint>& changes) const {
    const std::string_view bytes = whole.bytes();
    const size_t most = whole.most_bytes();
    bool changed = false;
    size_t byte = 0;
    for (size_t at = 0; at < text.size();) {
      // Two plain ASCII characters in a row have a cluster boundary between them.
      if (text[at] < 128 && plain_[text[at]] && (at + 1 == text.size() || text[at + 1] < 128)) {
        changes.push_back({text[at], 0});
        ++at;
        ++byte;
        continue;
      }
      if (changes.size() > most) whole.refuse_growth();
      const size_t end = next_grapheme(text, at);
      size_t size = 0;
      for (size_t i = at; i < end; ++i) size += utf8_size(text[i]);
      if (size < kLongCluster) {
        const auto found = map_.find(bytes.substr(byte, size));
        if (found) {
          replace(*found, static_cast<int32_t>(end - at), changes);
          changed = true;
          at = end;
          byte += size;
          continue;
        }
      }
      for (; at < end; ++at) {
        const uint32_t width = utf8_size(text[at]);
        const auto found = map_.find(bytes.substr(byte, width));
        if (found) {
          replace(*found, 1, changes);
          changed = true;
        } else {
          changes.push_back({text[at], 0});
        }
        byte += width;
      }
    }
    return changed;
  }

  /// `count` old characters become `text`. Surplus new ones count as inserted; surplus old ones go
  /// with the last character before, and if there is none the library loses count of them.
  static void replace(std::string_view text, int32_t count,
                      std::vector<ChangedCodePoint>& changes) {
    int32_t added = 0;
    for (size_t i = 0; i < text.size(); i += utf8_size(text[i]), ++added) {
      changes.push_back({decode_utf8(text.data() + i), 0});
    }
    const int32_t surplus = added - count;
    for (int32_t i = 0; i < surplus; ++i)
      changes[changes.size() - 1 - static_cast<size_t>(i)].change = 1;
    if (surplus < 0 && !changes.empty()) changes.back().change += surplus;
  }

  Charsmap map_;
  std::array<bool, 128> plain_{};
};

}  // namespace

std::unique_ptr<Normalizer> make_precompiled_normalizer(const JsonView& json,
                                                        const std::string& where) {
  const std::string place = where + ".precompiled_charsmap";
  return std::make_unique<PrecompiledNormalizer>(Charsmap::parse(
      decode_base64(string_field(json, "precompiled_charsmap", where), place), place));
}

}  // namespace tamis::tokenizer
