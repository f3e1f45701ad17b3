// Repositories of Triton: what is written, and when nothing is.
#include "api/triton_repository.h"

#include <tamis/tokenizer.h>

#include <algorithm>

#include "api/triton_config.h"
#include "api/triton_files.h"
#include "base/file.h"
#include "formats/onnx/onnx_model.h"
#include "model/test_util.h"
#include "optimize/export_model.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

TritonReport write(const std::string& model, const fs::path& to, TritonOptions options = {}) {
  if (options.name.empty()) options.name = "m";
  return export_triton(resolve_model(testdata(model).string()), to, options);
}

TritonOptions for_onnx() {
  TritonOptions options;
  options.backend = TritonBackend::kOnnxRuntime;
  return options;
}

void expect_refused(ErrorCode code, std::string_view part, const std::string& model,
                    const fs::path& to, const TritonOptions& options) {
  expect_error(code, part, [&] { write(model, to, options); });
}

// Files below a folder, in order, without those of the model itself.
std::vector<std::string> files_of(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) names.push_back(fs::relative(entry.path(), folder).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr std::string_view kEveryField = R"(name: "m_model"
platform: "onnxruntime_onnx"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: 8
input {
  name: "input_ids"
  data_type: TYPE_INT64
  dims: [ -1 ]
  optional: true
}
output {
  name: "logits"
  data_type: TYPE_FP32
  dims: [ 3 ]
  label_filename: "labels.txt"
}
version_policy {
  latest {
    num_versions: 1
  }
}
response_cache {
  enable: true
}
instance_group {
  count: 1
  kind: KIND_GPU
}
dynamic_batching {
  preferred_batch_size: [ 2, 8 ]
  max_queue_delay_microseconds: 0
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 30000000
    allow_timeout_override: true
    max_queue_size: 4096
  }
}
optimization {
  execution_accelerators {
    gpu_execution_accelerator {
      name: "tensorrt"
    }
  }
}
parameters {
  key: "task"
  value {
    string_value: "classify"
  }
}
model_warmup {
  name: "one text"
  batch_size: 1
  inputs {
    key: "input_ids"
    value {
      data_type: TYPE_INT64
      dims: [ 4 ]
      input_data_file: "input_ids"
    }
  }
}
)";

TEST(TritonRepository, WritesEveryField) {
  TritonConfig config;
  config.name = "m_model";
  config.platform = "onnxruntime_onnx";
  config.backend = "onnxruntime";
  config.file = "model.onnx";
  config.max_batch_size = 8;
  config.inputs = {{"input_ids", "TYPE_INT64", {-1}, true}};
  config.outputs = {{"logits", "TYPE_FP32", {3}, false, "labels.txt"}};
  config.on_cards = true;
  config.cached = true;
  config.accelerator = "tensorrt";
  config.parameters = {{"task", "classify"}};
  config.warmup = {{"input_ids", "TYPE_INT64", {4}, "input_ids"}};
  const std::string text = write_triton_config(config);
  EXPECT_EQ(text.substr(text.find('\n') + 1), kEveryField);
}

TEST(TritonRepository, ForTamisHoldsTheModel) {
  const TempFolder folder;
  const fs::path to = folder.path() / "repository";
  const TritonReport report = write("bundles/format-2", to);
  EXPECT_EQ(report.models, std::vector<std::string>{"m_inference"});
  EXPECT_EQ(report.note, "");
  const std::string config = read_file(to / "m_inference/config.pbtxt");
  EXPECT_TRUE(has(config, "backend: \"tamis\""));
  // Two that share the model; of another backend one (kEveryField).
  EXPECT_TRUE(has(config, "  count: 2\n"));
  EXPECT_TRUE(has(config, "label_filename: \"labels.txt\""));
  EXPECT_EQ(read_file(to / "m_inference/labels.txt"), "negative\nneutral\npositive\n");
  EXPECT_EQ(read_file(to / "m_inference/1/graph.txt"),
            read_file(testdata("bundles/format-2/graph.txt")));
  EXPECT_EQ(resolve_model((to / "m_inference/1").string()).kind, ModelKind::kBundle);
}

TEST(TritonRepository, ForOnnxRuntimeHasThreeModels) {
  const TempFolder folder;
  const fs::path to = folder.path() / "repository";
  const TritonReport report = write("models/bert-sequence-classification", to, for_onnx());
  EXPECT_EQ(report.models, (std::vector<std::string>{"m_tokenize", "m_model", "m_inference"}));
  EXPECT_EQ(files_of(to),
            (std::vector<std::string>{
                "m_inference/config.pbtxt", "m_model/1/model.onnx", "m_model/config.pbtxt",
                "m_model/labels.txt", "m_model/warmup/attention_mask", "m_model/warmup/input_ids",
                "m_model/warmup/token_type_ids", "m_tokenize/1/tamis.json",
                "m_tokenize/1/tokenizer.json", "m_tokenize/1/tokenizer_config.json",
                "m_tokenize/config.pbtxt", "m_tokenize/warmup/text"}));
  EXPECT_TRUE(fs::is_directory(to / "m_inference/1"));
  const std::string ensemble = read_file(to / "m_inference/config.pbtxt");
  EXPECT_TRUE(has(ensemble, "platform: \"ensemble\""));
  EXPECT_FALSE(has(ensemble, "dynamic_batching"));
  const Tokenizer tokenizer = Tokenizer::load((to / "m_tokenize/1").string());
  EXPECT_FALSE(tokenizer.encode({{"A text."}}).at(0).ids.empty());
}

TEST(TritonRepository, ForTensorRtSaysWhatIsLeft) {
  const TempFolder folder;
  TritonOptions options;
  options.backend = TritonBackend::kTensorRt;
  const fs::path to = folder.path() / "repository";
  const TritonReport report = write("models/bert-base", to, options);
  EXPECT_TRUE(has(report.note, "sh m_model/build_plan.sh"));
  const std::string config = read_file(to / "m_model/config.pbtxt");
  EXPECT_TRUE(has(config, "platform: \"tensorrt_plan\""));
  EXPECT_TRUE(has(config, "kind: KIND_GPU"));
  EXPECT_TRUE(
      has(read_file(to / "m_model/build_plan.sh"), "--minShapes=input_ids:1x1,attention_mask:1x1"));
}

// Triton's cache answers from the model before, once another one is loaded in its place.
TEST(TritonRepository, TheServersCacheAnswersOnlyWhereItIsAskedTo) {
  const TempFolder folder;
  for (const bool asked : {false, true}) {
    for (TritonOptions options : {TritonOptions{}, for_onnx()}) {
      options.response_cache = asked;
      options.force = true;
      const fs::path to = folder.path() / "repository";
      for (const std::string& name : write("models/bert-base", to, options).models) {
        const std::string config = read_file(to / name / "config.pbtxt");
        const bool own = has(config, "backend: \"tamis\"");
        EXPECT_TRUE(has(config, asked && own ? "response_cache {\n  enable: true\n}"
                                             : "response_cache {\n  enable: false\n}"))
            << name << "\n"
            << config;
      }
    }
  }
}

std::vector<onnx::ValueProto>::iterator input_named(onnx::ModelProto& model,
                                                    std::string_view name) {
  return std::ranges::find(model.graph.inputs, name, &onnx::ValueProto::name);
}

/// A folder with an exported model, other.onnx beside it, and what is not of the file.
class OnnxFolder {
 public:
  explicit OnnxFolder(const std::string& model) {
    static_cast<void>(export_model(resolve_model(testdata(model).string()), path(), {}));
    fs::rename(path() / "model.onnx", file());
    for (const char* name : {"model.onnx", "model.safetensors", "notes.txt", "onnx/model.onnx",
                             "tamis.json", "weights.bin"}) {
      folder_.write(std::string("exported/") + name, "of a neighbor");
    }
  }
  [[nodiscard]] fs::path path() const { return folder_.path() / "exported"; }
  [[nodiscard]] fs::path file() const { return path() / "small.onnx"; }

 private:
  TempFolder folder_;
};

TEST(TritonRepository, OfAnOnnxFileHoldsThatFile) {
  const OnnxFolder source("models/bert-base");
  const TempFolder folder;
  const fs::path to = folder.path() / "repository";
  const ModelPath path{source.path(), ModelKind::kOnnx, source.file()};
  TritonOptions options;
  options.name = "m";
  options.argument = source.file().string();
  export_triton(path, to, options);
  const fs::path version = to / "m_inference/1";
  EXPECT_EQ(files_of(version),
            (std::vector<std::string>{"config.json", "model.onnx", "special_tokens_map.json",
                                      "tokenizer.json", "tokenizer_config.json", "vocab.txt"}));
  EXPECT_EQ(read_file(version / "model.onnx"), read_file(source.file()));
  const ModelPath served = resolve_model(version.string());
  EXPECT_EQ(served.kind, ModelKind::kOnnx);
  EXPECT_EQ(LoadedModel::load(served, on_threads(1))->manifest().output_size, 32);
  options.backend = TritonBackend::kOnnxRuntime;
  options.force = true;
  export_triton(path, to, options);
  EXPECT_EQ(files_of(to / "m_model/1"), std::vector<std::string>{"model.onnx"});
  EXPECT_EQ(read_file(to / "m_model/1/model.onnx"), read_file(source.file()));
}

// A field of a protobuf message, of a length below 128.
std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number * 8 + 2), static_cast<char>(bytes.size())} + bytes;
}

TEST(TritonRepository, ExternalDataGoesWithItsFile) {
  const TempFolder folder;
  const std::string location = field(1, "location") + field(2, "values/a.data");
  const std::string tensor = std::string("\x08\x02\x10\x01", 4) + field(8, "w") +
                             field(13, location) + std::string("\x70\x01", 2);
  const fs::path file = folder.write("m.onnx", field(7, field(5, tensor)));
  folder.write("values/a.data", "12345678");
  folder.write("values/b.data", "of another");
  EXPECT_EQ(onnx::external_data_files(file), std::vector<std::string>{"values/a.data"});
  copy_onnx(file, folder.path() / "to");
  EXPECT_EQ(files_of(folder.path() / "to"),
            (std::vector<std::string>{"model.onnx", "values/a.data"}));
  fs::remove(folder.path() / "values/a.data");
  expect_error(ErrorCode::kNotFound, "a.data", [&] { copy_onnx(file, folder.path() / "again"); });
}

// Files of older versions list their constants among the inputs.
TEST(TritonRepository, ConstantsAreNoInputs) {
  const OnnxFolder source("models/bert-base");
  onnx::ModelProto model = onnx::read_onnx(source.file());
  const onnx::TensorProto& constant = model.graph.initializers.at(0);
  onnx::ValueProto listed{constant.name, constant.type, std::vector<onnx::DimProto>{}, ""};
  for (const int64_t size : constant.dims) listed.dims->push_back({size, ""});
  model.graph.inputs.push_back(listed);
  ASSERT_NE(input_named(model, constant.name), model.graph.inputs.end());
  onnx::write_onnx(source.file(), model);
  const TempFolder folder;
  TritonOptions options = for_onnx();
  options.name = "m";
  export_triton({source.path(), ModelKind::kOnnx, source.file()}, folder.path() / "repository",
                options);
  for (const char* name : {"m_tokenize", "m_model", "m_inference"}) {
    const std::string config = read_file(folder.path() / "repository" / name / "config.pbtxt");
    EXPECT_FALSE(has(config, constant.name)) << name;
  }
}

// As in the Hugging Face cache, where a snapshot's files are links.
TEST(TritonRepository, FollowsTheLinksOfASnapshot) {
  const TempFolder folder;
  const fs::path snapshot = folder.path() / "snapshots/0123";
  fs::create_directories(snapshot);
  for (const auto& entry : fs::directory_iterator(testdata("models/bert-base"))) {
    fs::create_symlink(entry.path(), snapshot / entry.path().filename());
  }
  TritonOptions options;
  options.argument = "org/Small-1.5@v2";
  const TritonReport report =
      export_triton(resolve_model(snapshot.string()), folder.path() / "repository", options);
  EXPECT_EQ(report.models, std::vector<std::string>{"Small-1.5_inference"});
  EXPECT_TRUE(fs::exists(folder.path() / "repository/Small-1.5_inference/1/model.safetensors"));
}

TEST(TritonRepository, IsNamedByItsModel) {
  const fs::path folder = testdata("models/bert-base");
  const auto name = [&](const std::string& argument) {
    TritonOptions options;
    options.argument = argument;
    options.force = true;
    const TempFolder made;
    return export_triton(resolve_model(folder.string()), made.path() / "r", options).models.at(0);
  };
  EXPECT_EQ(name(folder.string() + "/"), "bert-base_inference");
  EXPECT_EQ(name(""), "bert-base_inference");
  EXPECT_EQ(name("/models/mine.tamis/"), "mine_inference");
  EXPECT_EQ(name((folder / "any.onnx").string()), "bert-base_inference");
}

TEST(TritonRepository, TakesPairsWhereAModelReadsNothingElse) {
  const TempFolder folder;
  const fs::path to = folder.path() / "repository";
  write("sentence-transformers/qwen3-reranker", to);
  const std::string config = read_file(to / "m_inference/config.pbtxt");
  EXPECT_TRUE(has(config, "name: \"text_pair\""));
  EXPECT_FALSE(has(config, "optional"));
  EXPECT_TRUE(has(config, "input_data_file: \"text_pair\""));
  // Without the template it would be refused where it is loaded.
  EXPECT_EQ(
      LoadedModel::load(resolve_model((to / "m_inference/1").string()), on_threads(1))->task(),
      tasks::TaskKind::kRerank);
}

// A question and a context of a token each fit into 6 tokens, though a sentence does not.
TEST(TritonRepository, ExportsAQuestionAnswererWithASmallWindow) {
  const TempFolder folder;
  const fs::path source = folder.path() / "source";
  fs::copy(testdata("models/bert-question-answering"), source);
  const std::string key = "\"model_max_length\": ";
  std::string config = read_file(source / "tokenizer_config.json");
  const size_t at = config.find(key);
  ASSERT_NE(at, config.npos);
  const size_t digits = at + key.size();
  config.replace(digits, config.find_first_not_of("0123456789", digits) - digits, "6");
  write_file(source / "tokenizer_config.json", config);
  const fs::path to = folder.path() / "repository";
  write(source.string(), to);
  EXPECT_EQ(LoadedModel::load(resolve_model((to / "m_inference/1").string()), on_threads(1))
                ->manifest()
                .max_length,
            6);
  TritonOptions onnx = for_onnx();
  onnx.force = true;
  write(source.string(), to, onnx);
  EXPECT_EQ(fs::file_size(to / "m_model/warmup/input_ids"), 5 * sizeof(int64_t));
}

TEST(TritonRepository, RefusesWhatItsPiecesWouldLeaveOut) {
  const TempFolder folder;
  const fs::path to = folder.path() / "repository";
  expect_refused(ErrorCode::kUnsupported, "an ensemble with model.onnx does not do",
                 "sentence-transformers/truncated", to, for_onnx());
  TritonOptions rerank;
  rerank.task = tasks::TaskKind::kRerank;
  expect_refused(ErrorCode::kUnsupported, "--task rerank of a model with a vector for each token",
                 "retrieval/colbert", to, rerank);
  expect_refused(ErrorCode::kUnsupported, "a Router whose queries a StaticEmbedding reads",
                 "static/router", to, {});
  TritonOptions family;
  family.model.family = "bert";
  expect_refused(ErrorCode::kInvalidArgument,
                 "--family bert: the backend tamis reads the checkpoint", "models/bert-base", to,
                 family);
  TritonOptions adapter;
  adapter.model.adapter = "a";
  expect_refused(ErrorCode::kInvalidArgument, "--adapter a: the backend tamis", "models/bert-base",
                 to, adapter);
  adapter.backend = TritonBackend::kOnnxRuntime;
  expect_refused(ErrorCode::kInvalidArgument,
                 "--adapter a: --family and --adapter are for checkpoints", "bundles/format-2", to,
                 adapter);
  const fs::path reranker = folder.path() / "reranker";
  fs::copy(testdata("models/bert-rerank"), reranker);
  write_file(
      reranker / "modules.json",
      R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"}])");
  write_file(reranker / "sentence_bert_config.json",
             R"({"transformer_task":"sequence-classification","module_output_name":"scores",)"
             R"("modality_config":{"text":{"method":"forward","method_output_name":"logits"}}})");
  write_file(reranker / "config_sentence_transformers.json",
             R"({"model_type":"CrossEncoder","prompts":{"q":"Q: "},"default_prompt_name":"q"})");
  for (const TritonOptions& options : {TritonOptions{}, for_onnx()}) {
    expect_refused(ErrorCode::kUnsupported, "default_prompt_name \"q\"", reranker.string(), to,
                   options);
  }
  EXPECT_FALSE(fs::exists(to));
}

// A checkpoint whose own model_type is unknown, exported as the family that it is.
TEST(TritonRepository, ExportsAsTheFamilyThatIsNamed) {
  const TempFolder folder;
  const fs::path source = folder.path() / "source";
  fs::copy(testdata("models/bert-base"), source);
  std::string config = read_file(source / "config.json");
  const size_t at = config.find("\"bert\"");
  ASSERT_NE(at, config.npos);
  write_file(source / "config.json", config.replace(at, 6, "\"my-bert\""));
  TritonOptions options = for_onnx();
  const auto to = [&](const char* name) { return folder.path() / name; };
  expect_refused(ErrorCode::kUnsupported, "my-bert", source.string(), to("a"), options);
  options.model.family = "bert";
  export_triton(resolve_model(source.string()), to("b"), options);
  options.model.family = "";
  export_triton(resolve_model(testdata("models/bert-base").string()), to("c"), options);
  EXPECT_EQ(read_file(to("b") / "source_model/1/model.onnx"),
            read_file(to("c") / "bert-base_model/1/model.onnx"));
}

TEST(TritonRepository, IsWrittenWholeOrNotAtAll) {
  const TempFolder folder;
  const fs::path to = folder.path() / "repository";
  expect_refused(ErrorCode::kUnsupported, "is a bundle, fused for this program", "bundles/format-2",
                 to, for_onnx());
  TritonOptions bad;
  bad.name = "a/b";
  expect_refused(ErrorCode::kInvalidArgument, "--name a/b: must be letters", "models/bert-base", to,
                 bad);
  EXPECT_FALSE(fs::exists(to));
  EXPECT_TRUE(fs::is_empty(folder.path()));
  write("models/bert-base", to);
  expect_refused(ErrorCode::kInvalidArgument, "repository", "models/bert-base", to, {});
  TritonOptions forced;
  forced.force = true;
  write("models/bert-sequence-classification", to, forced);
  EXPECT_TRUE(fs::exists(to / "m_inference/labels.txt"));
  forced.name = "other";
  expect_refused(ErrorCode::kInvalidArgument, "holds m_inference; only an empty folder or a",
                 "models/bert-base", to, forced);
  forced.name = "m";
  write_file(to / "notes.txt", "mine");
  expect_refused(ErrorCode::kInvalidArgument, "holds notes.txt", "models/bert-base", to, forced);
  EXPECT_EQ(read_file(to / "notes.txt"), "mine");
}

}  // namespace
}  // namespace tamis::api
