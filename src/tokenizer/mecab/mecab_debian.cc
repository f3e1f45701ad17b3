// MeCab by Debian's libmecab.
#include <mecab.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/mecab/mecab.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDebianIpadic = "/var/lib/mecab/dic/ipadic-utf8";
// About a second.
constexpr uint64_t kMostSquares = 400'000'000;

/// The kinds of letters of which an unknown word may be a whole stretch.
enum class Kind : uint8_t { kDigit, kLatin, kSign, kJapaneseSign, kHiragana, kKatakana, kOther };

Kind kind_of(char32_t c) {
  if (c < 0x80) {
    const auto ascii = static_cast<unsigned char>(c);
    if (std::isdigit(ascii) != 0) return Kind::kDigit;
    return std::isalpha(ascii) != 0 ? Kind::kLatin : Kind::kSign;
  }
  if (c >= 0x3000 && c < 0x3040) return Kind::kJapaneseSign;
  if (c >= 0x3040 && c < 0x30A0) return Kind::kHiragana;
  if ((c >= 0x30A0 && c < 0x3100) || (c >= 0xFF66 && c < 0xFFA0)) return Kind::kKatakana;
  return Kind::kOther;
}

/// The sum of the squares of the lengths of stretches.
uint64_t squares(std::string_view text) {
  uint64_t sum = 0;
  uint64_t length = 0;
  Kind kind = Kind::kOther;
  for (size_t at = 0; at < text.size(); at += utf8_size(text[at])) {
    const Kind own = kind_of(decode_utf8(text.data() + at));
    if (own != kind) {
      sum += length * length;
      length = 0;
      kind = own;
    }
    ++length;
  }
  return sum + length * length;
}

/// TAMIS_MECAB_IPADIC for "ipadic".
std::string variable_of(std::string_view dictionary) {
  std::string name = "TAMIS_MECAB_";
  for (const char c : dictionary) {
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

bool is_utf8(std::string charset) {
  for (char& c : charset) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return charset == "utf-8" || charset == "utf8";
}

fs::path folder_of(std::string_view dictionary, const std::string& where) {
  const std::string variable = variable_of(dictionary);
  if (const char* folder = std::getenv(variable.c_str()); folder != nullptr && *folder != '\0') {
    if (fs::exists(fs::path(folder) / "sys.dic")) return folder;
    fail(ErrorCode::kNotFound, where, ": ", variable, " names ", folder,
         ", where there is no sys.dic of MeCab");
  }
  if (dictionary == "ipadic" && fs::exists(fs::path(kDebianIpadic) / "sys.dic")) {
    return kDebianIpadic;
  }
  fail(ErrorCode::kNotFound, where, ": no MeCab dictionary ", json_quote(dictionary), "; ",
       dictionary == "ipadic" ? "install Debian's package mecab-ipadic-utf8, or " : "", "set ",
       variable, " to the folder of its sys.dic");
}

class DebianMecab final : public Mecab {
 public:
  DebianMecab(const fs::path& folder, std::string where) : where_(std::move(where)) {
    std::string path = folder.string();
    std::string arguments[] = {"mecab", "-r", "/dev/null", "-d", path};
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    model_.reset(MeCab::createModel(static_cast<int>(argv.size()), argv.data()));
    if (model_ == nullptr) {
      fail(ErrorCode::kCorruptData, where_, ": MeCab does not read ", path, ": ",
           MeCab::getLastError());
    }
    const MeCab::DictionaryInfo* info = model_->dictionary_info();
    if (!is_utf8(info->charset)) {
      fail(ErrorCode::kCorruptData, where_, ": ", path, " is of ", info->charset,
           "; a MeCab dictionary of UTF-8 is accepted");
    }
    words_ = info->size;
    tagger_.reset(model_->createTagger());
    TAMIS_CHECK(tagger_ != nullptr);
  }

  [[nodiscard]] int64_t words() const override { return words_; }

  void cut(std::string_view text, std::vector<Match>& out) const override {
    text = text.substr(0, text.find('\0'));
    if (text.size() > kMostMecabBytes) {
      fail(ErrorCode::kUnsupported, where_, ": a text of ", text.size(),
           " bytes; MeCab cuts at most ", kMostMecabBytes);
    }
    if (squares(text) > kMostSquares) {
      fail(ErrorCode::kUnsupported, where_,
           ": a text with stretches of one kind of letter that take MeCab too long");
    }
    const std::unique_ptr<MeCab::Lattice> lattice(model_->createLattice());
    lattice->set_sentence(text.data(), text.size());
    if (!tagger_->parse(lattice.get())) {
      fail(ErrorCode::kUnsupported, where_, ": MeCab does not cut a text: ", lattice->what());
    }
    for (const MeCab::Node* node = lattice->bos_node()->next; node->next != nullptr;
         node = node->next) {
      const auto begin = static_cast<uint32_t>(node->surface - text.data());
      out.push_back({begin, begin + node->length});
    }
  }

 private:
  std::string where_;
  std::unique_ptr<MeCab::Model> model_;
  std::unique_ptr<MeCab::Tagger> tagger_;
  int64_t words_ = 0;
};

}  // namespace

std::shared_ptr<const Mecab> Mecab::open(std::string_view dictionary, const std::string& where) {
  if (std::ranges::find(kMecabDictionaries, dictionary) == std::end(kMecabDictionaries)) {
    fail(ErrorCode::kUnsupported, where, ": the MeCab dictionary ", json_quote(dictionary),
         "; accepted are \"ipadic\", \"unidic_lite\" and \"unidic\"");
  }
  return std::make_shared<DebianMecab>(folder_of(dictionary, where), where);
}

}  // namespace tamis::tokenizer
