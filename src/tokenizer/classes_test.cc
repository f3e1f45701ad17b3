// Folders under each tokenizer class, with and without tokenizer.json, against transformers.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tokenizer/classes_test_data.h"
#include "tokenizer/tokenizer.h"

namespace tamis::tokenizer {
namespace {

namespace fs = std::filesystem;

/// tokenizer_config.json of a case.
std::string config_of(const JsonView& row) {
  JsonWriter json;
  json.begin_object().member("tokenizer_class", row.get("class"));
  const JsonView options = row.get("config");
  for (size_t i = 0; i < options.size(); ++i) {
    json.member(options.member(i).key, options.member(i).value);
  }
  json.end_object();
  return json.take();
}

class Classes : public testing::Test {
 public:
  ~Classes() override { fs::remove_all(path_); }

 protected:
  Classes()
      : path_(fs::temp_directory_path() / ("tamis_classes_" + std::to_string(getpid()))),
        document_(JsonDocument::parse(read_file(root() / "cases.json"), "cases.json")) {}

  /// The case's folder, made anew.
  void make_folder(const JsonView& row) const {
    fs::remove_all(path_);
    fs::create_directories(path_);
    const std::string name(row.get("class").as_string("class"));
    const fs::path source = root() / row.get("kind").as_string("kind");
    const bool with_json = row.get("json").as_bool("json");
    for (const auto& entry : fs::directory_iterator(source)) {
      std::string file = entry.path().filename();
      if ((file == "tokenizer.json") != with_json) continue;
      if (file == "pieces.model") {
        file = document_.root().get("pieces_files").get(name).as_string("pieces_files");
      }
      fs::copy_file(entry.path(), path_ / file);
    }
    write_file(path_ / "tokenizer_config.json", config_of(row));
  }

  fs::path path_;
  JsonDocument document_;
};

TEST_F(Classes, GiveTheIdsOfTransformers) {
  const JsonView texts = document_.root().get("texts");
  const JsonView cases = document_.root().get("cases");
  ASSERT_GT(cases.size(), 50U);
  for (size_t i = 0; i < cases.size(); ++i) {
    const JsonView row = cases.at(i);
    if (row.get("kind").as_string("kind") == "japanese") continue;
    make_folder(row);
    const std::string name = cat(row.get("kind").as_string("kind"), " ", config_of(row), " ",
                                 row.get("json").as_bool("json"));
    const Tokenizer tokenizer = Tokenizer::load(path_);
    for (size_t t = 0; t < texts.size(); ++t) {
      const std::string_view text = texts.at(t).as_string("text");
      EXPECT_EQ(tokenizer.encode(text).ids, ids_of(row.get("ids").at(t))) << name << ": " << text;
    }
    const TextInput pair{texts.at(0).as_string("text"), texts.at(3).as_string("text")};
    EXPECT_EQ(tokenizer.encode(pair).ids, ids_of(row.get("pair"))) << name;
    // What a bundle keeps.
    EXPECT_EQ(Tokenizer::load_json(tokenizer.to_json(), "again").encode(pair).ids,
              ids_of(row.get("pair")))
        << name;
  }
}

// Of one token in two roles the flags that came last count: without tokenizer.json those of the
// SentencePiece model's own piece.
TEST_F(Classes, OneTokenMayHaveTwoRoles) {
  const auto ids = [&](const char* source, const char* file) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    fs::copy_file(root() / "unigram" / source, path_ / file);
    write_file(path_ / "tokenizer_config.json",
               R"({"tokenizer_class":"BigBirdTokenizer","bos_token":"<s>",
                   "sep_token":{"__type":"AddedToken","content":"<s>","lstrip":true,
                                "normalized":true,"rstrip":true,"single_word":false}})");
    return Tokenizer::load(path_).encode("a <s> b").ids;
  };
  EXPECT_EQ(ids("pieces.model", "spiece.model"), (std::vector<int32_t>{3, 27, 15, 8, 68, 8}));
  EXPECT_EQ(ids("tokenizer.json", "tokenizer.json"), (std::vector<int32_t>{3, 27, 8, 68, 8}));
}

TEST_F(Classes, ModelTypeDecidesOverTheClassWhereTransformersDoes) {
  struct Case {
    const char* model_type;
    const char* name;
    bool stands;  // tokenizer.json does
  };
  const Case cases[] = {
      {"modernbert", "BertTokenizer", true},   {"xlm-roberta-xl", "BertTokenizer", true},
      {"mistral", "LlamaTokenizerFast", true}, {"bert", "PreTrainedTokenizerFast", true},
      {"bert", "DistilBertTokenizer", false},  {"of-no-library", "BertTokenizer", false},
  };
  fs::create_directories(path_);
  fs::copy_file(root() / "words" / "tokenizer.json", path_ / "tokenizer.json");
  for (const Case& c : cases) {
    write_file(path_ / "config.json", cat(R"({"model_type":")", c.model_type, "\"}"));
    write_file(path_ / "tokenizer_config.json", cat(R"({"tokenizer_class":")", c.name, "\"}"));
    EXPECT_EQ(Tokenizer::load(path_).to_json().find("BertNormalizer") == std::string::npos,
              c.stands)
        << c.model_type << " " << c.name;
  }
}

TEST_F(Classes, NumbersOfTheConfigHaveLimits) {
  const JsonView cases = document_.root().get("cases");
  size_t i = 0;
  while (i < cases.size() && (cases.at(i).get("class").as_string("class") != "T5Tokenizer" ||
                              cases.at(i).get("json").as_bool("json"))) {
    ++i;
  }
  ASSERT_LT(i, cases.size());
  make_folder(cases.at(i));
  for (const char* extra : {"1000000000000000", "-1", "true", "\"5\""}) {
    write_file(path_ / "tokenizer_config.json",
               cat(R"({"tokenizer_class":"T5Tokenizer","extra_ids":)", extra, "}"));
    try {
      (void)Tokenizer::load(path_);
      FAIL() << extra;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData) << extra;
      EXPECT_NE(std::string_view(error.what()).find("extra_ids"), std::string_view::npos)
          << error.what();
    }
  }
}

TEST_F(Classes, LanguagesAreThoseOfTheClass) {
  const JsonView cases = document_.root().get("cases");
  size_t i = 0;
  while (i < cases.size() && cases.at(i).get("class").as_string("class") != "MBartTokenizer") ++i;
  ASSERT_LT(i, cases.size());
  make_folder(cases.at(i));
  const auto message = [&](std::string_view name, std::string_view language) {
    write_file(path_ / "tokenizer_config.json",
               cat(R"({"tokenizer_class":")", name, R"(","src_lang":)", language, "}"));
    try {
      (void)Tokenizer::load(path_);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message("MBartTokenizer", "\"zh_CN\""), "");
  EXPECT_EQ(message("MBart50Tokenizer", "\"af_ZA\""), "");
  const std::string refused = message("MBartTokenizer", "\"af_ZA\"");
  EXPECT_NE(
      refused.find("src_lang \"af_ZA\" is no language of MBartTokenizer; accepted are ar_AR, "),
      std::string::npos)
      << refused;
  EXPECT_NE(message("MBart50Tokenizer", "4").find("src_lang"), std::string::npos);

  // The class's own tokenizer.json, as it writes it.
  for (const char* name : {"MBartTokenizer", "MBart50Tokenizer"}) {
    fs::remove(path_ / "tokenizer.json");
    ASSERT_EQ(message(name, "\"ro_RO\""), "");
    const Tokenizer pieces = Tokenizer::load(path_);
    write_file(path_ / "tokenizer.json", pieces.to_json());
    const std::string_view text = document_.root().get("texts").at(0).as_string("text");
    EXPECT_EQ(Tokenizer::load(path_).encode(text).ids, pieces.encode(text).ids) << name;
    fs::copy_file(root() / "unigram" / "tokenizer.json", path_ / "tokenizer.json",
                  fs::copy_options::overwrite_existing);
    EXPECT_NE(message(name, "\"ro_RO\"").find("model.vocab has no \"ro_RO\", the language that"),
              std::string::npos);
  }
}

TEST_F(Classes, LlamaOverBytesIsGeneric) {
  fs::create_directories(path_);
  const std::string json = read_file(root() / "bytes" / "tokenizer.json");
  write_file(path_ / "tokenizer_config.json", R"({"tokenizer_class":"LlamaTokenizer"})");
  write_file(path_ / "tokenizer.json", json);
  EXPECT_NE(Tokenizer::load(path_).to_json().find(R"("prepend_scheme":"first")"),
            std::string::npos);
  std::string bytes = json;
  const std::string_view decoder = R"("decoder":null)";
  bytes.replace(bytes.find(decoder), decoder.size(), R"("decoder":{"type":"ByteLevel"})");
  write_file(path_ / "tokenizer.json", bytes);
  EXPECT_EQ(Tokenizer::load(path_).to_json().find(R"("prepend_scheme":"first")"),
            std::string::npos);
}

TEST_F(Classes, EndsCountBesideTokenizerJsonOnlyAsOverrides) {
  fs::create_directories(path_);
  fs::copy_file(root() / "bytes" / "tokenizer.json", path_ / "tokenizer.json");
  write_file(path_ / "tokenizer_config.json",
             R"({"tokenizer_class":"PreTrainedTokenizerFast","bos_token":"<s>","eos_token":"</s>",
                 "add_bos_token":true})");
  const std::vector<int32_t> plain = Tokenizer::load(path_).encode("").ids;
  EXPECT_EQ(plain, (std::vector<int32_t>{0}));
  LoadOptions options;
  options.overrides = R"({"add_eos_token":true})";
  EXPECT_EQ(Tokenizer::load(path_, options).encode("").ids, (std::vector<int32_t>{8}));
  options.overrides = R"({"add_bos_token":true,"add_eos_token":true})";
  EXPECT_EQ(Tokenizer::load(path_, options).encode(TextInput{"", ""}).ids,
            (std::vector<int32_t>{7, 8, 7, 8}));
}

}  // namespace
}  // namespace tamis::tokenizer
