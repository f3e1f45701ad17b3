#include "api/triton_repository.h"

#include <tamis/tokenizer.h>

#include <algorithm>

#include "api/tokenizer_folder.h"
#include "api/triton_config.h"
#include "api/triton_files.h"
#include "base/bytes_element.h"
#include "base/error.h"
#include "base/file.h"
#include "base/files/staged_folder.h"
#include "formats/onnx/onnx_model.h"
#include "model/loaded_model.h"
#include "optimize/export_model.h"

namespace tamis::api {

namespace fs = std::filesystem;
using tasks::TaskKind;

namespace {

constexpr std::string_view kConfig = "config.pbtxt";
constexpr std::string_view kLabels = "labels.txt";
constexpr std::string_view kSuffixes[] = {"_inference", "_model", "_tokenize"};
constexpr std::string_view kWarmText = "The server is warm before it is asked.";
constexpr int64_t kPadTo = 8;

bool is_pairwise(TaskKind task) {
  return task == TaskKind::kClassify || task == TaskKind::kRerank || task == TaskKind::kZeroShot;
}

std::string name_of(const ModelPath& path, const TritonOptions& options) {
  std::string name = options.name;
  if (name.empty()) {
    const bool is_file = fs::path(options.argument).extension() == ".onnx";
    const bool by_folder = options.argument.empty() || is_file;
    name = model_name(by_folder ? path.folder.string() : options.argument);
    if (name.ends_with(".tamis")) name.resize(name.size() - 6);
  }
  const bool good = !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
  if (!good || name.starts_with('.')) {
    fail(ErrorCode::kInvalidArgument, "--name ", name,
         ": must be letters, digits, \"_\", \"-\" and \".\", as it becomes part of addresses");
  }
  return name;
}

// What another export or hand put beside these models would be lost with the folder.
void check_repository(const fs::path& folder, const std::string& name) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string other = entry.path().filename().string();
    const bool own = std::ranges::any_of(
        kSuffixes, [&](std::string_view suffix) { return other == cat(name, suffix); });
    if (own && file_exists(entry.path() / kConfig)) continue;
    fail(ErrorCode::kInvalidArgument, folder.string(), ": holds ", other,
         "; only an empty folder or a repository of ", name, " alone is replaced. A server takes ",
         "several repositories: --model-repository may be given for each");
  }
}

/// A model's folder in the repository, being written.
class ModelFolder {
 public:
  ModelFolder(const fs::path& repository, const std::string& name)
      : folder_(repository / name), version_(folder_ / "1") {
    fs::create_directories(version_);
  }
  [[nodiscard]] const fs::path& version() const { return version_; }

  void write(const TritonConfig& config) const {
    write_file(folder_ / kConfig, write_triton_config(config));
  }
  void write_side(std::string_view name, std::string_view contents) const {
    fs::create_directories((folder_ / name).parent_path());
    write_file(folder_ / name, contents);
  }

 private:
  fs::path folder_;
  fs::path version_;
};

// A file a line, if every label can stand in one.
bool write_labels(const ModelFolder& folder, const std::vector<std::string>& labels) {
  std::string lines;
  for (const std::string& label : labels) {
    if (label.find('\n') != std::string::npos) return false;
    lines += label + "\n";
  }
  if (labels.empty()) return false;
  folder.write_side(kLabels, lines);
  return true;
}

std::string packed(std::string_view text) {
  std::string bytes;
  append_bytes_element(bytes, text);
  return bytes;
}

bool needs_pair(const LoadedModel& model) { return needs_pair(model.manifest(), model.task()); }

std::vector<TritonTensor> text_inputs(const LoadedModel& model) {
  std::vector<TritonTensor> inputs = {{"text", "TYPE_STRING", {1}}};
  const bool needed = needs_pair(model);
  if (needed || is_pairwise(model.task())) {
    inputs.push_back({"text_pair", "TYPE_STRING", {1}, !needed});
  }
  return inputs;
}

// What the task takes; nothing if its tokenizer has no mask to fill.
std::optional<TaskInput> example_of(const LoadedModel& model) {
  // A question leaves its context the rest of a window, which may have room for few tokens.
  if (model.task() == TaskKind::kQa) return TaskInput{"a", "b"};
  TaskInput input{std::string(kWarmText)};
  if (needs_pair(model)) input.pair = std::string(kWarmText);
  if (model.task() != TaskKind::kFillMask) return input;
  const auto mask = model.tokenizer().special_ids().mask;
  if (!mask) return std::nullopt;
  input.text += cat(" ", model.tokenizer().spelled_token(*mask));
  return input;
}

void warm_with_texts(const ModelFolder& folder, const LoadedModel& model, TritonConfig& config) {
  const std::optional<TaskInput> input = example_of(model);
  if (!input) return;
  folder.write_side("warmup/text", packed(input->text));
  config.warmup = {{"text", "TYPE_STRING", {1}, "text"}};
  if (!input->pair) return;
  folder.write_side("warmup/text_pair", packed(*input->pair));
  config.warmup.push_back({"text_pair", "TYPE_STRING", {1}, "text_pair"});
}

std::vector<TritonTensor> answer_outputs(const LoadedModel& model, const std::string& labels) {
  const int64_t width = model.manifest().output_size;
  if (model.task() == TaskKind::kEmbed) return {{"embedding", "TYPE_FP32", {width}}};
  if (!is_pairwise(model.task())) return {{"result", "TYPE_STRING", {1}}};
  return {{"logits", "TYPE_FP32", {width}, false, labels},
          {"scores", "TYPE_FP32", {width}, false, labels},
          {"label", "TYPE_STRING", {1}}};
}

/// Writes the models of one repository.
class RepositoryWriter {
 public:
  RepositoryWriter(const ModelPath& path, const fs::path& stage, const TritonOptions& options)
      : path_(path), stage_(stage), options_(options), name_(name_of(path, options)) {
    ModelOptions load = options.model;
    load.task = options.task;
    load.keep_graph = false;
    model_ = LoadedModel::load(path, load);
    static_cast<void>(model_->tokenizer());  // or there is nothing to tokenize by
    check_task();
    check_routes();
    check_example();
  }

  void write_tamis(TritonReport& report) {
    const ModelFolder folder(stage_, inference());
    const bool labels = is_pairwise(model_->task()) && write_labels(folder, labels_of());
    TritonConfig config;
    config.name = inference();
    config.backend = "tamis";
    config.inputs = text_inputs(*model_);
    config.outputs = answer_outputs(*model_, labels ? std::string(kLabels) : "");
    config.on_cards = options_.on_cards;
    config.cached = options_.response_cache;
    config.parameters = task_parameter();
    warm_with_texts(folder, *model_, config);
    copy_model(path_, folder.version());
    folder.write(config);
    report.models = {inference()};
  }

  void write_ensemble(TritonReport& report) {
    check_cut();
    write_tokenizer_folder(ModelFolder(stage_, tokenize()).version(), *model_);
    const OnnxPorts ports = write_onnx_model();
    write_tokenizer(ports);
    write_steps(ports);
    report.models = {tokenize(), model(), inference()};
    if (options_.backend != TritonBackend::kTensorRt) return;
    report.note =
        cat("build ", model(), "/1/model.plan where it is to run: sh ", model(), "/build_plan.sh");
  }

 private:
  [[nodiscard]] std::string inference() const { return name_ + "_inference"; }
  [[nodiscard]] std::string tokenize() const { return name_ + "_tokenize"; }
  [[nodiscard]] std::string model() const { return name_ + "_model"; }
  [[nodiscard]] const std::vector<std::string>& labels_of() const {
    return model_->manifest().labels;
  }
  // Only where the user decides against what the folder says.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> task_parameter() const {
    if (!options_.task) return {};
    return {{"task", std::string(tasks::task_name(*options_.task))}};
  }

  /// What a model.onnx takes and gives.
  struct OnnxPorts {
    std::vector<TritonTensor> inputs;
    std::vector<TritonTensor> outputs;
  };

  // Vectors of tokens stand in for a cross-encoder's scores: requests of the backend are no lists.
  void check_task() const {
    if (!options_.task || *options_.task == model_->task()) return;
    fail(ErrorCode::kUnsupported, path_.folder.string(), ": --task ",
         tasks::task_name(*options_.task),
         " of a model with a vector for each token is MaxSim of a ",
         "query and a list, which the backend does not do; without --task it gives the vectors");
  }

  // Requests of a repository's models name no prompt.
  void check_routes() const {
    if (!model_->routes_queries()) return;
    fail(ErrorCode::kUnsupported, path_.folder.string(),
         ": a Router whose queries a StaticEmbedding reads is not built into a repository, whose "
         "requests name no route; accepted are models of one route, or tamis serve");
  }

  // What the texts of every request would be refused for.
  void check_example() const {
    std::optional<TaskInput> input = example_of(*model_);
    if (!input) return;
    const TaskKind task = encoded_as(model_->task());
    try {
      static_cast<void>(model_->encode(std::move(*input), tasks::default_options(task)));
    } catch (const Error& error) {
      fail(error.code(), path_.folder.string(), ": ", error.what());
    }
  }

  // It comes behind all that a file holds.
  void check_cut() const {
    const auto& dimensions = model_->manifest().truncate_dim;
    if (model_->task() != TaskKind::kEmbed || !dimensions) return;
    fail(ErrorCode::kUnsupported, path_.folder.string(), ": truncate_dim ", *dimensions,
         " cuts embeddings behind the model, which an ensemble with model.onnx does not do; "
         "--backend tamis does");
  }

  OnnxPorts write_onnx_model();
  void write_plan_script(const ModelFolder& folder, const TritonConfig& config) const;
  void write_tokenizer(const OnnxPorts& ports);
  void write_steps(const OnnxPorts& ports);
  void warm_with_ids(const ModelFolder& folder, TritonConfig& config) const;

  const ModelPath& path_;
  fs::path stage_;
  const TritonOptions& options_;
  std::string name_;
  std::shared_ptr<const LoadedModel> model_;
};

std::string triton_type(const onnx::ValueProto& value) {
  switch (value.type) {
    case onnx::ElementType::kFloat:
      return "TYPE_FP32";
    case onnx::ElementType::kFloat16:
      return "TYPE_FP16";
    case onnx::ElementType::kBfloat16:
      return "TYPE_BF16";
    case onnx::ElementType::kInt32:
      return "TYPE_INT32";
    case onnx::ElementType::kInt64:
      return "TYPE_INT64";
    default:
      fail(ErrorCode::kUnsupported, "model.onnx: ", value.name, " is of type ",
           onnx::element_type_name(value.type), "; Triton is given numbers of 16, 32 or 64 bits");
  }
}

// Without the first size, which is the batch's.
TritonTensor triton_tensor(const onnx::ValueProto& value) {
  TritonTensor tensor{value.name, triton_type(value), {}};
  if (!value.dims || value.dims->empty() || value.dims->front().value) {
    fail(ErrorCode::kUnsupported, "model.onnx: ", value.name,
         " has no size for the batch before the others; export it with a dynamic axis 0");
  }
  for (size_t i = 1; i < value.dims->size(); ++i) {
    tensor.dims.push_back((*value.dims)[i].value.value_or(-1));
  }
  return tensor;
}

std::vector<TritonTensor> id_inputs(const onnx::GraphProto& graph) {
  constexpr std::string_view kTokenized[] = {"input_ids", "attention_mask", "token_type_ids"};
  std::vector<TritonTensor> tensors;
  for (const onnx::ValueProto& input : graph.inputs) {
    const bool constant = std::ranges::find(graph.initializers, input.name,
                                            &onnx::TensorProto::name) != graph.initializers.end();
    if (constant) continue;
    if (std::ranges::find(kTokenized, input.name) == std::end(kTokenized)) {
      fail(ErrorCode::kUnsupported, "model.onnx: input ", input.name,
           " is not what a tokenizer gives; input_ids, attention_mask and token_type_ids are");
    }
    tensors.push_back(triton_tensor(input));
  }
  return tensors;
}

std::vector<TritonTensor> graph_outputs(const onnx::GraphProto& graph) {
  std::vector<TritonTensor> tensors;
  for (const onnx::ValueProto& output : graph.outputs) tensors.push_back(triton_tensor(output));
  return tensors;
}

// Of an embedder that pools, what is asked for; the rows of its tokens stay where they are.
std::vector<TritonTensor> answers_of(const std::vector<TritonTensor>& outputs) {
  const auto pooled = std::ranges::find(outputs, tasks::kSentenceEmbedding, &TritonTensor::name);
  if (pooled == outputs.end()) return outputs;
  return {*pooled};
}

RepositoryWriter::OnnxPorts RepositoryWriter::write_onnx_model() {
  const ModelFolder folder(stage_, model());
  if (path_.kind == ModelKind::kOnnx) {
    copy_onnx(path_.file, folder.version());
  } else {
    const fs::path exported = stage_ / "exported";
    ExportModelOptions options;
    options.task = options_.task;
    options.optimize.model = options_.model;
    static_cast<void>(export_model(path_, exported, options));
    fs::rename(exported / kOnnxFile, folder.version() / kOnnxFile);
    fs::remove_all(exported);
  }
  const onnx::GraphProto graph = onnx::read_onnx(folder.version() / kOnnxFile).graph;
  OnnxPorts ports{id_inputs(graph), graph_outputs(graph)};
  const bool plan = options_.backend == TritonBackend::kTensorRt;
  const bool labels = is_pairwise(model_->task()) && write_labels(folder, labels_of());
  TritonConfig config;
  config.name = model();
  config.backend = plan ? "tensorrt" : "onnxruntime";
  config.platform = plan ? "tensorrt_plan" : "onnxruntime_onnx";
  config.file = plan ? "model.plan" : std::string(kOnnxFile);
  config.inputs = ports.inputs;
  config.outputs = ports.outputs;
  if (labels && config.outputs.size() == 1) config.outputs[0].labels = kLabels;
  config.on_cards = plan || options_.on_cards;
  config.accelerator = options_.accelerator;
  warm_with_ids(folder, config);
  folder.write(config);
  if (plan) write_plan_script(folder, config);
  return ports;
}

// The shapes between which the engine is built: one token, a usual batch, the largest.
void RepositoryWriter::write_plan_script(const ModelFolder& folder,
                                         const TritonConfig& config) const {
  const auto shapes = [&config](int64_t batch, int64_t length) {
    std::string text;
    for (const TritonTensor& input : config.inputs) {
      text += cat(text.empty() ? "" : ",", input.name, ":", batch, "x", length);
    }
    return text;
  };
  const int64_t longest = model_->manifest().max_length;
  if (longest == 0) {
    fail(ErrorCode::kUnsupported, path_.folder.string(),
         ": has no longest length, which an engine of TensorRT is built for");
  }
  folder.write_side(
      "build_plan.sh",
      cat("#!/bin/sh\n"
          "# Builds 1/model.plan for the card at hand, with TensorRT's own trtexec.\n"
          "set -eu\n"
          "cd \"$(dirname \"$0\")\"\n"
          "trtexec --onnx=1/model.onnx --saveEngine=1/model.plan.part \\\n"
          "  --minShapes=",
          shapes(1, 1), " \\\n  --optShapes=", shapes(8, std::min<int64_t>(128, longest)),
          " \\\n  --maxShapes=", shapes(config.max_batch_size, longest), " \"$@\"\n",
          "mv 1/model.plan.part 1/model.plan\n"));
}

void RepositoryWriter::warm_with_ids(const ModelFolder& folder, TritonConfig& config) const {
  const std::optional<TaskInput> input = example_of(*model_);
  if (!input) return;
  const Tokenizer tokenizer = Tokenizer::load((stage_ / tokenize() / "1").string());
  const TokenIds row = tokenizer.encode({*input}).front();
  for (const TritonTensor& tensor : config.inputs) {
    std::vector<int64_t> values(row.ids.size(), tensor.name == "attention_mask" ? 1 : 0);
    if (tensor.name == "input_ids") values.assign(row.ids.begin(), row.ids.end());
    if (tensor.name == "token_type_ids" && !row.type_ids.empty()) {
      values.assign(row.type_ids.begin(), row.type_ids.end());
    }
    std::string bytes;
    for (const int64_t value : values) {
      const size_t size = tensor.type == "TYPE_INT32" ? 4 : 8;  // little-endian
      bytes.append(reinterpret_cast<const char*>(&value), size);
    }
    folder.write_side("warmup/" + tensor.name, bytes);
    config.warmup.push_back(
        {tensor.name, tensor.type, {static_cast<int64_t>(values.size())}, tensor.name});
  }
}

void RepositoryWriter::write_tokenizer(const OnnxPorts& ports) {
  const ModelFolder folder(stage_, tokenize());
  TritonConfig config;
  config.name = tokenize();
  config.backend = "tamis";
  config.inputs = text_inputs(*model_);
  config.outputs = ports.inputs;
  for (TritonTensor& output : config.outputs) output.dims = {-1};
  config.cached = options_.response_cache;
  config.parameters = {{"output", "tokens"}, {"pad_to_multiple_of", cat(kPadTo)}};
  warm_with_texts(folder, *model_, config);
  folder.write(config);
}

void RepositoryWriter::write_steps(const OnnxPorts& ports) {
  const ModelFolder folder(stage_, inference());
  TritonConfig config;
  config.name = inference();
  config.platform = "ensemble";
  config.inputs = text_inputs(*model_);
  config.outputs = answers_of(ports.outputs);
  TritonStep first{tokenize(), {}, {}};
  TritonStep second{model(), {}, {}};
  for (const TritonTensor& input : config.inputs) first.inputs.emplace_back(input.name, input.name);
  for (const TritonTensor& ids : ports.inputs) {
    first.outputs.emplace_back(ids.name, ids.name);
    second.inputs.emplace_back(ids.name, ids.name);
  }
  for (const TritonTensor& output : config.outputs) {
    second.outputs.emplace_back(output.name, output.name);
  }
  config.steps = {std::move(first), std::move(second)};
  folder.write(config);
}

int64_t tree_bytes(const fs::path& folder) {
  int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

// The backend reads a copy of the folder, to which neither goes along.
void check_copied(const TritonOptions& options) {
  const std::string flag = override_flag(options.model);
  if (options.backend != TritonBackend::kTamis || flag.empty()) return;
  fail(ErrorCode::kInvalidArgument, flag, ": the backend tamis reads the checkpoint by itself; ",
       "make a bundle with `tamis optimize ", flag, "` and export that, or export for another ",
       "--backend");
}

}  // namespace

TritonReport export_triton(const ModelPath& path, const fs::path& folder,
                           const TritonOptions& options) {
  check_overrides(path, options.model);
  check_copied(options);
  check_whole(path, "export");
  check_kept_apart(folder, path.folder);
  check_repository(folder, name_of(path, options));
  StagedFolder staged(folder, options.force);
  RepositoryWriter writer(path, staged.path(), options);
  TritonReport report;
  if (options.backend == TritonBackend::kTamis) {
    writer.write_tamis(report);
  } else {
    writer.write_ensemble(report);
  }
  report.repository = folder;
  report.bytes = tree_bytes(staged.path());
  staged.commit();
  return report;
}

}  // namespace tamis::api
