// BertJapaneseTokenizer, whose words MeCab cuts, against what transformers recorded; and what is
// said where it is not built in or not there.
#include "tokenizer/mecab/mecab.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tokenizer/classes_test_data.h"
#include "tokenizer/tokenizer.h"

namespace tamis::tokenizer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "TAMIS_MECAB_IPADIC";

/// Why no text can be cut here; empty if it can.
std::string lacking() {
  try {
    (void)Mecab::open("ipadic", "test");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class Japanese : public testing::Test {
 public:
  ~Japanese() override {
    unsetenv(kVariable);
    fs::remove_all(path_);
  }

 protected:
  Japanese()
      : path_(fs::temp_directory_path() / ("tamis_japanese_" + std::to_string(getpid()))),
        document_(JsonDocument::parse(read_file(root() / "cases.json"), "cases.json")) {
    fs::create_directories(path_);
    fs::copy_file(root() / "japanese" / "vocab.txt", path_ / "vocab.txt");
  }
  /// A folder of the class with these members beside its name.
  [[nodiscard]] Tokenizer load(const std::string& members) const {
    write_file(path_ / "tokenizer_config.json",
               R"({"tokenizer_class":"BertJapaneseTokenizer",)" + members + "}");
    return Tokenizer::load(path_);
  }
  [[nodiscard]] std::string message(const std::string& members) const {
    try {
      (void)load(members);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  fs::path path_;
  JsonDocument document_;
};

constexpr const char* kPlain =
    R"("word_tokenizer_type":"mecab","mecab_kwargs":{"mecab_dic":"ipadic"})";

TEST_F(Japanese, HasTheIdsOfTransformers) {
  if (const std::string why = lacking(); !why.empty()) GTEST_SKIP() << why;
  const JsonView texts = document_.root().get("japanese_texts");
  const JsonView cases = document_.root().get("cases");
  size_t compared = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const JsonView row = cases.at(i);
    if (row.get("kind").as_string("kind") != "japanese") continue;
    JsonWriter config;
    config.value(row.get("config"));
    const std::string members = config.str().substr(1, config.str().size() - 2);
    const Tokenizer tokenizer = load(members);
    for (size_t t = 0; t < texts.size(); ++t, ++compared) {
      const std::string_view text = texts.at(t).as_string("text");
      EXPECT_EQ(tokenizer.encode(text).ids, ids_of(row.get("ids").at(t)))
          << members << ": " << text;
    }
    const TextInput pair{texts.at(0).as_string("text"), texts.at(1).as_string("text")};
    EXPECT_EQ(tokenizer.encode(pair).ids, ids_of(row.get("pair"))) << members;
    // What a bundle keeps.
    EXPECT_EQ(Tokenizer::load_json(tokenizer.to_json(), "again").encode(pair).ids,
              ids_of(row.get("pair")))
        << members;
  }
  EXPECT_EQ(compared, 20u);
}

TEST_F(Japanese, TellsWhereEachWordStands) {
  if (const std::string why = lacking(); !why.empty()) GTEST_SKIP() << why;
  EncodeOptions options;
  options.add_special_tokens = false;
  const Encoding encoding = load(kPlain).encode("\u660e\u65e5 \u5143\u6c17", options);
  ASSERT_EQ(encoding.offsets.size(), 2u);
  EXPECT_EQ(encoding.offsets[1].start, 3u);
  EXPECT_EQ(encoding.offsets[1].end, 5u);
}

TEST_F(Japanese, RefusesOtherCuttersByName) {
  if (const std::string why = lacking(); !why.empty()) GTEST_SKIP() << why;
  struct Case {
    const char* members;
    const char* message;
  };
  const Case cases[] = {
      {R"("do_lower_case":false)", "word_tokenizer_type is \"basic\""},
      {R"("word_tokenizer_type":"sudachi")", "word_tokenizer_type is \"sudachi\""},
      {R"("word_tokenizer_type":"mecab","subword_tokenizer_type":"sentencepiece")",
       "subword_tokenizer_type is \"sentencepiece\""},
      {R"("word_tokenizer_type":"mecab","do_lower_case":true)", "do_lower_case is true"},
      {R"("word_tokenizer_type":"mecab","do_subword_tokenize":false)",
       "do_subword_tokenize is false"},
      {R"("word_tokenizer_type":"mecab","mecab_kwargs":{"mecab_dic":"neologd"})",
       "the MeCab dictionary \"neologd\"; accepted are"},
      {R"("word_tokenizer_type":"mecab","mecab_kwargs":["ipadic"])",
       "mecab_kwargs is not an object"},
      {R"("word_tokenizer_type":"mecab","mecab_kwargs":{"mecab_dic":null})",
       "mecab_kwargs.mecab_dic: is not built"},
      {R"("word_tokenizer_type":"mecab","mecab_kwargs":{"mecab_option":"-u my.dic"})",
       "mecab_kwargs.mecab_option: is not built"},
      {R"("word_tokenizer_type":"mecab","subword_tokenizer_type":"character",)"
       R"("mecab_kwargs":{"mecab_dic":"ipadic","normalize_text":false})",
       "normalize_text is false with characters"},
      {R"("word_tokenizer_type":"mecab","mecab_kwargs":{"mecab_dic":"ipadic"},)"
       R"("added_tokens_decoder":{"99":{"content":"new"}})",
       "token \"new\" with id 99 is not that of vocab.txt"},
      {R"("word_tokenizer_type":"mecab","mecab_kwargs":{"mecab_dic":"ipadic"},)"
       R"("mask_token":{"content":"[MASK]","lstrip":true,"__type":"AddedToken"})",
       "has lstrip, rstrip or single_word"},
  };
  for (const Case& c : cases) {
    EXPECT_NE(message(c.members).find(c.message), std::string::npos) << message(c.members);
  }
}

TEST_F(Japanese, OtherClassesDoWithoutMecab) {
  write_file(path_ / "tokenizer_config.json",
             R"({"tokenizer_class":"BertTokenizer","word_tokenizer_type":"mecab"})");
  EXPECT_THROW((void)Tokenizer::load(path_), Error);
}

TEST_F(Japanese, AnotherDictionaryThanTheBundlesIsRefused) {
  if (const std::string why = lacking(); !why.empty()) GTEST_SKIP() << why;
  std::string json = load(kPlain).to_json();
  const size_t at = json.find("\"words\":") + 8;
  json.insert(at, "1");
  try {
    (void)Tokenizer::load_json(json, "bundle");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the tokenizer was made with a dictionary of 1"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(Japanese, FoldersWithoutADictionaryAreRefused) {
  if (const std::string why = lacking(); !why.empty()) GTEST_SKIP() << why;
  setenv(kVariable, path_.c_str(), 1);
  EXPECT_NE(message(kPlain).find("where there is no sys.dic"), std::string::npos);
  write_file(path_ / "sys.dic", "no dictionary");
  EXPECT_NE(message(kPlain).find("MeCab does not read"), std::string::npos) << message(kPlain);
  unsetenv("TAMIS_MECAB_UNIDIC");
  EXPECT_NE(message(R"("word_tokenizer_type":"mecab","mecab_kwargs":{"mecab_dic":"unidic"})")
                .find("set TAMIS_MECAB_UNIDIC to the folder of its sys.dic"),
            std::string::npos);
}

TEST_F(Japanese, LongTextsEndInAnError) {
  if (const std::string why = lacking(); !why.empty()) GTEST_SKIP() << why;
  const Tokenizer tokenizer = load(kPlain);
  EXPECT_THROW((void)tokenizer.encode(std::string(kMostMecabBytes + 1, 'a')), Error);
  EXPECT_THROW((void)tokenizer.encode(std::string(100'000, 'a')), Error);
  std::string words;
  while (words.size() < 50'000) words += "\u660e\u65e5\u306f\u5143\u6c17\u3067\u3059\u3002";
  EXPECT_GT(tokenizer.encode(words).ids.size(), 8000u);
}

TEST_F(Japanese, SaysWhatToInstallWhereItIsNotBuiltIn) {
  const std::string why = lacking();
  if (why.find("not built in") == std::string::npos) GTEST_SKIP() << "it is built in";
  EXPECT_NE(message(kPlain).find("install Debian's packages libmecab-dev and mecab-ipadic-utf8 and "
                                 "build with -DTAMIS_MECAB=ON"),
            std::string::npos)
      << message(kPlain);
}

}  // namespace
}  // namespace tamis::tokenizer
