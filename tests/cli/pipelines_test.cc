// The task commands against what Hugging Face's pipelines and SentenceTransformer.encode recorded
// (testdata/README.md): one run of the program a set of parameters, its inputs as one file.
//
// Labels, words and offsets are equal; scores and components lie within 1e-5, as in
// tests/golden/pipelines_test.cc, which says why.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "tests/cli/tamis_program.h"
#include "tests/support/gzip_file.h"

namespace tamis::cli_test {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-5;

std::string text_of(JsonView view) { return std::string(view.as_string("text")); }

std::string one_line(JsonView view) {
  JsonWriter json;
  json.value(view);
  return json.take();
}

/// A parsed text that stays alive.
struct Parsed {
  std::string text;
  JsonDocument document;

  Parsed(std::string bytes, std::string_view source)
      : text(std::move(bytes)), document(JsonDocument::parse(text, source)) {}
  [[nodiscard]] JsonView root() const { return document.root(); }
};

void expect_number(JsonView found, JsonView recorded, std::string_view key) {
  EXPECT_NEAR(found.get(key).as_double(key), recorded.get(key).as_double(key), kTolerance) << key;
}

void expect_equal(JsonView found, JsonView recorded, std::string_view key) {
  EXPECT_EQ(one_line(found.get(key)), one_line(recorded.get(key))) << key;
}

/// How a recorded task is asked for and compared.
struct Task {
  std::string command;
  std::string (*row)(JsonView inputs);  ///< a line of .jsonl
  std::vector<std::string> (*flags)(JsonView parameters);
  void (*compare)(JsonView found, JsonView recorded);
};

// {"text": "..."} of a text, or the object itself.
std::string text_row(JsonView inputs) {
  if (inputs.is_object()) return one_line(inputs);
  return cat("{\"text\":", one_line(inputs), "}");
}

std::string rerank_row(JsonView inputs) {
  return cat("{\"query\":", one_line(inputs.get("query")),
             ",\"texts\":", one_line(inputs.get("documents")), "}");
}

void add_number(std::vector<std::string>& flags, JsonView parameters, std::string_view key,
                const char* flag) {
  const JsonView value = parameters.get(key);
  if (value.is_null()) return;
  flags.insert(flags.end(), {flag, cat(value.as_int(key))});
}

void add_flag(std::vector<std::string>& flags, JsonView parameters, std::string_view key, bool when,
              const char* flag) {
  const JsonView value = parameters.get(key);
  if (value && value.as_bool(key) == when) flags.emplace_back(flag);
}

std::vector<std::string> classify_flags(JsonView parameters) {
  std::vector<std::string> flags;
  // The pipeline gives the best label unless told otherwise, and all of them for null.
  if (!parameters.get("top_k")) flags = {"--top-k", "1"};
  add_number(flags, parameters, "top_k", "--top-k");
  if (const JsonView function = parameters.get("function_to_apply")) {
    flags.insert(flags.end(), {"--function", text_of(function)});
  }
  return flags;
}

void compare_labels(JsonView found, JsonView recorded) {
  const JsonView scores = found.get("scores");
  ASSERT_EQ(scores.size(), recorded.size());
  for (size_t i = 0; i < recorded.size(); ++i) {
    EXPECT_EQ(scores.member(i).key, recorded.at(i).get("label").as_string("label"));
    EXPECT_NEAR(scores.member(i).value.as_double("score"),
                recorded.at(i).get("score").as_double("score"), kTolerance);
  }
  EXPECT_EQ(found.get("label").as_string("label"), scores.member(0).key);
}

std::vector<std::string> ner_flags(JsonView parameters) {
  std::vector<std::string> flags = {"--aggregation",
                                    text_of(parameters.get("aggregation_strategy"))};
  add_number(flags, parameters, "stride", "--stride");
  // No label is called "": nothing is left out.
  if (parameters.get("ignore_labels")) flags.insert(flags.end(), {"--ignore-label", ""});
  return flags;
}

void compare_entities(JsonView found, JsonView recorded) {
  const JsonView entities = found.get("entities");
  ASSERT_EQ(entities.size(), recorded.size());
  for (size_t i = 0; i < recorded.size(); ++i) {
    for (const char* key : {"entity", "entity_group", "index", "word", "start", "end"}) {
      if (recorded.at(i).get(key)) expect_equal(entities.at(i), recorded.at(i), key);
    }
    expect_number(entities.at(i), recorded.at(i), "score");
  }
}

std::vector<std::string> qa_flags(JsonView parameters) {
  std::vector<std::string> flags;
  add_number(flags, parameters, "top_k", "--top-k");
  add_number(flags, parameters, "max_answer_len", "--max-answer-len");
  add_number(flags, parameters, "max_seq_len", "--max-seq-len");
  add_number(flags, parameters, "doc_stride", "--doc-stride");
  add_flag(flags, parameters, "handle_impossible_answer", true, "--handle-impossible-answer");
  add_flag(flags, parameters, "align_to_words", false, "--no-align-to-words");
  return flags;
}

void compare_answers(JsonView found, JsonView recorded) {
  const JsonView list = found.get("answers");
  ASSERT_EQ(list ? list.size() : size_t{1}, recorded.size());
  for (size_t i = 0; i < recorded.size(); ++i) {
    const JsonView answer = list ? list.at(i) : found;
    for (const char* key : {"answer", "start", "end"}) expect_equal(answer, recorded.at(i), key);
    expect_number(answer, recorded.at(i), "score");
  }
}

std::vector<std::string> mask_flags(JsonView parameters) {
  std::vector<std::string> flags;
  add_number(flags, parameters, "top_k", "--top-k");
  const JsonView targets = parameters.get("targets");
  for (size_t i = 0; i < targets.size(); ++i) {
    flags.insert(flags.end(), {"--target", text_of(targets.at(i))});
  }
  return flags;
}

void compare_masks(JsonView found, JsonView recorded) {
  const JsonView masks = found.get("masks");
  ASSERT_EQ(masks.size(), recorded.size());
  for (size_t m = 0; m < recorded.size(); ++m) {
    ASSERT_EQ(masks.at(m).size(), recorded.at(m).size());
    for (size_t i = 0; i < recorded.at(m).size(); ++i) {
      for (const char* key : {"token", "token_str", "sequence"}) {
        expect_equal(masks.at(m).at(i), recorded.at(m).at(i), key);
      }
      expect_number(masks.at(m).at(i), recorded.at(m).at(i), "score");
    }
  }
}

std::vector<std::string> rerank_flags(JsonView parameters) {
  std::vector<std::string> flags;
  add_number(flags, parameters, "top_k", "--top-k");
  if (text_of(parameters.get("function_to_apply")) == "none") flags.emplace_back("--raw-scores");
  return flags;
}

void compare_ranks(JsonView found, JsonView recorded) {
  const JsonView results = found.get("results");
  ASSERT_EQ(results.size(), recorded.size());
  for (size_t i = 0; i < recorded.size(); ++i) {
    const auto index = static_cast<size_t>(results.at(i).get("index").as_int("index"));
    const bool ranked = recorded.at(i).is_object();
    if (ranked) {
      EXPECT_EQ(static_cast<int64_t>(index), recorded.at(i).get("corpus_id").as_int("corpus_id"));
    }
    // predict gives scores in the order of the documents.
    const JsonView score = ranked ? recorded.at(i).get("score") : recorded.at(index);
    EXPECT_NEAR(results.at(i).get("score").as_double("score"), score.as_double("score"),
                kTolerance);
  }
}

const std::map<std::string, Task, std::less<>> kTasks = {
    {"text-classification", {"classify", text_row, classify_flags, compare_labels}},
    {"token-classification", {"ner", text_row, ner_flags, compare_entities}},
    {"question-answering", {"qa", text_row, qa_flags, compare_answers}},
    {"fill-mask", {"fill-mask", text_row, mask_flags, compare_masks}},
    {"rerank", {"rerank", rerank_row, rerank_flags, compare_ranks}},
};

std::vector<std::string> folders_with(const char* parent, const char* file) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(testdata(parent))) {
    if (fs::exists(entry.path() / file)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Runs the program on the rows and parses a line of output for each.
std::vector<Parsed> answers(std::vector<std::string> arguments, const std::string& rows,
                            size_t count) {
  const TempFolder folder;
  arguments.insert(arguments.end(), {"--input", folder.write("rows.jsonl", rows)});
  const Outcome outcome = tamis(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  std::vector<Parsed> parsed;
  for (const std::string& line : lines(outcome.out)) parsed.emplace_back(line, "output");
  EXPECT_EQ(parsed.size(), count);
  parsed.reserve(count);
  return parsed;
}

class CliPipelines : public testing::TestWithParam<std::string> {};

TEST_P(CliPipelines, AnswerAsRecorded) {
  const std::string folder = testdata("models/" + GetParam());
  const Parsed recorded(test::read_gzip(folder + "/pipelines.json.gz"), "pipelines.json");
  const auto found = kTasks.find(recorded.root().get("task").as_string("task"));
  if (found == kTasks.end()) GTEST_SKIP() << "another test's task";
  const Task& task = found->second;
  const JsonView cases = recorded.root().get("cases");
  std::map<std::string, std::vector<JsonView>> groups;
  for (size_t i = 0; i < cases.size(); ++i) {
    groups[one_line(cases.at(i).get("parameters"))].push_back(cases.at(i));
  }
  ASSERT_FALSE(groups.empty());
  for (const auto& group : groups) {
    SCOPED_TRACE(group.first);
    std::vector<std::string> arguments = {task.command, folder};
    const auto flags = task.flags(group.second[0].get("parameters"));
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    std::string rows;
    for (const JsonView row : group.second) rows += task.row(row.get("inputs")) + "\n";
    const auto results = answers(arguments, rows, group.second.size());
    ASSERT_EQ(results.size(), group.second.size());
    for (size_t i = 0; i < results.size(); ++i) {
      SCOPED_TRACE(task.row(group.second[i].get("inputs")).substr(0, 200));
      task.compare(results[i].root(), group.second[i].get("output"));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Recorded, CliPipelines,
                         testing::ValuesIn(folders_with("models", "pipelines.json.gz")), test_name);

class CliEmbed : public testing::TestWithParam<std::string> {};

std::vector<std::string> embed_flags(JsonView row) {
  std::vector<std::string> flags;
  if (const JsonView name = row.get("prompt_name")) flags = {"--prompt-name", text_of(name)};
  add_number(flags, row, "dimensions", "--dimensions");
  add_flag(flags, row, "normalize", true, "--normalize");
  return flags;
}

TEST_P(CliEmbed, EmbedsAsRecorded) {
  const std::string folder = testdata("sentence-transformers/" + GetParam());
  const Parsed recorded(test::read_gzip(folder + "/golden.json.gz"), "golden.json");
  const JsonView cases = recorded.root().get("cases");
  std::map<std::vector<std::string>, std::vector<JsonView>> groups;
  for (size_t i = 0; i < cases.size(); ++i) {
    groups[embed_flags(cases.at(i))].push_back(cases.at(i));
  }
  for (const auto& group : groups) {
    std::vector<std::string> arguments = {"embed", folder};
    arguments.insert(arguments.end(), group.first.begin(), group.first.end());
    SCOPED_TRACE(testing::PrintToString(arguments));
    std::string rows;
    for (const JsonView row : group.second) rows += text_row(row.get("text")) + "\n";
    const auto results = answers(arguments, rows, group.second.size());
    ASSERT_EQ(results.size(), group.second.size());
    for (size_t i = 0; i < results.size(); ++i) {
      const JsonView expected = group.second[i].get("outputs").get("sentence_embedding");
      const JsonView found = results[i].root().get("embedding");
      ASSERT_EQ(found.size(), expected.size());
      for (size_t j = 0; j < found.size(); ++j) {
        ASSERT_NEAR(found.at(j).as_double("x"), expected.at(j).as_double("x"), kTolerance);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Recorded, CliEmbed,
                         testing::ValuesIn(folders_with("sentence-transformers", "golden.json.gz")),
                         test_name);

}  // namespace
}  // namespace tamis::cli_test
