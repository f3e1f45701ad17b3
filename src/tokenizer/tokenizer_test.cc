#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <functional>

#include "base/error.h"

namespace tamis::tokenizer {
namespace {

constexpr std::string_view kBert = R"({
  "version": "1.0", "truncation": null, "padding": null,
  "added_tokens": [
    {"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false,
     "normalized": false, "special": true},
    {"id": 2, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false,
     "normalized": false, "special": true}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                 "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "hello": 3, "wor": 4, "##ld": 5, "!": 6,
                      "cafe": 7}}})";

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

TEST(Tokenizer, EncodesWordsPunctuationAndSpecialTokens) {
  const Tokenizer tokenizer = Tokenizer::load_json(kBert, "test");
  const Encoding encoding = tokenizer.encode("Hello, WORLD! caf\xC3\xA9 [SEP]");
  EXPECT_EQ(encoding.ids, (std::vector<int32_t>{1, 3, 0, 4, 5, 6, 7, 2, 2}));
  EXPECT_EQ(encoding.offsets,
            (std::vector<Span>{
                {0, 0}, {0, 5}, {5, 6}, {7, 10}, {10, 12}, {12, 13}, {14, 18}, {19, 24}, {0, 0}}));
  EXPECT_EQ(encoding.special_mask, (std::vector<uint8_t>{1, 0, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(encoding.word_ids, (std::vector<int32_t>{-1, 0, 1, 2, 2, 3, 4, 5, -1}));
}

// Bytes of this process that are in use, by the allocator's count; 0 under sanitizers.
size_t used_bytes() {
  const struct mallinfo2 counts = mallinfo2();
  return counts.uordblks + counts.hblkhd;
}

TEST(Tokenizer, KeepsNothingOfALongText) {
  const Tokenizer tokenizer = Tokenizer::load_json(kBert, "test");
  (void)tokenizer.encode("Hello");
  const size_t before = used_bytes();
  {
    std::string text;
    for (int i = 0; i < 1'500'000; ++i) text += "\u6f22";
    (void)tokenizer.encode(text);
  }
  EXPECT_LE(used_bytes(), before + (size_t{2} << 20));
}

// One character that becomes eighteen, and one that becomes what a file says.
TEST(Tokenizer, RefusesTextsThatGrowWithoutMeasure) {
  constexpr std::string_view kNormalizer =
      R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                 "strip_accents": null, "lowercase": true})";
  const std::string long_word(1000, 'a');
  const std::string steps[] = {
      R"({"type":"NFKC"})", R"({"type":"NFKD"})",
      R"({"type":"Replace","pattern":{"String":"b"},"content":")" + long_word + R"("})"};
  for (const std::string& step : steps) {
    std::string json(kBert);
    const size_t at = json.find(kNormalizer);
    ASSERT_NE(at, json.npos);
    json.replace(at, kNormalizer.size(), step);
    const Tokenizer tokenizer = Tokenizer::load_json(json, "test");
    const bool replaces = step.find("Replace") != step.npos;
    const std::string grows = replaces ? "b" : "\xef\xb7\xba";
    const auto encode = [&](size_t count, std::string_view between) {
      std::string text;
      for (size_t i = 0; i < count; ++i) text.append(grows).append(i % 100 == 99 ? between : "");
      (void)tokenizer.encode(text);
    };
    encode(50, "");
    for (const char* const between : {"", "[SEP]"}) {
      EXPECT_NE(message_of([&] { encode(200'000, between); }).find("when it is normalized"),
                std::string::npos)
          << step;
    }
  }
  // Three of one, as of Korean, whatever the length.
  std::string json(kBert);
  json.replace(json.find(kNormalizer), kNormalizer.size(), R"({"type":"NFD"})");
  std::string korean;
  for (int i = 0; i < 200'000; ++i) korean += "\xea\xb0\x81 ";
  EXPECT_GT(Tokenizer::load_json(json, "test").encode(korean).ids.size(), 200'000U);
}

// Of every two that white space lies between, each with every flag.
TEST(Tokenizer, AddedTokensOfWhiteSpaceStayInTheText) {
  for (const char* const second : {" ", "  ", "hello", " hello"}) {
    for (unsigned flags = 0; flags < 64; ++flags) {
      const auto flag = [flags](unsigned bit) {
        return (flags >> bit & 1U) != 0 ? "true" : "false";
      };
      const auto token = [&](const char* content, int id, unsigned first) {
        return cat(R"({"id":)", id, R"(,"content":")", content,
                   R"(","single_word":false,"lstrip":)", flag(first), R"(,"rstrip":)",
                   flag(first + 1), R"(,"normalized":)", flag(first + 2), R"(,"special":true})");
      };
      std::string json(kBert);
      const std::string_view list = R"("added_tokens": [)";
      json.insert(json.find(list) + list.size(),
                  token("x", 8, 0) + "," + token(second, 9, 3) + ",");
      const Tokenizer tokenizer = Tokenizer::load_json(json, "test");
      for (const std::string_view text : {"x   x", "x    hello", " x x  ", "   ", "hello  x   "}) {
        const Encoding encoding = tokenizer.encode(text);
        for (const Span& span : encoding.offsets) {
          EXPECT_LE(span.start, span.end) << flags << text;
          EXPECT_LE(span.end, static_cast<int64_t>(text.size())) << flags << text;
        }
      }
    }
  }
}

TEST(Tokenizer, EncodesEmptyTextAndPairs) {
  const Tokenizer tokenizer = Tokenizer::load_json(kBert, "test");
  EXPECT_EQ(tokenizer.encode("").ids, (std::vector<int32_t>{1, 2}));
  const Encoding pair = tokenizer.encode(TextInput{"hello", "world"});
  EXPECT_EQ(pair.ids, (std::vector<int32_t>{1, 3, 2, 4, 5, 2}));
  EXPECT_EQ(pair.type_ids, (std::vector<int32_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(pair.sequence_ids, (std::vector<int32_t>{-1, 0, -1, 1, 1, -1}));
}

TEST(Tokenizer, DecodesTokensGivenAsText) {
  const Tokenizer tokenizer = Tokenizer::load_json(kBert, "test");
  EXPECT_EQ(tokenizer.decode_tokens({"wor", "##ld", "Z\xC3\xBCrich", "!"}), "world Z\xC3\xBCrich!");
  EXPECT_EQ(tokenizer.decode_tokens({}), "");
  EXPECT_EQ(tokenizer.continuing_subword_prefix(), "##");
}

TEST(Tokenizer, DecodesAndLooksUp) {
  const Tokenizer tokenizer = Tokenizer::load_json(kBert, "test");
  const std::vector<int32_t> ids{1, 3, 4, 5, 6, 2, 99};
  EXPECT_EQ(tokenizer.decode(ids, true), "hello world!");
  EXPECT_EQ(tokenizer.decode(ids, false), "[CLS] hello world! [SEP]");
  EXPECT_EQ(tokenizer.token_to_id("cafe"), 7);
  EXPECT_EQ(tokenizer.token_to_id("nope"), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(5), "##ld");
  EXPECT_EQ(tokenizer.vocab_size(), 8);
  EXPECT_EQ(tokenizer.special_ids().cls, 1);
}

TEST(Tokenizer, NamesTheByteThatIsNotUtf8) {
  const Tokenizer tokenizer = Tokenizer::load_json(kBert, "test");
  EXPECT_EQ(message_of([&] { (void)tokenizer.encode("ab\xFFz"); }),
            "text is not UTF-8: byte 2 (value 255) does not belong to a well-formed character");
}

}  // namespace
}  // namespace tamis::tokenizer
