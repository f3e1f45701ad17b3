#include "formats/text_data.h"

#include "formats/test_util.h"
#include "formats/text_reader.h"

namespace tamis {
namespace {

using std::string_literals::operator""s;
using Texts = std::vector<std::string>;

std::vector<TextRow> txt(std::string_view bytes) {
  return parse_text_data(bytes, TextFormat::kTxt, "x.txt");
}
std::vector<TextRow> tsv(std::string_view bytes) {
  return parse_text_data(bytes, TextFormat::kTsv, "x.tsv");
}
std::vector<TextRow> jsonl(std::string_view bytes) {
  return parse_text_data(bytes, TextFormat::kJsonl, "x.jsonl");
}

Texts texts_of(const std::vector<TextRow>& rows) {
  Texts texts;
  for (const TextRow& row : rows) texts.push_back(row.text.value_or("(none)"));
  return texts;
}

TEST(TextData, EmptyInputHasNoRows) {
  EXPECT_TRUE(txt("").empty());
  EXPECT_TRUE(tsv("").empty());
  EXPECT_TRUE(jsonl("").empty());
  EXPECT_TRUE(txt("\xef\xbb\xbf").empty());
  EXPECT_TRUE(tsv("text\tlabel\n").empty());
  EXPECT_TRUE(jsonl("\n  \n\r\n").empty());
}

TEST(TextData, TxtKeepsEveryLine) {
  EXPECT_EQ(texts_of(txt("a\n\nb c\n")), (Texts{"a", "", "b c"}));
  EXPECT_EQ(texts_of(txt("\xef\xbb\xbf"
                         "a\r\nb")),
            (Texts{"a", "b"}));
  EXPECT_EQ(texts_of(txt("\n")), Texts{""});
  EXPECT_EQ(texts_of(txt("a\rb\tc\0d\n"s)), Texts{"a\rb\tc\0d"s});
  EXPECT_EQ(texts_of(txt("ß\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")).size(), 1u);
  EXPECT_EQ(txt("a\nb")[1].line, 2);
}

// As old editors write them: CR ends a line where there is no LF at all.
TEST(TextData, LinesMayEndWithCrAlone) {
  EXPECT_EQ(texts_of(txt("a\rb\r")), (Texts{"a", "b"}));
  EXPECT_EQ(texts_of(txt("a\r\rb")), (Texts{"a", "", "b"}));
  EXPECT_EQ(texts_of(tsv("text\tlabel\ra\t1\rb\t2")), (Texts{"a", "b"}));
  EXPECT_EQ(texts_of(jsonl("{\"text\":\"a\"}\r\r{\"text\":\"b\"}\r")), (Texts{"a", "b"}));
  EXPECT_EQ(txt("a\rb")[1].line, 2);
  EXPECT_EQ(texts_of(txt("a\rb\nc")), (Texts{"a\rb", "c"}));
}

TEST(TextData, NamesEndInLettersOfEitherCase) {
  EXPECT_EQ(text_format_of("a.TSV"), TextFormat::kTsv);
  EXPECT_EQ(text_format_of("a.b.Jsonl"), TextFormat::kJsonl);
  EXPECT_EQ(text_format_of("a.txt.gz"), std::nullopt);
  EXPECT_TRUE(has_extension("out.NPY", ".npy"));
  EXPECT_FALSE(has_extension("npy", ".npy"));
  expect_error(ErrorCode::kInvalidArgument, "a.csv: unknown kind of file; accepted are .txt",
               [] { (void)require_text_format("a.csv"); });
}

TEST(TextData, RowsComeOneByOne) {
  const std::string bytes = "text\tlabel\na\t1\nb\t2\nc\n";
  TextReader reader(bytes, TextFormat::kTsv, "x.tsv");
  EXPECT_EQ(reader.next()->label, "1");
  EXPECT_EQ(reader.next()->line, 3);
  expect_error(ErrorCode::kCorruptData, "x.tsv:4: 1 fields", [&] { (void)reader.next(); });
}

TEST(TextData, NamesBytesThatAreNotUtf8) {
  for (const std::string& bad :
       {"\x80"s, "\xc3"s, "\xc3("s, "\xc0\xaf"s, "\xe0\x80\x80"s, "\xed\xa0\x80"s,
        "\xf0\x80\x80\x80"s, "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xe2\x82"s, "\xff"s}) {
    expect_error(ErrorCode::kCorruptData, "x.txt:2: byte 3 of the line is not UTF-8",
                 [&] { (void)txt("good\nab" + bad + "\n"); });
  }
  expect_error(ErrorCode::kCorruptData, "x.tsv:2: byte 1 of the line is not UTF-8",
               [] { (void)tsv("text\n\xff\n"); });
  expect_error(ErrorCode::kCorruptData, "x.txt: UTF-16; only UTF-8 is accepted",
               [] { (void)txt("\xff\xfe\x61"); });
}

TEST(TextData, TsvReadsColumnsInAnyOrder) {
  const auto rows = tsv("score\tid\ttext\ttext_pair\tlabel\n3.5\t17\ta \"quoted\t\tPOS\r\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].text, "a \"quoted");
  EXPECT_EQ(rows[0].text_pair, "");
  EXPECT_EQ(rows[0].label, "POS");
  EXPECT_EQ(rows[0].score, 3.5);
  EXPECT_EQ(rows[0].line, 2);
  const auto questions = tsv("question\tcontext\nwho?\tme\n");
  EXPECT_EQ(questions[0].question, "who?");
  EXPECT_EQ(questions[0].context, "me");
  EXPECT_EQ(questions[0].text, std::nullopt);
  const auto queries = tsv("query\ttexts\nq\ta\tb\tc\nq2\td\n");
  EXPECT_EQ(queries[0].query, "q");
  EXPECT_EQ(queries[0].texts, (Texts{"a", "b", "c"}));
  EXPECT_EQ(queries[1].texts, Texts{"d"});
}

TEST(TextData, TsvNamesWhatIsWrong) {
  const auto expect = [](std::string_view bytes, std::string_view message) {
    SCOPED_TRACE(message);
    expect_error(ErrorCode::kCorruptData, message, [&] { (void)tsv(bytes); });
  };
  expect("a text\n", "x.tsv:1: the header names the columns \"a text\"; accepted are text");
  expect("question\nx\n", "accepted are text");
  expect("text\ttext\nx\ty\n", "the column \"text\" twice");
  expect("texts\tquery\nx\ty\n", "the column texts must be the last one");
  expect("text\tlabel\nx\t1\nonly\n", "x.tsv:3: 1 fields, but the header has 2");
  expect("text\nx\ty\n", "x.tsv:2: 2 fields, but the header has 1");
  expect("query\ttexts\nq\n", "x.tsv:2: 1 fields, but the header has 2 or more");
  expect("text\tscore\nx\thigh\n", "x.tsv:2: score \"high\" is not a number");
  expect("text\tscore\nx\tnan\n", "is not a number");
  expect("text\tscore\nx\t\n", "is not a number");
}

TEST(TextData, JsonlReadsEveryTask) {
  const auto rows = jsonl(
      R"({"text":"a","text_pair":"b","label":1,"score":2}
{"text":"c","label":["X",2],"other":{}}

{"question":"q","context":"c","answers":["one",{"text":"two","answer_start":3}]}
{"question":"q","context":"c","answers":{"text":["x","y"],"answer_start":[0,4]}}
{"question":"q","context":"c","answers":{"text":[],"answer_start":[]}}
{"query":"q","texts":["a","b"]}
{"tokens":["Ann","ran"],"tags":["B-PER","O"]}
{"text":"Ann ran","entities":[{"start":0,"end":3,"label":"PER"},{"start":4,"end":7,"entity_group":"X","score":0.5}]}
{"text":"\u00e9","label":null})");
  ASSERT_EQ(rows.size(), 9u);
  EXPECT_EQ(rows[0].label, "1");
  EXPECT_EQ(rows[0].score, 2.0);
  EXPECT_EQ(rows[0].text_pair, "b");
  EXPECT_EQ(rows[1].labels, (Texts{"X", "2"}));
  EXPECT_EQ(rows[2].line, 4);
  ASSERT_EQ(rows[2].answers.size(), 2u);
  EXPECT_EQ(rows[2].answers[0].start, std::nullopt);
  EXPECT_EQ(rows[2].answers[1].start, 3);
  EXPECT_EQ(rows[3].answers[1].text, "y");
  EXPECT_EQ(rows[3].answers[1].start, 4);
  EXPECT_TRUE(rows[4].has_answers);
  EXPECT_TRUE(rows[4].answers.empty());
  EXPECT_FALSE(rows[5].has_answers);
  EXPECT_EQ(rows[5].texts, (Texts{"a", "b"}));
  EXPECT_EQ(rows[6].tags, (Texts{"B-PER", "O"}));
  EXPECT_TRUE(rows[6].has_entities);
  EXPECT_EQ(rows[7].entities[1].label, "X");
  EXPECT_EQ(rows[7].entities[1].end, 7);
  EXPECT_EQ(rows[8].text, "é");
  EXPECT_FALSE(rows[8].has_entities);
}

TEST(TextData, JsonlNamesWhatIsWrong) {
  const auto expect = [](std::string_view line, std::string_view message) {
    SCOPED_TRACE(line);
    expect_error(ErrorCode::kCorruptData, message,
                 [&] { (void)jsonl("{\"text\":\"ok\"}\n" + std::string(line)); });
  };
  expect("{\"text\":", "x.jsonl:2: not valid JSON");
  expect("[1]", "x.jsonl:2: must be a JSON object");
  expect("{\"text\":1}", "x.jsonl:2: text must be a string, found an integer");
  expect("{}", "x.jsonl:2: accepted are the keys text");
  expect("{\"question\":\"q\"}", "accepted are the keys");
  expect("{\"text\":\"a\",\"text\":\"b\"}", "the key \"text\" twice");
  expect("{\"text\":\"a\",\"label\":{}}", "label must be a name or a class index");
  expect("{\"text\":\"a\",\"score\":\"1\"}", "score must be a number");
  expect("{\"query\":\"a\",\"texts\":\"b\"}", "texts must be an array");
  expect("{\"query\":\"a\",\"texts\":[1]}", "an item of texts must be a string");
  expect("{\"tokens\":[\"a\"],\"tags\":[]}", "1 tokens but 0 tags");
  expect("{\"question\":\"q\",\"context\":\"c\",\"answers\":3}", "answers must be an array");
  expect(
      "{\"question\":\"q\",\"context\":\"c\",\"answers\":{\"text\":[\"a\"],\"answer_start\":[]}}",
      "of one length");
  expect("{\"question\":\"q\",\"context\":\"c\",\"answers\":[{\"answer_start\":1}]}",
         "an answer's text must be a string");
  expect("{\"text\":\"a\",\"entities\":[{\"start\":3,\"end\":1,\"label\":\"x\"}]}",
         "an entity from 3 to 1 is not in order");
  expect("{\"text\":\"a\",\"entities\":[7]}", "an entity's start must be an integer");
  expect("\xff", "x.jsonl:2: byte 1 of the line is not UTF-8");
}

TEST(TextData, ReadsFilesByTheirEnd) {
  const TempFolder folder;
  EXPECT_EQ(texts_of(read_text_data(folder.write("a.txt", "x\n"))), Texts{"x"});
  EXPECT_EQ(texts_of(read_text_data(folder.write("a.tsv", "text\nx\n"))), Texts{"x"});
  EXPECT_EQ(texts_of(read_text_data(folder.write("a.jsonl", "{\"text\":\"x\"}"))), Texts{"x"});
  expect_error(ErrorCode::kInvalidArgument, "a.csv: unknown kind of file; accepted are .txt",
               [&] { (void)read_text_data(folder.write("a.csv", "")); });
  expect_error(ErrorCode::kNotFound, "gone.txt: no such file",
               [&] { (void)read_text_data(folder.path() / "gone.txt"); });
}

}  // namespace
}  // namespace tamis
