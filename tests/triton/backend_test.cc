// The backend of Triton in a double of its server: answers, batches, refusals.
#include <gtest/gtest.h>
#include <tamis/json.h>
#include <tamis/model.h>

#include <chrono>
#include <thread>

#include "tests/triton/backend_fixture.h"

namespace tamis::triton_test {
namespace {

constexpr const char* kBundle = "bundles/format-2";  // a classifier of three labels

constexpr const char* kEmbedConfig = R"({
  "name": "m", "backend": "tamis", "max_batch_size": 8,
  "input": [{"name": "text", "data_type": "TYPE_STRING", "dims": [1]}],
  "output": [{"name": "embedding", "data_type": "TYPE_FP32", "dims": [32]}]})";
constexpr const char* kClassifyConfig = R"({
  "name": "m", "backend": "tamis", "max_batch_size": 8,
  "input": [{"name": "text", "data_type": "TYPE_STRING", "dims": [1]},
            {"name": "text_pair", "data_type": "TYPE_STRING", "dims": [1], "optional": true}],
  "output": [{"name": "logits", "data_type": "TYPE_FP32", "dims": [3]},
             {"name": "scores", "data_type": "TYPE_FP32", "dims": [-1]},
             {"name": "label", "data_type": "TYPE_STRING", "dims": [1]}]})";
constexpr const char* kIdsConfig = R"({
  "name": "m", "backend": "tamis", "max_batch_size": 8,
  "input": [{"name": "input_ids", "data_type": "TYPE_INT64", "dims": [-1]},
            {"name": "attention_mask", "data_type": "TYPE_INT64", "dims": [-1]}],
  "output": [{"name": "logits", "data_type": "TYPE_FP32", "dims": [3]}]})";
constexpr const char* kTokenizeConfig = R"({
  "name": "m", "backend": "tamis", "max_batch_size": 8,
  "input": [{"name": "text", "data_type": "TYPE_STRING", "dims": [1]}],
  "output": [{"name": "input_ids", "data_type": "TYPE_INT64", "dims": [-1]},
             {"name": "attention_mask", "data_type": "TYPE_INT64", "dims": [-1]}],
  "parameters": {"output": {"string_value": "tokens"},
                 "pad_to_multiple_of": {"string_value": "8"}}})";

TRITONBACKEND_Request embed_request(const std::vector<std::string>& values) {
  TRITONBACKEND_Request request;
  request.inputs = {texts("text", values)};
  request.outputs = {"embedding"};
  return request;
}

TEST(TritonBackend, RunsAllRequestsOfACallAsOneBatch) {
  const Repository repository("models/bert-base");
  LoadedModel model(backend(), repository.path(), kEmbedConfig);
  ASSERT_EQ(model.error(), "");
  std::vector<TRITONBACKEND_Request> requests = {embed_request({"A cat sleeps."}),
                                                 embed_request({"", "The kitten, asleep."}),
                                                 embed_request({"Zürich"})};
  const auto before = std::chrono::steady_clock::now().time_since_epoch();
  model.execute(requests);
  const Model alone = Model::load(testdata("models/bert-base"));
  const std::vector<std::vector<std::string>> sent = {
      {"A cat sleeps."}, {"", "The kitten, asleep."}, {"Zürich"}};
  for (size_t i = 0; i < requests.size(); ++i) {
    const TRITONBACKEND_Request& request = requests[i];
    EXPECT_EQ(request.answer.sent, 1);
    EXPECT_EQ(request.released, 1);
    EXPECT_TRUE(request.success) << request.answer.error;
    const TRITONBACKEND_Output& output = request.answer.outputs.at("embedding");
    EXPECT_EQ(output.shape, (std::vector<int64_t>{static_cast<int64_t>(sent[i].size()), 32}));
    EXPECT_EQ(floats_of(output), alone.embed_matrix(sent[i]).values);
    // The steady clock, in order.
    EXPECT_GE(request.times.at(0), static_cast<uint64_t>(std::chrono::nanoseconds(before).count()));
    EXPECT_TRUE(std::is_sorted(request.times.begin(), request.times.end()));
  }
  EXPECT_EQ(model.instance().batch_sizes, (std::vector<uint64_t>{4}));
}

TEST(TritonBackend, ABadTextFailsItsOwnRequestAlone) {
  const Repository repository("models/bert-base");
  LoadedModel model(backend(), repository.path(), kEmbedConfig);
  ASSERT_EQ(model.error(), "");
  std::vector<TRITONBACKEND_Request> requests = {
      embed_request({"good"}),       embed_request({"fine", "bad \xff"}),
      embed_request({"good"}),       embed_request({"cut"}),
      embed_request({"gone"}),       embed_request({"on a card"}),
      embed_request({"to a card"}),  embed_request({"two", "for one"}),
      embed_request({"one for two"})};
  requests[3].inputs[0].buffers[0].pop_back();
  requests[4].cancelled = true;
  requests[5].inputs[0].memory = TRITONSERVER_MEMORY_GPU;
  requests[6].output_memory = TRITONSERVER_MEMORY_GPU;
  requests[7].inputs[0].shape = {1, 1};
  requests[8].inputs[0].shape = {2, 1};
  model.execute(requests);
  EXPECT_TRUE(requests[0].success);
  EXPECT_TRUE(requests[2].success);
  EXPECT_EQ(requests[0].answer.outputs.at("embedding").bytes,
            requests[2].answer.outputs.at("embedding").bytes);
  const std::pair<int, const char*> expected[] = {
      {TRITONSERVER_ERROR_INVALID_ARG, "input 1, counted from 0: "},
      {-1, ""},
      {TRITONSERVER_ERROR_INVALID_ARG, "input \"text\" is cut"},
      {TRITONSERVER_ERROR_CANCELLED, "cancelled"},
      {TRITONSERVER_ERROR_UNSUPPORTED, "lies on a card"},
      {TRITONSERVER_ERROR_UNSUPPORTED, "is asked for on a card"},
      {TRITONSERVER_ERROR_INVALID_ARG, "has 11 bytes behind its last element of 1"},
      {TRITONSERVER_ERROR_INVALID_ARG, "has 1 elements, its shape says 2"}};
  for (size_t i = 1; i < requests.size(); ++i) {
    EXPECT_EQ(requests[i].answer.error_code, expected[i - 1].first);
    EXPECT_NE(requests[i].answer.error.find(expected[i - 1].second), std::string::npos)
        << requests[i].answer.error;
    EXPECT_EQ(requests[i].answer.sent, 1);
    EXPECT_EQ(requests[i].answer.kept, requests[i].success);
    EXPECT_EQ(requests[i].released, 1);
    EXPECT_EQ(requests[i].reported, 1);
  }
}

TEST(TritonBackend, ReadsTextsFromSeveralBuffers) {
  const Repository repository("models/bert-base");
  LoadedModel model(backend(), repository.path(), kEmbedConfig);
  ASSERT_EQ(model.error(), "");
  std::vector<TRITONBACKEND_Request> requests = {embed_request({"A cat sleeps.", "Zürich"}),
                                                 embed_request({"A cat sleeps.", "Zürich"})};
  const std::string whole = requests[0].inputs[0].buffers[0];
  requests[1].inputs[0].buffers = {whole.substr(0, 2), "", whole.substr(2, 9), whole.substr(11)};
  model.execute(requests);
  ASSERT_TRUE(requests[1].success) << requests[1].answer.error;
  EXPECT_EQ(requests[0].answer.outputs.at("embedding").bytes,
            requests[1].answer.outputs.at("embedding").bytes);
}

TEST(TritonBackend, GivesTheOutputsThatAreAskedFor) {
  const Repository repository(kBundle);
  LoadedModel model(backend(), repository.path(), kClassifyConfig);
  ASSERT_EQ(model.error(), "");
  std::vector<TRITONBACKEND_Request> requests(2);
  requests[0].inputs = {texts("text", {"A fine film.", "No."})};
  requests[0].outputs = {"label", "scores", "logits"};
  requests[1].inputs = {texts("text_pair", {"Who?"}), texts("text", {"Ada."})};
  requests[1].outputs = {"logits"};
  model.execute(requests);
  const Model alone = Model::load(testdata(kBundle));
  const std::vector<ClassifyResult> expected = alone.classify({{"A fine film."}, {"No."}});
  const auto& outputs = requests[0].answer.outputs;
  ASSERT_EQ(outputs.size(), 3U) << requests[0].answer.error;
  EXPECT_EQ(texts_of(outputs.at("label")),
            (std::vector<std::string>{expected[0].scores[0].label, expected[1].scores[0].label}));
  EXPECT_EQ(outputs.at("label").shape, (std::vector<int64_t>{2, 1}));
  const std::vector<float> scores = floats_of(outputs.at("scores"));
  for (const LabelScore& score : expected[1].scores) {
    EXPECT_EQ(scores.at(3 + static_cast<size_t>(score.id)), score.score);
  }
  ASSERT_EQ(requests[1].answer.outputs.size(), 1U) << requests[1].answer.error;
  EXPECT_EQ(floats_of(requests[1].answer.outputs.at("logits")),
            alone.classify({{"Ada.", "Who?"}})[0].logits);
}

TEST(TritonBackend, TokenIdsOfATokenizerGiveWhatTextsGive) {
  const Repository repository(kBundle);
  LoadedModel tokenizer(backend(), repository.path(), kTokenizeConfig);
  LoadedModel model(backend(), repository.path(), kIdsConfig);
  ASSERT_EQ(tokenizer.error() + model.error(), "");
  const std::vector<std::string> sent = {"A fine film.", "No.", "Where is it, and why so late?"};
  std::vector<TRITONBACKEND_Request> requests(1);
  requests[0].inputs = {texts("text", sent)};
  requests[0].outputs = {"attention_mask", "input_ids"};
  tokenizer.execute(requests);
  const auto& ids = requests[0].answer.outputs.at("input_ids");
  const auto& mask = requests[0].answer.outputs.at("attention_mask");
  ASSERT_EQ(ids.shape.size(), 2U);
  EXPECT_EQ(ids.shape[1] % 8, 0);
  EXPECT_EQ(mask.shape, ids.shape);
  std::vector<TRITONBACKEND_Request> second(1);
  second[0].inputs = {integers("input_ids", ids.shape, integers_of(ids)),
                      integers("attention_mask", mask.shape, integers_of(mask))};
  second[0].outputs = {"logits"};
  model.execute(second);
  ASSERT_TRUE(second[0].success) << second[0].answer.error;
  std::vector<float> expected;
  for (const ClassifyResult& result :
       Model::load(testdata(kBundle)).classify({{sent[0]}, {sent[1]}, {sent[2]}})) {
    expected.insert(expected.end(), result.logits.begin(), result.logits.end());
  }
  EXPECT_EQ(floats_of(second[0].answer.outputs.at("logits")), expected);
}

TEST(TritonBackend, RefusesMasksAndIdsByName) {
  const Repository repository(kBundle);
  LoadedModel model(backend(), repository.path(), kIdsConfig);
  ASSERT_EQ(model.error(), "");
  struct Row {
    std::vector<int64_t> ids;
    std::vector<int64_t> mask;
    const char* part;
  };
  const Row rows[] = {{{2, 5, 3}, {1, 0, 1}, "a 1 behind a 0"},
                      {{2, 5, 3}, {1, 2, 0}, "holds 2, must be 0 or 1"},
                      {{2, 5, 3}, {0, 0, 0}, "a row has no 1"},
                      {{2, -1, 3}, {1, 1, 1}, "id -1: the vocabulary has "},
                      {{2, int64_t{1} << 40, 3}, {1, 1, 1}, "which is no 32-bit number"}};
  std::vector<TRITONBACKEND_Request> requests;
  for (const Row& row : rows) {
    requests.emplace_back();
    requests.back().inputs = {integers("input_ids", {1, 3}, row.ids),
                              integers("attention_mask", {1, 3}, row.mask)};
    requests.back().outputs = {"logits"};
  }
  model.execute(requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(requests[i].answer.error_code, TRITONSERVER_ERROR_INVALID_ARG);
    EXPECT_NE(requests[i].answer.error.find(rows[i].part), std::string::npos)
        << requests[i].answer.error;
  }
}

TEST(TritonBackend, LinesOfOtherTasksAreTheProgramsOwn) {
  const Repository repository("models/bert-token-classification");
  LoadedModel model(backend(), repository.path(), R"({"name": "m", "max_batch_size": 4,
    "input": [{"name": "text", "data_type": "TYPE_STRING", "dims": [1]}],
    "output": [{"name": "result", "data_type": "TYPE_STRING", "dims": [1],
                "reshape": {"shape": []}}],
    "parameters": {"aggregation_strategy": {"string_value": "first"}}})");
  ASSERT_EQ(model.error(), "");
  std::vector<TRITONBACKEND_Request> requests(1);
  requests[0].inputs = {texts("text", {"Ada Lovelace lived in London."})};
  requests[0].outputs = {"result"};
  model.execute(requests);
  NerOptions options;
  options.aggregation = Aggregation::kFirst;
  const Model alone = Model::load(testdata("models/bert-token-classification"));
  const auto& output = requests[0].answer.outputs.at("result");
  EXPECT_EQ(output.shape, (std::vector<int64_t>{1}));
  EXPECT_EQ(texts_of(output).at(0),
            to_json(alone.ner({"Ada Lovelace lived in London."}, options)[0]));
}

TEST(TritonBackend, InstancesRunAtOnce) {
  const Repository repository("models/bert-base");
  LoadedModel model(backend(), repository.path(), kEmbedConfig);
  ASSERT_EQ(model.error(), "");
  std::vector<std::vector<TRITONBACKEND_Request>> calls(4, {embed_request({"A cat sleeps."})});
  std::vector<TRITONBACKEND_ModelInstance> instances(calls.size(), model.instance());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < calls.size(); ++i) {
    threads.emplace_back([&, i] {
      TRITONBACKEND_Request* request = calls[i].data();
      EXPECT_EQ(message_of(backend().execute(&instances[i], &request, 1)), "");
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& call : calls) {
    ASSERT_TRUE(call[0].success) << call[0].answer.error;
    EXPECT_EQ(call[0].answer.outputs.at("embedding").bytes,
              calls[0][0].answer.outputs.at("embedding").bytes);
  }
}

TEST(TritonBackend, CompletesAConfigWithoutTensors) {
  const Repository repository("models/bert-base");
  const char* const config = R"({"name": "m", "backend": "tamis", "max_batch_size": 0})";
  LoadedModel model(backend(), repository.path(), config, true);
  ASSERT_EQ(model.error(), "");
  EXPECT_EQ(model.model().config,
            R"({"name":"m","backend":"tamis","max_batch_size":64,"dynamic_batching":{},)"
            R"("input":[{"name":"text","data_type":"TYPE_STRING","dims":[1]}],)"
            R"("output":[{"name":"embedding","data_type":"TYPE_FP32","dims":[32]}]})");
  std::vector<TRITONBACKEND_Request> requests = {embed_request({"A cat sleeps."})};
  model.execute(requests);
  EXPECT_TRUE(requests[0].success) << requests[0].answer.error;
}

TEST(TritonBackend, RefusesAConfigThatContradictsTheModel) {
  const Repository repository("models/bert-base");
  struct Row {
    const char* from;
    const char* to;
    const char* part;
  };
  const Row rows[] = {
      {"[32]", "[33]", "output \"embedding\": dims are [ 33 ], the model's are [ 32 ]"},
      {"TYPE_FP32", "TYPE_FP16", "data_type is TYPE_FP16, the model's is TYPE_FP32"},
      {"\"embedding\"", "\"logits\"", "output \"logits\": the model has embedding"},
      {"\"text\"", "\"TEXT\"", "input \"TEXT\": the model has text"},
      {"\"dims\": [1]", "\"dims\": [-1]", "input \"text\": dims are [ -1 ], the model's are [ 1 ]"},
      {"\"max_batch_size\": 8", "\"max_batch_size\": 0", "dims are [ 1 ], the model's are [ -1 ]"},
      {"\"dims\": [1]", "\"dims\": [1], \"optional\": true",
       "\"text\" is optional; the model needs"},
      {"\"max_batch_size\": 8", "\"max_batch_size\": 8, \"sequence_batching\": {\"direct\": {}}",
       "config.pbtxt: sequence_batching is {\"direct\":{}}"},
      {"\"max_batch_size\": 8",
       "\"max_batch_size\": 8, \"model_transaction_policy\": {\"decoupled\": true}",
       "decoupled is not built"},
      {"\"max_batch_size\": 8",
       "\"max_batch_size\": 8, \"optimization\": {\"execution_accelerators\": "
       "{\"gpu_execution_accelerator\": [{\"name\": \"tensorrt\"}]}}",
       "execution_accelerators"},
      {"\"max_batch_size\": 8", "\"max_batch_size\": 8, \"default_model_filename\": \"nowhere\"",
       "nowhere"},
  };
  for (const Row& row : rows) {
    const LoadedModel model(backend(), repository.path(), replaced(kEmbedConfig, row.from, row.to));
    EXPECT_NE(model.error().find(row.part), std::string::npos) << model.error();
    EXPECT_EQ(model.model().state, nullptr);
  }
}

TEST(TritonBackend, RefusesParametersByName) {
  const Repository repository("models/bert-base");
  struct Row {
    const char* name;
    const char* value;
    const char* part;
  };
  const Row rows[] = {
      {"speed", "high", "parameter \"speed\" is unknown; known are task, precision, "},
      {"threads", "many", "parameter \"threads\" is \"many\": must be a number from 1 to 1024"},
      {"normalize", "perhaps", "must be true or false"},
      {"precision", "int3", "int3"},
      {"task", "fly", "fly"},
      {"top_k", "3",
       "parameter \"top_k\" is for models of the tasks qa fill-mask; this one is for embed"},
      {"padding", "longest", "parameter \"padding\" is for output: tokens"},
      {"output", "music", "must be answer or tokens"},
      {"dimensions", "4", "dims are [ 32 ], the model's are [ 4 ]"},
  };
  for (const Row& row : rows) {
    const std::string config =
        replaced(kEmbedConfig, "\"max_batch_size\": 8",
                 std::string("\"max_batch_size\": 8, \"parameters\": {\"") + row.name +
                     "\": {\"string_value\": \"" + row.value + "\"}}");
    const LoadedModel model(backend(), repository.path(), config);
    EXPECT_NE(model.error().find(row.part), std::string::npos) << model.error();
  }
}

TEST(TritonBackend, AsksForTheServersVersion) {
  for (const auto& [major, minor] : {std::pair{2U, 0U}, {1U, 9U}}) {
    set_api_version(major, minor);
    EXPECT_NE(message_of(backend().initialize(nullptr)).find("backend API is "), std::string::npos);
  }
  set_api_version(1, 10);
  EXPECT_EQ(message_of(backend().initialize(nullptr)), "");
  EXPECT_EQ(message_of(backend().finalize(nullptr)), "");
}

}  // namespace
}  // namespace tamis::triton_test
