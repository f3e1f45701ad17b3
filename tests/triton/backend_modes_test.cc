// The backend's other modes: token ids in, a tokenizer, models that do not batch; and what a config
// cannot ask of each.
#include <gtest/gtest.h>
#include <tamis/model.h>
#include <tamis/tokenizer.h>

#include <fstream>

#include "tests/triton/backend_fixture.h"

namespace tamis::triton_test {
namespace {

namespace fs = std::filesystem;

const PortText kText = {"text", "STRING", "[1]"};
const PortText kPair = {"text_pair", "STRING", "[1]"};
const PortText kIdsPort = {"input_ids", "INT64", "[-1]"};
const PortText kMask = {"attention_mask", "INT64", "[-1]"};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string read(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string load_error(const std::string& source, const std::string& config) {
  const Repository repository(source);
  return LoadedModel(backend(), repository.path(), config).error();
}

// A tensor of rows, padded with zeros to one length, and its mask.
std::vector<TRITONBACKEND_Input> padded(const std::vector<std::vector<int64_t>>& rows,
                                        size_t length) {
  std::vector<int64_t> ids;
  std::vector<int64_t> mask;
  for (const std::vector<int64_t>& row : rows) {
    for (size_t i = 0; i < length; ++i) {
      ids.push_back(i < row.size() ? row[i] : 0);
      mask.push_back(i < row.size() ? 1 : 0);
    }
  }
  const std::vector<int64_t> shape = {static_cast<int64_t>(rows.size()),
                                      static_cast<int64_t>(length)};
  return {integers("input_ids", shape, ids), integers("attention_mask", shape, mask)};
}

TEST(TritonIds, EmbedAsTheModelItselfDoes) {
  const Repository repository("models/bert-base");
  LoadedModel model(backend(), repository.path(),
                    config_text({kIdsPort, kMask}, {{"sentence_embedding", "FP32", "[32]"}}));
  ASSERT_EQ(model.error(), "");
  const Answer answer =
      answer_of(model, request_of(padded({{2, 5, 9, 3}, {2, 3}}, 5), {"sentence_embedding"}));
  ASSERT_EQ(answer.error, "");
  const TRITONBACKEND_Output& output = answer.outputs.at("sentence_embedding");
  EXPECT_EQ(output.shape, (std::vector<int64_t>{2, 32}));
  const Model alone = Model::load(testdata("models/bert-base"));
  EXPECT_EQ(floats_of(output), alone.run({{{2, 5, 9, 3}}, {{2, 3}}}).values);
}

// Rows of tokens stand where the tokens stood, zeros where there was padding.
TEST(TritonIds, RowsOfTokensArePadded) {
  for (const char* name : {"models/bert-token-classification", "models/bert-masked-lm",
                           "models/bert-question-answering"}) {
    const Repository repository(name);
    const Model alone = Model::load(testdata(name));
    const Matrix first = alone.run({{{2, 5, 9, 3}}});
    const Matrix second = alone.run({{{2, 3}}});
    const int64_t width = first.columns;
    for (const int batch : {8, 0}) {
      const std::string before = batch == 0 ? "[-1, " : "[";
      LoadedModel model(backend(), repository.path(),
                        config_text({{"input_ids", "INT64", before + "-1]"},
                                     {"attention_mask", "INT64", before + "-1]"}},
                                    {{"logits", "FP32", before + "-1, -1]"}}, {}, batch));
      ASSERT_EQ(model.error(), "") << name;
      const Answer answer =
          answer_of(model, request_of(padded({{2, 5, 9, 3}, {2, 3}}, 5), {"logits"}));
      ASSERT_EQ(answer.error, "") << name;
      const TRITONBACKEND_Output& output = answer.outputs.at("logits");
      ASSERT_EQ(output.shape, (std::vector<int64_t>{2, 5, width}));
      std::vector<float> expected = first.values;
      expected.resize(static_cast<size_t>(5 * width), 0.0F);
      expected.insert(expected.end(), second.values.begin(), second.values.end());
      expected.resize(static_cast<size_t>(2 * 5 * width), 0.0F);
      EXPECT_EQ(floats_of(output), expected) << name;
    }
  }
}

TEST(TritonIds, RefusesRowsOfNoTokensAndOfTooMany) {
  const Repository repository("models/bert-token-classification");
  LoadedModel model(backend(), repository.path(),
                    config_text({kIdsPort, {"attention_mask", "INT64", "[-1]", true}},
                                {{"logits", "FP32", "[-1, -1]"}}));
  ASSERT_EQ(model.error(), "");
  const auto refusal = [&model](std::vector<TRITONBACKEND_Input> inputs) {
    const Answer answer = answer_of(model, request_of(std::move(inputs), {"logits"}));
    EXPECT_EQ(answer.error_code, TRITONSERVER_ERROR_INVALID_ARG);
    return answer.error;
  };
  const std::string none = "a row needs at least one token";
  EXPECT_TRUE(
      has(refusal({integers("input_ids", {3, 0}, {})}), "input_ids has the shape [3, 0]; " + none));
  EXPECT_TRUE(has(refusal({integers("input_ids", {int64_t{1} << 40, 0}, {})}), none));
  EXPECT_TRUE(has(
      refusal({integers("input_ids", {2, 0}, {}), integers("attention_mask", {2, 0}, {})}), none));
  const std::vector<std::vector<int64_t>> one = {{2, 5, 3}};
  EXPECT_TRUE(has(refusal(padded(one, 5000)), "rows of 5000 tokens, padding included"));
  EXPECT_TRUE(has(refusal({integers("input_ids", {3}, {2, 5, 3})}), "must have 2"));
  EXPECT_TRUE(has(refusal({integers("input_ids", {int64_t{1} << 62, 4}, {})}), "has a size of 4"));
  EXPECT_TRUE(has(refusal({integers("input_ids", {1, -3}, {})}), "has a size of -3"));
  EXPECT_TRUE(has(refusal({integers("input_ids", {1, 3}, {2, 5})}), "16 bytes for 3 elements"));
}

// A row is as long as the output says, whatever a context has.
TEST(TritonTokenizer, AContextFitsIntoMaxLengthOrIsRefused) {
  const FloatBundle bundle("models/bert-question-answering");
  const Repository repository(bundle.path());
  LoadedModel model(
      backend(), repository.path(),
      config_text({kText, kPair}, {kIdsPort, kMask},
                  {{"output", "tokens"}, {"padding", "max_length"}, {"max_length", "16"}}));
  ASSERT_EQ(model.error(), "");
  std::string context = "Ada.";
  const auto ask = [&] {
    return answer_of(model, request_of({texts("text", {"Who?"}), texts("text_pair", {context})},
                                       {"input_ids", "attention_mask"}));
  };
  const Answer answer = ask();
  ASSERT_EQ(answer.error, "");
  EXPECT_EQ(answer.outputs.at("input_ids").shape, (std::vector<int64_t>{1, 16}));
  EXPECT_EQ(answer.outputs.at("attention_mask").shape, (std::vector<int64_t>{1, 16}));
  for (int i = 0; i < 6; ++i) context += " " + context;
  const Answer refused = ask();
  EXPECT_EQ(refused.error_code, TRITONSERVER_ERROR_INVALID_ARG);
  EXPECT_TRUE(has(refused.error, "windows; send one that fits into one")) << refused.error;
  EXPECT_EQ(refused.sent, 1);
  // Without max_length a window is the pipeline's 384 tokens, and the model's if that is less.
  EXPECT_TRUE(
      has(load_error(bundle.path(), config_text({kText, kPair}, {kIdsPort},
                                                {{"output", "tokens"}, {"truncate", "false"}})),
          "parameter \"truncate\" is for models of the tasks embed classify"));
}

// One token is a row of one, not a row's end.
TEST(TritonTokenizer, ShapesFollowTheConfig) {
  const FloatBundle bundle("models/bert-base");
  // Without the tokens that stand around a text.
  const fs::path file = fs::path(bundle.path()) / "tokenizer.json";
  const std::string json = read(file);
  const size_t start = json.find('{', json.find("\"post_processor\""));
  size_t end = start;
  int depth = 0;
  do {
    depth += json.at(end) == '{' ? 1 : json.at(end) == '}' ? -1 : 0;
    ++end;
  } while (depth > 0);
  std::ofstream(file) << json.substr(0, start) << "null" << json.substr(end);
  const Repository repository(bundle.path());
  ASSERT_EQ(Tokenizer::load(bundle.path()).encode({{"."}}).at(0).ids.size(), 1U);
  for (const int batch : {8, 0}) {
    const std::string before = batch == 0 ? "[-1, " : "[";
    LoadedModel model(
        backend(), repository.path(),
        config_text({{"text", "STRING", batch == 0 ? "[-1]" : "[1]"}},
                    {{"input_ids", "INT32", before + "-1]"}}, {{"output", "tokens"}}, batch));
    ASSERT_EQ(model.error(), "");
    TRITONBACKEND_Input text = texts("text", {"."});
    if (batch == 0) text.shape = {1};
    const Answer answer = answer_of(model, request_of({text}, {"input_ids"}));
    ASSERT_EQ(answer.error, "");
    EXPECT_EQ(answer.outputs.at("input_ids").shape, (std::vector<int64_t>{1, 1}));
    EXPECT_EQ(answer.outputs.at("input_ids").type, TRITONSERVER_TYPE_INT32);
  }
}

// A limit of 0 is none: there is nothing to pad to.
TEST(TritonTokenizer, PadsToNoLengthThatIsNone) {
  const FloatBundle bundle("models/bert-base");
  const fs::path manifest = fs::path(bundle.path()) / "tamis.json";
  const std::string text = read(manifest);
  const size_t at = text.find("\"max_length\":");
  ASSERT_NE(at, std::string::npos);
  const size_t digit = text.find_first_of("0123456789", at);
  const size_t end = text.find_first_not_of("0123456789", digit);
  std::ofstream(manifest) << text.substr(0, digit) << '0' << text.substr(end);
  const std::vector<std::pair<std::string, std::string>> pads = {{"output", "tokens"},
                                                                 {"padding", "max_length"}};
  EXPECT_TRUE(has(load_error(bundle.path(), config_text({kText}, {kIdsPort}, pads)),
                  "the model has no longest length; give max_length too"));
  const Repository repository(bundle.path());
  LoadedModel model(
      backend(), repository.path(),
      config_text({kText}, {kIdsPort}, {{"output", "tokens"}, {"pad_to_multiple_of", "8"}}));
  ASSERT_EQ(model.error(), "");
  const Answer answer = answer_of(model, request_of({texts("text", {"A cat."})}, {"input_ids"}));
  EXPECT_EQ(answer.outputs.at("input_ids").shape, (std::vector<int64_t>{1, 8})) << answer.error;
  // Of ids too it is any number, and a limit that is asked for counts.
  EXPECT_EQ(Model::load(bundle.path()).run({{{2, 5, 3}}}).rows, 1);
  LoadOptions two;
  two.max_length = 2;
  const Model limited = Model::load(bundle.path(), two);
  EXPECT_THROW(static_cast<void>(limited.run({{{2, 5, 3}}})), InputError);
}

TEST(TritonTexts, WithoutBatchesTheFirstSizeIsTheTexts) {
  const Repository repository("bundles/format-2");
  LoadedModel model(
      backend(), repository.path(),
      config_text({{"text", "STRING", "[-1]"}, {"text_pair", "STRING", "[-1]", true}},
                  {{"logits", "FP32", "[-1, 3]"}, {"label", "STRING", "[-1]"}}, {}, 0));
  ASSERT_EQ(model.error(), "");
  std::vector<TRITONBACKEND_Request> requests(
      2, request_of({texts("text", {"A fine film.", "No."})}, {"logits", "label"}));
  for (TRITONBACKEND_Request& request : requests) request.inputs[0].shape = {2};
  requests[1].inputs[0] = texts("text", {});
  requests[1].inputs[0].shape = {0};
  model.execute(requests);
  const auto& outputs = requests[0].answer.outputs;
  ASSERT_EQ(outputs.size(), 2U) << requests[0].answer.error;
  EXPECT_EQ(outputs.at("logits").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(outputs.at("label").shape, (std::vector<int64_t>{2}));
  // No texts have no answers, of the model's width.
  EXPECT_EQ(requests[1].answer.outputs.at("logits").shape, (std::vector<int64_t>{0, 3}));
  // The server counts requests where it does not batch.
  EXPECT_EQ(model.instance().batch_sizes, (std::vector<uint64_t>{2}));
}

// Query and document are one text: neither is read alone.
TEST(TritonTexts, AModelOfPairsTakesNothingElse) {
  const std::string name = "sentence-transformers/qwen3-reranker";
  const std::vector<PortText> outputs = {{"logits", "FP32", "[1]"}};
  PortText optional = kPair;
  optional.optional = true;
  EXPECT_TRUE(has(load_error(name, config_text({kText}, outputs)),
                  "input \"text_pair\" is missing; the model needs it"));
  EXPECT_TRUE(has(load_error(name, config_text({kText, optional}, outputs)),
                  "input \"text_pair\" is optional; the model needs it"));
  const Repository repository(name);
  LoadedModel model(backend(), repository.path(), config_text({kText, kPair}, outputs));
  ASSERT_EQ(model.error(), "");
  const TRITONBACKEND_Input query = texts("text", {"Who sold it?"});
  const Answer alone = answer_of(model, request_of({query}, {"logits"}));
  EXPECT_EQ(alone.error_code, TRITONSERVER_ERROR_INVALID_ARG);
  EXPECT_TRUE(has(alone.error, "input \"text_pair\" is missing; this model's rerank reads pairs"));
  const Answer both = answer_of(
      model, request_of({query, texts("text_pair", {"Ada sold the table."})}, {"logits"}));
  ASSERT_EQ(both.error, "");
  RerankOptions raw;
  raw.raw_scores = true;
  const Model library = Model::load(testdata(name));
  EXPECT_EQ(floats_of(both.outputs.at("logits")).at(0),
            library.rerank("Who sold it?", {"Ada sold the table."}, raw).results.at(0).score);
}

// What every request would be refused for is said when the model is loaded.
TEST(TritonTexts, RefusesAtLoadWhatCannotBeAnswered) {
  const TempFolder folder;
  const fs::path reranker = folder.path() / "reranker";
  fs::create_directory(reranker);
  for (const auto& entry : fs::directory_iterator(testdata("models/bert-rerank"))) {
    fs::create_symlink(entry.path(), reranker / entry.path().filename());
  }
  std::ofstream(reranker / "modules.json")
      << R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"}])";
  std::ofstream(reranker / "sentence_bert_config.json")
      << R"({"transformer_task":"sequence-classification","module_output_name":"scores",)"
         R"("modality_config":{"text":{"method":"forward","method_output_name":"logits"}}})";
  std::ofstream(reranker / "config_sentence_transformers.json")
      << R"({"model_type":"CrossEncoder","prompts":{"q":"Q: "},"default_prompt_name":"q"})";
  PortText optional = kPair;
  optional.optional = true;
  EXPECT_TRUE(has(load_error(reranker, config_text({kText, optional}, {{"logits", "FP32", "[1]"}})),
                  "every request would be refused: default_prompt_name \"q\""));
  const auto embed = [](const char* name, const char* value, const char* width = "[-1]") {
    return load_error("models/bert-base",
                      config_text({kText}, {{"embedding", "FP32", width}}, {{name, value}}));
  };
  EXPECT_TRUE(has(embed("prompt_name", "query"), "unknown prompt \"query\""));
  EXPECT_TRUE(has(embed("dimensions", "64"), "dimensions must be at most the model's 32, not 64"));
  EXPECT_EQ(embed("dimensions", "8", "[8]"), "");
  EXPECT_TRUE(
      has(load_error("retrieval/colbert",
                     config_text({kText}, {{"result", "STRING", "[1]"}}, {{"task", "rerank"}})),
          "parameter \"task\" is \"rerank\", which the backend does not do"));
  EXPECT_TRUE(has(load_error("models/bert-base", config_text({kText}, {})),
                  "has no output; the model has embedding"));
}

TEST(TritonParameters, AreForTheirModes) {
  struct Row {
    std::vector<PortText> inputs;
    std::vector<std::pair<std::string, std::string>> parameters;
    std::string part;
  };
  const std::string ids = "; this model has the input input_ids";
  const std::string tokens = "; this model has output: tokens";
  const Row rows[] = {
      {{kIdsPort},
       {{"truncate", "false"}},
       "\"truncate\" is for answers to texts or output: tokens" + ids},
      {{kIdsPort},
       {{"prompt", "query: "}},
       "\"prompt\" is for answers to texts or output: tokens" + ids},
      {{kIdsPort}, {{"normalize", "true"}}, "\"normalize\" is for answers to texts" + ids},
      {{kIdsPort},
       {{"output", "tokens"}},
       "\"output\" is for answers to texts or output: tokens" + ids},
      {{kIdsPort}, {{"padding", "longest"}}, "\"padding\" is for output: tokens" + ids},
      {{kText},
       {{"output", "tokens"}, {"threads", "2"}},
       "\"threads\" is for answers to texts or the input input_ids" + tokens},
      {{kText}, {{"output", "tokens"}, {"task", "embed"}}, "\"task\" is for"},
      {{kText}, {{"output", "tokens"}, {"precision", "int8"}}, "\"precision\" is for"},
      {{kText}, {{"output", "tokens"}, {"isa", "avx2"}}, "\"isa\" is for"},
      {{kText},
       {{"output", "tokens"}, {"dimensions", "8"}},
       "\"dimensions\" is for answers to texts" + tokens},
      {{kText},
       {{"output", "tokens"}, {"query", "true"}},
       "\"query\" is for answers to texts" + tokens},
      {{kText},
       {{"output", "tokens"}, {"top_k", "3"}},
       "\"top_k\" is for answers to texts" + tokens},
      {{kText}, {{"threads", "4294967297"}}, "must be a number from 1 to 1024"},
      {{kText}, {{"precision", ""}}, "\"precision\" is \"\": must be a name, or left out"},
      {{kText},
       {{"output", "tokens"}, {"pad_to_multiple_of", "9223372036854775807"}},
       "must be a number from 1 to "}};
  for (const Row& row : rows) {
    const std::string error = load_error(
        "bundles/format-2", config_text(row.inputs, {{"logits", "FP32", "[3]"}}, row.parameters));
    EXPECT_TRUE(has(error, row.part)) << error;
  }
}

}  // namespace
}  // namespace tamis::triton_test
