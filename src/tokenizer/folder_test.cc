// Tokenizer::load: folders with and without tokenizer.json.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tokenizer.h"

namespace tamis::tokenizer {
namespace {

namespace fs = std::filesystem;

class Folder : public testing::Test {
 protected:
  Folder() : path_(fs::temp_directory_path() / ("tamis_folder_" + std::to_string(getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() override { fs::remove_all(path_); }

  void write(const char* name, std::string_view content) const {
    write_file(path_ / name, content);
  }
  void copy(const fs::path& model, const char* name) const {
    fs::copy_file(fs::path(TAMIS_TESTDATA) / "models" / model / name, path_ / name);
  }
  [[nodiscard]] std::string message() const {
    try {
      (void)Tokenizer::load(path_);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing thrown";
  }

  fs::path path_;
};

TEST_F(Folder, NamesWhatItLooksFor) {
  EXPECT_NE(message().find("no tokenizer; expected tokenizer.json, vocab.txt"), std::string::npos)
      << message();
}

TEST_F(Folder, VocabTxtTakesItsOptionsFromTheConfig) {
  write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nHello\nhello\n");
  write("tokenizer_config.json",
        R"({"do_lower_case":false,"model_max_length":77,"truncation_side":"left",
            "padding_side":"left"})");
  const Tokenizer cased = Tokenizer::load(path_);
  EXPECT_EQ(cased.encode("Hello hello").ids, (std::vector<int32_t>{2, 5, 6, 3}));
  EXPECT_EQ(cased.model_max_length(), 77);
  EXPECT_EQ(cased.truncation_side(), Side::kLeft);
  EXPECT_EQ(cased.padding_side(), Side::kLeft);
  EXPECT_EQ(cased.special_ids().pad, 0);
  EXPECT_EQ(cased.special_ids().mask, 4);
  write("tokenizer_config.json", R"({"model_max_length":1000000000000000019884624838656})");
  const Tokenizer uncased = Tokenizer::load(path_);
  EXPECT_EQ(uncased.encode("Hello").ids, (std::vector<int32_t>{2, 6, 3}));
  EXPECT_EQ(uncased.model_max_length(), std::nullopt);
}

TEST_F(Folder, AddsTokensThatOnlyTheConfigNames) {
  write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
  write("tokenizer_config.json",
        R"({"added_tokens_decoder":{"7":{"content":"<y>","special":true},
            "6":{"content":"<x>","special":false,"normalized":false}}})");
  const Tokenizer tokenizer = Tokenizer::load(path_);
  EXPECT_EQ(tokenizer.encode("a<x><y>").ids, (std::vector<int32_t>{2, 5, 6, 7, 3}));
  EXPECT_EQ(tokenizer.vocab_size(), 8);
  // What a bundle keeps; the library refuses added tokens without an id.
  EXPECT_NE(tokenizer.to_json().find(R"({"id":6,"content":"<x>")"), std::string::npos);
  EXPECT_EQ(Tokenizer::load_json(tokenizer.to_json(), "again").encode("a<x><y>").ids,
            tokenizer.encode("a<x><y>").ids);
  EXPECT_TRUE(tokenizer.is_special(7));
  EXPECT_FALSE(tokenizer.is_special(6));
}

TEST_F(Folder, SentencePieceFamiliesNumberPiecesAsTheirTokenizerJsonDoes) {
  struct Case {
    const char* model;
    const char* file;
  };
  for (const Case& c :
       {Case{"albert-base", "spiece.model"}, Case{"camembert-base", "sentencepiece.bpe.model"},
        Case{"xlm-roberta-base", "sentencepiece.bpe.model"}}) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    for (const char* name : {"config.json", "tokenizer_config.json", c.file}) copy(c.model, name);
    const Tokenizer converted = Tokenizer::load(path_);
    const Tokenizer recorded = Tokenizer::load(fs::path(TAMIS_TESTDATA) / "models" / c.model);
    for (const std::string_view text : {"", "The gardener repaired a wooden chair, 1,000 times.",
                                        "\xC3\xA9t\xC3\xA9 <mask> (x)"}) {
      const TextInput input{text, "and the other one"};
      EXPECT_EQ(converted.encode(input).ids, recorded.encode(input).ids) << c.model << " " << text;
    }
    EXPECT_EQ(converted.vocab_size(), recorded.vocab_size()) << c.model;
  }
}

TEST_F(Folder, RefusesSentencePieceOfAnUnknownFamily) {
  copy("albert-base", "spiece.model");
  write("config.json", R"({"model_type":"t5"})");
  EXPECT_NE(message().find("a SentencePiece model of model_type \"t5\"; only xlm-roberta"),
            std::string::npos)
      << message();
}

TEST(SentencePiece, NamesTheByteWhereTheFileBreaks) {
  const auto message = [](std::string_view bytes) {
    try {
      (void)parse_sentencepiece(bytes, "m");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing thrown");
  };
  EXPECT_EQ(message(""), "m: not a SentencePiece model: it has no pieces");
  EXPECT_EQ(message("\x0A\x7F"
                    "ab"),
            "m: not a SentencePiece model: a field that reaches past the end at byte 2");
  EXPECT_EQ(message("\xFF\xFF"),
            "m: not a SentencePiece model: a number that is cut off at byte 2");
  EXPECT_EQ(message("\x27"), "m: not a SentencePiece model: unknown wire type at byte 1");
}

}  // namespace
}  // namespace tamis::tokenizer
