// Tokenizer::load: folders with and without tokenizer.json.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/convert/sentencepiece.h"
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

// A cased vocabulary whose tokenizer.json keeps case, accents and Chinese words.
constexpr std::string_view kCasedJson =
    R"({"version":"1.0","added_tokens":[],"normalizer":{"type":"BertNormalizer","clean_text":true,
"handle_chinese_chars":false,"strip_accents":false,"lowercase":false},
"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":null,"decoder":null,
"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
"max_input_chars_per_word":100,"vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4,
"\u00c9a":5,"\u00e9a":6,"ea":7,"Ea":8,"\u4e2d":9,"\u4e2d\u4e2d":10,"new":11}}})";

TEST_F(Folder, ClassAndConfigDecideOverTokenizerJson) {
  struct Case {
    const char* config;
    std::vector<int32_t> ids;
  };
  const Case cases[] = {
      {R"({"tokenizer_class":"PreTrainedTokenizerFast","do_lower_case":true})", {5, 10}},
      {R"({"tokenizer_class":"TokenizersBackend"})", {5, 10}},
      {R"({"tokenizer_class":"ClassOfNoLibrary"})", {5, 10}},
      {R"({"tokenizer_class":"BertTokenizer"})", {2, 7, 9, 9, 3}},
      {R"({"tokenizer_class":"BertTokenizerFast","do_lower_case":false})", {2, 5, 9, 9, 3}},
      {R"({"tokenizer_class":"ElectraTokenizer","strip_accents":false})", {2, 6, 9, 9, 3}},
      {R"({"tokenizer_class":"DistilBertTokenizer","do_lower_case":false,"strip_accents":true})",
       {2, 8, 9, 9, 3}},
      {R"({"tokenizer_class":"BertTokenizer","tokenize_chinese_chars":false})", {2, 7, 10, 3}},
  };
  write("tokenizer.json", kCasedJson);
  for (const Case& c : cases) {
    write("tokenizer_config.json", c.config);
    EXPECT_EQ(Tokenizer::load(path_)
                  .encode("\xC3\x89"
                          "a \xE4\xB8\xAD\xE4\xB8\xAD")
                  .ids,
              c.ids)
        << c.config;
  }
}

TEST_F(Folder, ClassOfTheModelTypeStandsWhereNoneIsNamed) {
  write("tokenizer.json", kCasedJson);
  write("config.json", R"({"model_type":"electra"})");
  EXPECT_EQ(Tokenizer::load(path_).encode("Ea").ids, (std::vector<int32_t>{2, 7, 3}));
  write("config.json", R"({"model_type":"electra","tokenizer_class":"PreTrainedTokenizerFast"})");
  EXPECT_EQ(Tokenizer::load(path_).encode("Ea").ids, (std::vector<int32_t>{8}));
}

TEST_F(Folder, TokensThatOnlySideFilesNameAreAdded) {
  struct Case {
    const char* file;
    const char* content;
    std::vector<int32_t> ids;  // of "new<a>NEW"
  };
  const std::vector<int32_t> split = {2, 11, 1, 1, 1, 11, 3};
  const std::vector<int32_t> found = {2, 11, 12, 11, 3};
  const Case cases[] = {
      {"tokenizer_config.json", "{}", split},
      {"tokenizer_config.json", R"({"additional_special_tokens":["<a>"]})", found},
      {"tokenizer_config.json", R"({"extra_special_tokens":["<a>"]})", found},
      {"tokenizer_config.json", R"({"extra_special_tokens":{"tag_token":"<a>"}})", found},
      {"tokenizer_config.json", R"({"tag_token":"<a>"})", found},
      {"tokenizer_config.json", R"({"eos_token":"<a>"})", found},
      {"special_tokens_map.json", R"({"additional_special_tokens":["<a>"]})", found},
      {"special_tokens_map.json",
       R"({"additional_special_tokens":[{"content":"<a>","lstrip":false}]})", found},
      {"special_tokens_map.json", R"({"bos_token":{"content":"<a>"}})", found},
      {"added_tokens.json", R"({"<a>":12})", found},
  };
  for (const Case& c : cases) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    write("tokenizer.json", kCasedJson);
    write("config.json", R"({"model_type":"bert"})");
    write(c.file, c.content);
    EXPECT_EQ(Tokenizer::load(path_).encode("new<a>NEW").ids, c.ids) << c.file << c.content;
  }
}

// Classes that transformers has under a second name.
TEST_F(Folder, ClassesOfOneKindReadAlike) {
  struct Case {
    const char* model;
    const char* one;
    const char* other;
  };
  for (const Case& c : {Case{"bert-base", "BertTokenizer", "BertTokenizerLegacy"},
                        {"roberta-base", "GPT2Tokenizer", "CodeGenTokenizer"}}) {
    std::vector<int32_t> ids;
    for (const char* const name : {c.one, c.other}) {
      fs::remove_all(path_);
      fs::create_directories(path_);
      copy(c.model, "tokenizer.json");
      write("config.json", R"({"model_type":"roberta"})");
      write("tokenizer_config.json",
            cat(R"({"do_lower_case":false,"tokenizer_class":")", name, R"("})"));
      const Encoding encoding = Tokenizer::load(path_).encode("Hello World it's  12345");
      if (name == c.one) ids = encoding.ids;
      EXPECT_EQ(encoding.ids, ids) << name;
    }
  }
}

// As transformers, which knows again only what tokenizer_config.json gives as a text: a token of
// added_tokens.json is special then, and is found before a text is lowercased.
TEST_F(Folder, AnExtraWithFlagsMakesNoAddedTokenSpecial) {
  for (const auto& [extra, special] :
       {std::pair{R"("<B>")", true},
        {R"({"__type":"AddedToken","content":"<B>","special":true,"normalized":false})", false}}) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    write("tokenizer.json", kCasedJson);
    write("config.json", R"({"model_type":"bert"})");
    write("tokenizer_config.json", cat(R"({"additional_special_tokens":[)", extra, "]}"));
    write("added_tokens.json", R"({"<B>":12})");
    const Encoding encoding = Tokenizer::load(path_).encode("<b>");
    EXPECT_EQ(encoding.ids == (std::vector<int32_t>{2, 12, 3}), !special) << extra;
  }
}

TEST_F(Folder, WhatIsNoObjectOrListIsNamed) {
  const std::pair<const char*, const char*> files[] = {
      {"special_tokens_map.json", "[1]"},
      {"added_tokens.json", "[\"<a>\"]"},
      {"tokenizer_config.json", "[]"},
      {"tokenizer_config.json", R"({"added_tokens_decoder":[1]})"},
  };
  for (const auto& [name, content] : files) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    write("tokenizer.json", kCasedJson);
    write("config.json", R"({"model_type":"bert"})");
    write(name, content);
    EXPECT_NE(message().find("must be an object, found an array"), std::string::npos) << message();
    EXPECT_NE(message().find(name), std::string::npos) << message();
  }
}

TEST_F(Folder, FlagsOfAddedTokensDecoderReplaceThoseOfTokenizerJson) {
  std::string json(kCasedJson);
  json.replace(json.find("\"added_tokens\":[]"), 17,
               R"("added_tokens":[{"id":11,"content":"new","single_word":false,"lstrip":false,
               "rstrip":false,"normalized":false,"special":false}])");
  write("tokenizer.json", json);
  write("tokenizer_config.json", R"({"tokenizer_class":"PreTrainedTokenizerFast"})");
  EXPECT_EQ(Tokenizer::load(path_).encode("renew").ids, (std::vector<int32_t>{1, 11}));
  write("tokenizer_config.json", R"({"tokenizer_class":"PreTrainedTokenizerFast",
      "added_tokens_decoder":{"11":{"content":"new","single_word":true}}})");
  EXPECT_EQ(Tokenizer::load(path_).encode("renew").ids, (std::vector<int32_t>{1}));
}

TEST_F(Folder, RefusesClassesAndKeysByName) {
  write("vocab.txt", "[UNK]\na\n");
  for (const char* name : {"BertweetTokenizer", "PhobertTokenizer", "NllbTokenizerFast"}) {
    write("tokenizer_config.json", std::string(R"({"tokenizer_class":")") + name + "\"}");
    EXPECT_NE(message().find(std::string("tokenizer_class \"") + name +
                             "\": how it cuts text is not built; built are BertTokenizer"),
              std::string::npos)
        << message();
  }
  write("tokenizer_config.json", R"({"word_tokenizer_type":"mecab"})");
  EXPECT_NE(message().find("word_tokenizer_type is \"mecab\""), std::string::npos) << message();
  write("tokenizer_config.json", R"({"split_special_tokens":true})");
  EXPECT_NE(message().find("split_special_tokens is true"), std::string::npos) << message();
  write("tokenizer_config.json",
        R"({"tokenizer_class":"MyTokenizer","auto_map":{"AutoTokenizer":["m.My",null]}})");
  EXPECT_NE(message().find("is code beside the checkpoint"), std::string::npos) << message();
  write("tokenizer_config.json", R"({"tokenizer_class":"RobertaTokenizer"})");
  EXPECT_NE(message().find("\"RobertaTokenizer\" is read from tokenizer.json or vocab.json"),
            std::string::npos)
      << message();
  write("tokenizer.json", kCasedJson);
  EXPECT_NE(message().find("model \"WordPiece\" under RobertaTokenizer, which has BPE"),
            std::string::npos)
      << message();
}

TEST_F(Folder, WhatIsWrittenForABundleIsTheSameTokenizer) {
  write("tokenizer.json", kCasedJson);
  write("tokenizer_config.json", R"({"tokenizer_class":"BertTokenizer","do_lower_case":false,
      "extra_special_tokens":["<a>"],"truncation_side":"left","max_len":9,"tag_token":"ea"})");
  EXPECT_EQ(Tokenizer::keys_that_change(path_),
            (std::vector<std::string>{"a token with a role", "extra_special_tokens",
                                      "strip_accents", "tokenize_chinese_chars"}));
  const Tokenizer first = Tokenizer::load(path_, {.lowercase_first = true});
  const std::string json = first.to_json();
  write("tokenizer_config.json", first.config_json());
  write("tokenizer.json", json);
  const Tokenizer again = Tokenizer::load(path_);
  EXPECT_EQ(again.to_json(), json);
  EXPECT_EQ(again.config_json(), first.config_json());
  EXPECT_EQ(Tokenizer::keys_that_change(path_), std::vector<std::string>{});
  EXPECT_EQ(again.model_max_length(), 9);
  EXPECT_EQ(again.truncation_side(), Side::kLeft);
  const std::string_view text =
      "<a>\xC3\x89"
      "A [MASK] EA";
  EXPECT_EQ(again.encode(text).ids, (std::vector<int32_t>{2, 12, 6, 4, 7, 3}));
  EXPECT_EQ(first.encode(text).ids, again.encode(text).ids);
}

TEST_F(Folder, ATokenizerThatIsAPipeIsNamedThoughOlderFilesAreThere) {
  write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
  ASSERT_EQ(::mkfifo((path_ / "tokenizer.json").c_str(), 0600), 0);
  EXPECT_NE(message().find("tokenizer.json: not a regular file"), std::string::npos) << message();
}

TEST_F(Folder, NamesWhatChangesTheCutsOfSentencePiece) {
  const auto changed = [this](std::string_view pre_tokenizer, std::string_view config) {
    write("tokenizer.json",
          cat(R"({"added_tokens":[],"normalizer":null,"post_processor":null,"decoder":null,)",
              R"("model":{"type":"Unigram","unk_id":3,"vocab":[["<s>",0],["<pad>",0],["</s>",0],)",
              R"(["<unk>",0],["\u2581a",-1],["a",-2]]},"pre_tokenizer":)", pre_tokenizer, "}"));
    write("tokenizer_config.json", config);
    const std::vector<std::string> keys = Tokenizer::keys_that_change(path_);
    return std::ranges::find(keys, "tokenizer_class") != keys.end();
  };
  constexpr std::string_view kClass = R"({"tokenizer_class":"XLMRobertaTokenizer"})";
  constexpr std::string_view kAsTheClass =
      R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},)"
      R"({"type":"Metaspace","replacement":"\u2581","add_prefix_space":true}]})";
  constexpr std::string_view kAlone = R"({"type":"Metaspace","replacement":"\u2581"})";
  EXPECT_FALSE(changed(kAsTheClass, kClass));
  EXPECT_TRUE(changed(kAlone, kClass));
  EXPECT_TRUE(changed(kAsTheClass,
                      R"({"tokenizer_class":"XLMRobertaTokenizer","add_prefix_space":false})"));
  EXPECT_FALSE(changed(kAlone, R"({"tokenizer_class":"PreTrainedTokenizerFast"})"));
}

TEST_F(Folder, OptionsStandInPlaceOfTheConfig) {
  write("tokenizer.json", kCasedJson);
  write("tokenizer_config.json", R"({"tokenizer_class":"BertTokenizer","model_max_length":9})");
  const Tokenizer tokenizer =
      Tokenizer::load(path_, {.overrides = R"({"do_lower_case":false,"model_max_length":5})"});
  EXPECT_EQ(tokenizer.encode("Ea").ids, (std::vector<int32_t>{2, 8, 3}));
  EXPECT_EQ(tokenizer.model_max_length(), 5);
}

TEST_F(Folder, TypeIdsAreUnusedOnlyWhereTheInputsLackThem) {
  write("tokenizer.json", kCasedJson);
  const auto uses = [&](const char* config) {
    write("tokenizer_config.json", config);
    return Tokenizer::load(path_).uses_type_ids();
  };
  EXPECT_TRUE(uses(R"({"tokenizer_class":"BertTokenizer"})"));
  EXPECT_FALSE(uses(R"({"tokenizer_class":"BertTokenizer",
                        "model_input_names":["input_ids","attention_mask"]})"));
  // Classes that give none by themselves.
  EXPECT_FALSE(uses(R"({"tokenizer_class":"DistilBertTokenizer"})"));
  EXPECT_FALSE(uses(R"({"tokenizer_class":"PreTrainedTokenizerFast"})"));
  EXPECT_TRUE(uses(R"({"tokenizer_class":"PreTrainedTokenizerFast",
                       "model_input_names":["input_ids","token_type_ids"]})"));
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
  write("config.json", R"({"model_type":"of no library"})");
  EXPECT_NE(message().find("a SentencePiece model of model_type \"of no library\", which has no "
                           "tokenizer class of its own; name one"),
            std::string::npos)
      << message();
  // Numbers as Python writes them are none of the tokenizer's.
  write("config.json", R"({"model_type":"gemma","initializer_range":NaN})");
  EXPECT_NE(message().find("\"GemmaTokenizer\" is read from tokenizer.json or tokenizer.model"),
            std::string::npos)
      << message();
  fs::rename(path_ / "spiece.model", path_ / "tokenizer.model");
  EXPECT_NE(message().find("SentencePiece algorithm 1 under GemmaTokenizer; accepted is bpe (2)"),
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
