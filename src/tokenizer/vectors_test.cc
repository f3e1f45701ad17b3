// Replays testdata/tokenizer: what Hugging Face's tokenizers answered for hostile text. README.md
// there describes the files; differing lines are printed escaped.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace tamis::tokenizer {
namespace {

constexpr uint64_t kBasis = 0xcbf29ce484222325u;
constexpr uint64_t kPrime = 0x100000001b3u;
constexpr int kShownFaults = 5;

std::string read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::filesystem::path root() {
  return std::filesystem::path(TAMIS_UNPACKED_TESTDATA) / "tokenizer";
}

// The JSON strings of lines.jsonl and, behind them, the repeated ones that it gives as rules.
std::vector<std::string> read_lines() {
  const std::string content = read_all(root() / "lines.jsonl");
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = content.find('\n', begin);
    const auto document =
        JsonDocument::parse(std::string_view(content).substr(begin, end - begin), "lines.jsonl");
    begin = end + 1;
    const JsonView line = document.root();
    if (line.is_string()) {
      lines.emplace_back(line.as_string("line"));
      continue;
    }
    std::string text;
    for (int64_t i = line.get("count").as_int("count"); i > 0; --i) {
      text += line.get("repeat").as_string("repeat");
    }
    lines.push_back(std::move(text));
  }
  return lines;
}

const std::vector<std::string>& all_lines() {
  static const std::vector<std::string> lines = read_lines();
  return lines;
}

void add_word(uint64_t& hash, uint32_t word) { hash = (hash ^ word) * kPrime; }

void add_encoding(uint64_t& hash, const Encoding& encoding) {
  add_word(hash, static_cast<uint32_t>(encoding.ids.size()));
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    add_word(hash, static_cast<uint32_t>(encoding.ids[i]));
    add_word(hash, static_cast<uint32_t>(encoding.offsets[i].start));
    add_word(hash, static_cast<uint32_t>(encoding.offsets[i].end));
    add_word(hash, static_cast<uint32_t>(encoding.type_ids[i]) |
                       static_cast<uint32_t>(encoding.special_mask[i]) << 8 |
                       static_cast<uint32_t>(encoding.sequence_ids[i] + 1) << 16);
    add_word(hash, static_cast<uint32_t>(encoding.word_ids[i] + 1));
  }
}

uint64_t hash_of(const Encoding& encoding) {
  uint64_t hash = kBasis;
  add_encoding(hash, encoding);
  for (const Encoding& window : encoding.overflowing) add_encoding(hash, window);
  return hash;
}

uint64_t hash_of(std::string_view text) {
  uint64_t hash = kBasis;
  for (const char c : text) add_word(hash, static_cast<unsigned char>(c));
  return hash;
}

std::string hex(uint64_t value) {
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[value >> shift & 15];
  return digits;
}

// At most 200 bytes of a text as a JSON string of ASCII.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 200)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
  }
  return "\"" + out + (text.size() > 200 ? "\"..." : "\"");
}

std::string shown(const Encoding& encoding) {
  std::string out = "[";
  for (size_t i = 0; i < encoding.ids.size() && i < 60; ++i) {
    out += (i > 0 ? " " : "") + std::to_string(encoding.ids[i]) + "@" +
           std::to_string(encoding.offsets[i].start) + "-" +
           std::to_string(encoding.offsets[i].end);
  }
  return out + "]";
}

// Counts faults and prints the first few.
class Faults {
 public:
  explicit Faults(std::string what) : what_(std::move(what)) {}
  void add(const std::string& message) {
    if (++count_ <= kShownFaults) ADD_FAILURE() << what_ << ": " << message;
  }
  ~Faults() {
    if (count_ > kShownFaults) ADD_FAILURE() << what_ << ": " << count_ << " differ in all";
  }

 private:
  std::string what_;
  int count_ = 0;
};

class Vectors : public testing::TestWithParam<std::string> {
 protected:
  Vectors()
      : folder_(root() / GetParam()),
        cases_(JsonDocument::parse(read_all(folder_ / "cases.json"), "cases.json")),
        tokenizer_(Tokenizer::load_json(read_all(folder_ / "tokenizer.json"), folder_.string())) {}

  [[nodiscard]] const std::string& line(JsonView index) const {
    return all_lines().at(static_cast<size_t>(index.as_int("line")));
  }

  std::filesystem::path folder_;
  JsonDocument cases_;
  Tokenizer tokenizer_;
};

TEST_P(Vectors, Vocabulary) {
  const JsonView facts = cases_.root().get("vocab");
  ASSERT_EQ(tokenizer_.vocab_size(), facts.get("size").as_int("size"));
  std::string joined;
  for (int32_t id = 0; id < tokenizer_.vocab_size(); ++id) {
    if (id > 0) joined += '\n';
    joined += tokenizer_.id_to_token(id);
  }
  EXPECT_EQ(hex(hash_of(joined)), facts.get("hash").as_string("hash"));
}

// First, so that a wrong line is shown with what was expected.
TEST_P(Vectors, FullLines) {
  const JsonView rows = cases_.root().get("full");
  Faults faults(GetParam());
  for (size_t r = 0; r < rows.size(); ++r) {
    const JsonView row = rows.at(r);
    const std::string& text = line(row.get("line"));
    EncodeOptions options;
    options.tokens = true;
    const Encoding encoding = tokenizer_.encode(text, options);
    Encoding expected;
    const JsonView ids = row.get("ids"), offsets = row.get("offsets"), tokens = row.get("tokens");
    for (size_t i = 0; i < ids.size(); ++i) {
      expected.tokens.emplace_back(tokens.at(i).as_string("token"));
      expected.ids.push_back(static_cast<int32_t>(ids.at(i).as_int("id")));
      expected.offsets.push_back({static_cast<int32_t>(offsets.at(2 * i).as_int("start")),
                                  static_cast<int32_t>(offsets.at(2 * i + 1).as_int("end"))});
    }
    if (encoding.ids != expected.ids || encoding.offsets != expected.offsets ||
        encoding.tokens != expected.tokens) {
      faults.add(escaped(text) + "\n  got      " + shown(encoding) + "\n  expected " +
                 shown(expected));
    }
  }
}

TEST_P(Vectors, EveryLine) {
  const auto every = static_cast<size_t>(cases_.root().get("every").as_int("every"));
  const std::string hashes = read_all(folder_ / "hashes.bin");
  ASSERT_EQ(hashes.size() / 4, (all_lines().size() + every - 1) / every);
  Faults faults(GetParam());
  Encoding encoding;
  for (size_t i = 0; i < hashes.size() / 4; ++i) {
    uint32_t expected = 0;  // the upper half
    std::memcpy(&expected, hashes.data() + 4 * i, 4);
    const std::string& text = all_lines()[i * every];
    tokenizer_.encode_into(TextInput{text}, {}, encoding);
    if (hash_of(encoding) >> 32 != expected) {
      faults.add("line " + std::to_string(i * every) + " " + escaped(text) + "\n  got " +
                 shown(encoding));
    }
  }
}

TEST_P(Vectors, Pairs) {
  const JsonView rows = cases_.root().get("pairs");
  Faults faults(GetParam());
  for (size_t r = 0; r < rows.size(); ++r) {
    const JsonView row = rows.at(r);
    const std::string &first = line(row.at(0)), &second = line(row.at(1));
    EncodeOptions options;
    options.add_special_tokens = row.at(2).as_int("special") != 0;
    const Encoding encoding = tokenizer_.encode(TextInput{first, second}, options);
    if (hex(hash_of(encoding)) != row.at(3).as_string("hash")) {
      faults.add(escaped(first) + " + " + escaped(second) + "\n  got " + shown(encoding));
    }
  }
}

TEST_P(Vectors, Truncated) {
  const JsonView rows = cases_.root().get("truncated");
  Faults faults(GetParam());
  for (size_t r = 0; r < rows.size(); ++r) {
    const JsonView row = rows.at(r);
    TextInput input{line(row.at(0))};
    if (row.at(1).as_int("second") >= 0) input.pair = line(row.at(1));
    const std::string_view strategy = row.at(5).as_string("strategy");
    EncodeOptions options;
    options.add_special_tokens = row.at(2).as_int("special") != 0;
    options.max_length = row.at(3).as_int("max_length");
    options.stride = row.at(4).as_int("stride");
    options.strategy = strategy == "longest_first" ? TruncationStrategy::kLongestFirst
                       : strategy == "only_first"  ? TruncationStrategy::kOnlyFirst
                                                   : TruncationStrategy::kOnlySecond;
    options.truncation_side = row.at(6).as_string("side") == "left" ? Side::kLeft : Side::kRight;
    options.return_overflowing = true;
    std::string got = "an error";
    std::string detail;
    try {
      const Encoding encoding = tokenizer_.encode(input, options);
      got = hex(hash_of(encoding));
      detail = shown(encoding);
      for (const Encoding& window : encoding.overflowing) detail += " " + shown(window);
    } catch (const Error& error) {
      detail = error.what();
    }
    const std::string expected =
        row.at(7).is_null() ? "an error" : std::string(row.at(7).as_string("hash"));
    if (got != expected) {
      faults.add("case " + std::to_string(r) + " " + escaped(input.text) +
                 (input.pair ? " + " + escaped(*input.pair) : "") + " max_length " +
                 std::to_string(options.max_length) + " stride " + std::to_string(options.stride) +
                 " " + std::string(strategy) + " " + std::string(row.at(6).as_string("side")) +
                 (row.at(7).is_null() ? " expected an error" : "") + "\n  got " + detail);
    }
  }
}

TEST_P(Vectors, Decoded) {
  const JsonView rows = cases_.root().get("decoded");
  Faults faults(GetParam());
  for (size_t r = 0; r < rows.size(); ++r) {
    const JsonView row = rows.at(r);
    std::vector<int32_t> ids;
    for (size_t i = 0; i < row.get("ids").size(); ++i) {
      ids.push_back(static_cast<int32_t>(row.get("ids").at(i).as_int("id")));
    }
    const std::string text = tokenizer_.decode(ids, row.get("skip").as_bool("skip"));
    const std::string_view expected = row.get("text").as_string("text");
    if (text != expected) {
      faults.add("case " + std::to_string(r) + "\n  got      " + escaped(text) + "\n  expected " +
                 escaped(expected));
    }
  }
}

std::vector<std::string> configurations() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(root())) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Recorded, Vectors, testing::ValuesIn(configurations()), [](const auto& i) {
  std::string name = i.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(VectorLines, AreEnough) {
  EXPECT_GE(all_lines().size(), 20000u);
  EXPECT_GE(configurations().size(), 40u);
}

}  // namespace
}  // namespace tamis::tokenizer
