// Components of tokenizer.json one by one: what they do at their edges, and the messages of what is
// refused. What the library answers on real text is in vectors_test.cc.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace tamis::tokenizer {
namespace {

constexpr std::string_view kModel =
    R"("model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":1,"b":2}})";

Tokenizer load(const std::string& fields) {
  return Tokenizer::load_json(
      "{" + fields + (fields.empty() ? "" : ",") + std::string(kModel) + "}", "t.json");
}

Tokenizer with_model(const std::string& model, const std::string& fields = "") {
  return Tokenizer::load_json("{" + fields + R"("model":)" + model + "}", "t.json");
}

Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kInternal, "nothing thrown");
}

struct Refused {
  std::string_view name;
  std::string fields;
  ErrorCode code;
  std::string_view message;
};

void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.name; }

class RefusedFields : public testing::TestWithParam<Refused> {};

TEST_P(RefusedFields, SayWhatAndWhere) {
  const Error error = error_of([&] { (void)load(GetParam().fields); });
  EXPECT_EQ(error.code(), GetParam().code) << error.what();
  EXPECT_NE(std::string_view(error.what()).find(GetParam().message), std::string_view::npos)
      << error.what();
}

constexpr auto kCorrupt = ErrorCode::kCorruptData;
constexpr auto kNotBuilt = ErrorCode::kUnsupported;

INSTANTIATE_TEST_SUITE_P(
    Fields, RefusedFields,
    testing::Values(
        Refused{"version", R"("version":"2.0")", kNotBuilt, "t.json: version \"2.0\""},
        Refused{"normalizer", R"("normalizer":{"type":"Rot13"})", kNotBuilt,
                "t.json: normalizer: normalizer \"Rot13\" is not supported"},
        Refused{"nested", R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Strip"}]})",
                kCorrupt, "t.json: normalizer.normalizers[0]: no \"strip_left\""},
        Refused{"pre_tokenizer", R"("pre_tokenizer":{"type":"X"})", kNotBuilt,
                "t.json: pre_tokenizer: pre-tokenizer \"X\" is not supported"},
        Refused{"post_processor", R"("post_processor":{"type":"X"})", kNotBuilt,
                "t.json: post_processor: post-processor \"X\" is not supported"},
        Refused{"decoder", R"("decoder":{"type":"X"})", kNotBuilt,
                "decoder \"X\" is not supported"},
        Refused{"regex",
                R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Removed",)"
                R"("invert":false})",
                kCorrupt, "t.json: pre_tokenizer.pattern: pattern \"(a\" does not compile"},
        Refused{
            "property",
            R"("normalizer":{"type":"Replace","pattern":{"Regex":"\\p{Klingon}"},"content":""})",
            kCorrupt, "unknown character class \"Klingon\""},
        Refused{"behavior", R"("pre_tokenizer":{"type":"Punctuation","behavior":"Sideways"})",
                kCorrupt, "\"Sideways\" is none of Removed, Isolated"},
        Refused{"fixed_length", R"("pre_tokenizer":{"type":"FixedLength","length":0})", kCorrupt,
                ".length: 0; expected 1 or more"},
        Refused{"metaspace", R"("pre_tokenizer":{"type":"Metaspace","replacement":"__"})", kCorrupt,
                "t.json: pre_tokenizer.replacement: expected one character, found \"__\""},
        Refused{"scheme",
                R"("pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"x"})",
                kCorrupt, "\"x\" is none of first, never, always"},
        Refused{"base64", R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"AB*="})",
                kCorrupt, "character 2 is not base64"},
        Refused{"charsmap",
                R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"/////w=="})",
                kCorrupt, "charsmap says its trie has 4294967295 bytes, but 0 follow"},
        Refused{"special_id",
                R"("post_processor":{"type":"BertProcessing","sep":["x",9],"cls":["a",1]})",
                kCorrupt, "special token id 9 is outside the vocabulary"},
        Refused{"special_name",
                R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":)"
                R"({"id":"q","type_id":0}}],"pair":[],"special_tokens":{}})",
                kCorrupt, "special token \"q\" is not in special_tokens"},
        Refused{"second_sequence",
                R"("post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B",)"
                R"("type_id":0}}],"pair":[],"special_tokens":{}})",
                kCorrupt, ".single: names sequence B"},
        Refused{"two_wraps",
                R"("post_processor":{"type":"Sequence","processors":[)"
                R"({"type":"BertProcessing","sep":["a",1],"cls":["b",2]},)"
                R"({"type":"BertProcessing","sep":["a",1],"cls":["b",2]}]})",
                kNotBuilt, "processors[1]: a second post-processor"},
        Refused{"added_nothing",
                R"("normalizer":{"type":"Strip","strip_left":true,"strip_right":true},)"
                R"("added_tokens":[{"id":0,"content":" ","normalized":true}])",
                ErrorCode::kUnsupported, "the added token \" \" is nothing once it is normalized"},
        Refused{"added", R"("added_tokens":[{"id":3}])", kCorrupt,
                "t.json: added_tokens[0]: no \"content\""}));

TEST(RefusedModels, SayWhatAndWhere) {
  const auto message = [](const std::string& model) {
    return std::string(error_of([&] { (void)with_model(model); }).what());
  };
  EXPECT_EQ(message(R"({"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]})"),
            "t.json: model.merges[0]: token \"ab\" is not in the vocabulary");
  EXPECT_EQ(message(R"({"type":"BPE","vocab":{"a":0},"merges":["a"]})"),
            "t.json: model.merges[0]: \"a\" is not two tokens with a space between");
  EXPECT_EQ(message(R"({"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.5})"),
            "t.json: model.dropout: 0.5 makes tokens random; only null or 0 are supported");
  EXPECT_EQ(message(R"({"type":"Unigram","unk_id":3,"vocab":[["a",0]]})"),
            "t.json: model.unk_id: 3 is outside the vocabulary of 1 pieces");
  EXPECT_EQ(message(R"({"type":"Unigram","unk_id":0,"vocab":[["a"]]})"),
            "t.json: model.vocab[0]: expected [piece, score]");
  EXPECT_EQ(message(R"({"type":"WordLevel","unk_token":"u","vocab":{"a":2000000000}})"),
            "t.json: model.vocab: id 2000000000 of token \"a\" is outside the vocabulary; ids go "
            "from 0 to the number of tokens");
  EXPECT_EQ(message(R"({"type":"Neural"})"),
            "t.json: model: model \"Neural\" is not supported; see the list of components in "
            "docs/formats.md");
}

TEST(RefusedModels, UnknownWordWithoutUnknownToken) {
  const Tokenizer tokenizer = with_model(R"({"type":"WordLevel","unk_token":"u","vocab":{"a":0}})");
  EXPECT_EQ(tokenizer.encode("a").ids, (std::vector<int32_t>{0}));
  EXPECT_STREQ(error_of([&] { (void)tokenizer.encode("b"); }).what(),
               "t.json: model: a word is unknown and unk_token \"u\" is not in the vocabulary");
}

TEST(Loading, RefusesWhatNestsTooDeep) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += R"({"type":"Sequence","normalizers":[)";
  const Error error = error_of([&] { (void)load(R"("normalizer":)" + deep); });
  EXPECT_EQ(error.code(), ErrorCode::kCorruptData) << error.what();
}

TEST(Loading, PatternThatBacktracksForeverIsAnError) {
  const Tokenizer tokenizer =
      load(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"^(a|a)*$"},"behavior":"Removed",)"
           R"("invert":false})");
  const Error error = error_of([&] { (void)tokenizer.encode(std::string(40, 'a') + "!"); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_NE(std::string_view(error.what()).find("takes too many steps"), std::string_view::npos)
      << error.what();
}

TEST(Loading, SearchesOfOneTextHaveOneBudget) {
  // Each search alone stays far below the limit of one; a text has many of them.
  const Tokenizer tokenizer =
      load(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a|a)*b|c"},)"
           R"("behavior":"Removed","invert":false})");
  std::string part = std::string(19, 'a') + "c";
  EXPECT_NO_THROW((void)tokenizer.encode(part));
  std::string text;
  for (int i = 0; i < 2000; ++i) text += part;
  const Error error = error_of([&] { (void)tokenizer.encode(text); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_NE(std::string_view(error.what()).find("the searches of this text together"),
            std::string_view::npos)
      << error.what();
}

// Oniguruma's bracket has the nine symbols of ASCII, and all others; its property has none.
TEST(Patterns, PunctuationInBracketsHasSymbols) {
  const auto words = [](const std::string& pattern) {
    const Tokenizer tokenizer = load(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":")" +
                                     pattern + R"("},"behavior":"Isolated","invert":false})");
    return tokenizer
        .encode(
            "a$b\xe2\x82\xac"
            "a!b")
        .ids.size();
  };
  EXPECT_EQ(words("[[:punct:]]"), 7u);
  EXPECT_EQ(words("[[:^punct:]]+"), 7u);
  EXPECT_EQ(words(R"(\\p{Punct})"), 3u);
}

TEST(Metaspace, FirstMeansTheBeginningOfTheOriginal) {
  const Tokenizer tokenizer = Tokenizer::load_json(
      R"({"normalizer":{"type":"Strip","strip_left":true,"strip_right":false},
          "pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"first",
          "split":true},
          "model":{"type":"WordLevel","unk_token":"u","vocab":{"a":0,"_a":1,"u":2}}})",
      "t.json");
  EXPECT_EQ(tokenizer.encode("a a").ids, (std::vector<int32_t>{1, 1}));
  EXPECT_EQ(tokenizer.encode(" a a").ids, (std::vector<int32_t>{0, 1}));
}

TEST(Bpe, ByteFallbackUnknownsAndFusing) {
  const std::string vocab = R"("vocab":{"?":0,"a":1,"b":2,"ab":3,"<0xC3>":4,"<0xA9>":5},)"
                            R"("merges":[["a","b"]],"unk_token":"?")";
  const auto ids = [&](const std::string& options, std::string_view text) {
    return with_model(R"({"type":"BPE",)" + options + vocab + "}").encode(text).ids;
  };
  EXPECT_EQ(ids("", "abxya"), (std::vector<int32_t>{3, 0, 0, 1}));
  EXPECT_EQ(ids(R"("fuse_unk":true,)", "abxya"), (std::vector<int32_t>{3, 0, 1}));
  EXPECT_EQ(ids(R"("byte_fallback":true,)", "a\xC3\xA9"), (std::vector<int32_t>{1, 4, 5}));
  EXPECT_EQ(ids(R"("byte_fallback":true,)", "\xC3\xA8"), (std::vector<int32_t>{0}));
}

TEST(Bpe, LongAndShortWordsMergeAlike) {
  // 64 symbols are merged by search, longer words by queue.
  const Tokenizer tokenizer =
      with_model(R"({"type":"BPE","vocab":{"a":0,"aa":1,"aaaa":2},"merges":["a a","aa aa"]})");
  for (const size_t size : {1, 2, 63, 64, 65, 66, 127}) {
    const Encoding encoding = tokenizer.encode(std::string(size, 'a'));
    EXPECT_EQ(encoding.ids.size(), size / 4 + size % 4 / 2 + size % 2) << size;
    EXPECT_EQ(encoding.offsets.back().end, static_cast<int32_t>(size));
  }
}

TEST(Unigram, UnknownCharactersJoinAndBytesTakeTheirPlace) {
  const std::string vocab = R"("unk_id":0,"vocab":[["<unk>",0],["a",-1],["ab",-1.5],["b",-1]])";
  const Tokenizer tokenizer = with_model(R"({"type":"Unigram",)" + vocab + "}");
  const Encoding encoding = tokenizer.encode("abxyb");
  EXPECT_EQ(encoding.ids, (std::vector<int32_t>{2, 0, 3}));
  EXPECT_EQ(encoding.offsets, (std::vector<Span>{{0, 2}, {2, 4}, {4, 5}}));
  const Tokenizer bytes = with_model(R"({"type":"Unigram","byte_fallback":true,"unk_id":0,)"
                                     R"("vocab":[["<unk>",0],["<0xC3>",-9],["<0xA9>",-9]]})");
  // Twice: the second time nothing may come from the cache that does not fit it.
  for (int i = 0; i < 2; ++i) {
    const Encoding cut = bytes.encode("\xC3\xA9");
    EXPECT_EQ(cut.ids, (std::vector<int32_t>{1, 2}));
    EXPECT_EQ(cut.offsets, (std::vector<Span>{{0, 1}, {0, 1}}));
  }
}

TEST(Scaling, TenMegabytesAndLongWords) {
  // Quadratic work on these sizes would take hours; the test's time limit is the assertion.
  const Tokenizer unigram =
      with_model(R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1],["aa",-1.5]]})");
  EXPECT_EQ(unigram.encode(std::string(10'000'000, 'a')).ids.size(), 5'000'000u);
  const Tokenizer bpe =
      with_model(R"({"type":"BPE","vocab":{"a":0,"b":1,"aa":2,"ab":3},"merges":["a a","a b"]})");
  EXPECT_EQ(bpe.encode(std::string(100'000, 'a')).ids.size(), 50'000u);
  EncodeOptions options;
  options.max_length = 5;
  const Encoding cut = load(R"("pre_tokenizer":{"type":"WhitespaceSplit"})")
                           .encode(
                               [] {
                                 std::string text;
                                 for (int i = 0; i < 5'000'000; ++i) text += "a ";
                                 return text;
                               }(),
                               options);
  EXPECT_EQ(cut.ids.size(), 5u);
  EXPECT_TRUE(cut.truncated);
}

TEST(Truncation, MessagesOfWhatCannotBeMet) {
  const Tokenizer tokenizer =
      load(R"("pre_tokenizer":{"type":"WhitespaceSplit"},)"
           R"("post_processor":{"type":"BertProcessing","sep":["a",1],"cls":["b",2]})");
  const auto message = [&](int64_t max_length, int64_t stride, TruncationStrategy strategy) {
    EncodeOptions options;
    options.max_length = max_length;
    options.stride = stride;
    options.strategy = strategy;
    return std::string(error_of([&] { (void)tokenizer.encode("a b a b a", options); }).what());
  };
  EXPECT_EQ(message(1, 0, TruncationStrategy::kLongestFirst),
            "max_length 1 is less than the 2 special tokens");
  EXPECT_EQ(message(4, 2, TruncationStrategy::kLongestFirst),
            "stride 2 is not less than the 2 tokens of text that max_length 4 leaves room for");
  EXPECT_EQ(message(4, 0, TruncationStrategy::kOnlySecond),
            "truncation only_second needs a pair of texts");
}

TEST(Batch, ErrorNamesTheText) {
  const Tokenizer tokenizer = load("");
  const std::vector<TextInput> inputs{{"a"}, {"\xC3"}};
  EXPECT_EQ(
      std::string(error_of([&] { (void)tokenizer.encode_batch(inputs); }).what()).substr(0, 34),
      "text 1: text is not UTF-8: byte 0 ");
}

}  // namespace
}  // namespace tamis::tokenizer
