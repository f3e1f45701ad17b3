// Repositories of Triton: what is written, and when nothing is.
#include "api/triton_repository.h"

#include <tamis/tokenizer.h>

#include "api/triton_config.h"
#include "base/file.h"
#include "model/test_util.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

TritonReport write(const std::string& model, const fs::path& to, TritonOptions options = {}) {
  if (options.name.empty()) options.name = "m";
  return export_triton(resolve_model(testdata(model).string()), to, options);
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
  EXPECT_TRUE(has(config, "label_filename: \"labels.txt\""));
  EXPECT_EQ(read_file(to / "m_inference/labels.txt"), "negative\nneutral\npositive\n");
  EXPECT_EQ(read_file(to / "m_inference/1/graph.txt"),
            read_file(testdata("bundles/format-2/graph.txt")));
  EXPECT_EQ(resolve_model((to / "m_inference/1").string()).kind, ModelKind::kBundle);
}

TEST(TritonRepository, ForOnnxRuntimeHasThreeModels) {
  const TempFolder folder;
  const fs::path to = folder.path() / "repository";
  TritonOptions options;
  options.backend = TritonBackend::kOnnxRuntime;
  const TritonReport report = write("models/bert-sequence-classification", to, options);
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

TEST(TritonRepository, IsWrittenWholeOrNotAtAll) {
  const TempFolder folder;
  const fs::path to = folder.path() / "repository";
  TritonOptions onnx;
  onnx.backend = TritonBackend::kOnnxRuntime;
  expect_error(ErrorCode::kUnsupported, "is a bundle, fused for this program",
               [&] { write("bundles/format-2", to, onnx); });
  TritonOptions bad;
  bad.name = "a/b";
  expect_error(ErrorCode::kInvalidArgument, "--name a/b: must be letters",
               [&] { write("models/bert-base", to, bad); });
  EXPECT_FALSE(fs::exists(to));
  EXPECT_TRUE(fs::is_empty(folder.path()));
  write("models/bert-base", to);
  expect_error(ErrorCode::kInvalidArgument, "repository", [&] { write("models/bert-base", to); });
  TritonOptions forced;
  forced.force = true;
  write("models/bert-sequence-classification", to, forced);
  EXPECT_TRUE(fs::exists(to / "m_inference/labels.txt"));
  forced.name = "other";
  expect_error(ErrorCode::kInvalidArgument, "holds m_inference; only an empty folder or a",
               [&] { write("models/bert-base", to, forced); });
  forced.name = "m";
  write_file(to / "notes.txt", "mine");
  expect_error(ErrorCode::kInvalidArgument, "holds notes.txt",
               [&] { write("models/bert-base", to, forced); });
  EXPECT_EQ(read_file(to / "notes.txt"), "mine");
}

}  // namespace
}  // namespace tamis::api
