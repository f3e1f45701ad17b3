#include "integrations/triton/config.h"

#include <charconv>

#include "base/error.h"
#include "base/json.h"
#include "base/key_table.h"

namespace tamis::triton {

namespace {

constexpr std::string_view kSource = "config.pbtxt";

// What Triton itself does with a model, whatever the backend, is harmless here.
constexpr KeyRow kConfigKeys[] = {
    honored("name"),
    honored("max_batch_size"),
    honored("input"),
    honored("output"),
    honored("parameters"),
    honored("default_model_filename"),
    honored("dynamic_batching"),
    honored("instance_group"),
    honored("optimization"),
    harmless("backend"),
    harmless("platform"),
    harmless("runtime"),
    harmless("version_policy"),
    harmless("response_cache"),
    harmless("model_warmup"),
    harmless("metric_tags"),
    harmless("model_metrics"),
    harmless("model_repository_agents"),
    refused("sequence_batching", "requests do not belong together, so it is not built"),
    refused("batch_input", "sizes of requests are known without, so it is not built", {"[]"}),
    refused("batch_output", "outputs are scattered without, so it is not built", {"[]"}),
    refused("model_transaction_policy", "a request has one answer; decoupled is not built",
            {"{\"decoupled\":false}", "{}"}),
    refused("cc_model_filenames", "a model is one for all cards; it is not built", {"{}"}),
    refused("model_operations", "operators of other libraries are not built",
            {"{}", "{\"op_library_filename\":[]}"}),
};
static_assert(keys_are_distinct(kConfigKeys));

constexpr KeyRow kTensorKeys[] = {
    honored("name"),
    honored("data_type"),
    honored("dims"),
    honored("reshape"),
    honored("optional"),
    harmless("label_filename"),
    harmless("allow_ragged_batch"),
    refused("format", "images are not taken", {"\"FORMAT_NONE\""}),
    refused("is_shape_tensor", "it is of TensorRT and not built", {"false"}),
    refused("is_non_linear_format_io", "it is of TensorRT and not built", {"false"}),
};
static_assert(keys_are_distinct(kTensorKeys));

constexpr KeyRow kOptimizationKeys[] = {
    harmless("priority"),
    harmless("input_pinned_memory"),
    harmless("output_pinned_memory"),
    harmless("gather_kernel_buffer_threshold"),
    harmless("eager_batching"),
    refused("execution_accelerators", "they are of ONNX Runtime and not built", {"{}"}),
    refused("graph", "it is of TensorFlow and not built", {"{\"level\":0}", "{}"}),
    refused("cuda", "it is of TensorRT and not built", {"{}"}),
};
static_assert(keys_are_distinct(kOptimizationKeys));

// Triton writes 64-bit numbers as numbers or, in some places, as text.
int64_t number(JsonView value, std::string_view what) {
  if (!value.is_string()) return value.as_int(what);
  const std::string_view text = value.as_string(what);
  int64_t parsed = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) {
    fail(ErrorCode::kInvalidArgument, what, " \"", text, "\" is not a number");
  }
  return parsed;
}

std::string text_of(JsonView object, std::string_view key) {
  const JsonView value = object.get(key);
  return value.exists() ? std::string(value.as_string(key)) : std::string();
}

std::vector<int64_t> dims_of(JsonView list, std::string_view what) {
  std::vector<int64_t> dims;
  for (size_t i = 0; i < list.size(); ++i) dims.push_back(number(list.at(i), what));
  return dims;
}

TensorConfig tensor_of(JsonView json, std::string_view kind) {
  TensorConfig tensor;
  tensor.name = text_of(json, "name");
  const std::string what = cat(kSource, ": ", kind, " \"", tensor.name, "\"");
  check_keys(json, what, kTensorKeys);
  tensor.type = text_of(json, "data_type");
  const JsonView reshape = json.get("reshape");
  tensor.reshaped = reshape.exists();
  tensor.dims =
      dims_of(tensor.reshaped ? reshape.get("shape") : json.get("dims"), cat(what, ": dims"));
  tensor.optional = json.get("optional").exists() && json.get("optional").as_bool("optional");
  return tensor;
}

std::vector<TensorConfig> tensors_of(JsonView list, std::string_view kind) {
  std::vector<TensorConfig> tensors;
  for (size_t i = 0; i < list.size(); ++i) tensors.push_back(tensor_of(list.at(i), kind));
  return tensors;
}

void write_tensors(JsonWriter& json, std::string_view key,
                   const std::vector<TensorConfig>& tensors) {
  json.key(key).begin_array();
  for (const TensorConfig& tensor : tensors) {
    json.begin_object().member("name", tensor.name).member("data_type", tensor.type);
    json.key("dims").begin_array();
    for (const int64_t dim : tensor.dims) json.value(dim);
    json.end_array();
    if (tensor.optional) json.member("optional", true);
    json.end_object();
  }
  json.end_array();
}

}  // namespace

ModelConfig parse_config(std::string_view text) {
  const JsonDocument document = JsonDocument::parse(text, kSource);
  const JsonView json = document.root();
  check_keys(json, kSource, kConfigKeys);
  check_keys(json.get("optimization"), cat(kSource, ": optimization"), kOptimizationKeys);
  ModelConfig config;
  config.name = text_of(json, "name");
  config.file = text_of(json, "default_model_filename");
  if (json.get("max_batch_size")) {
    config.max_batch_size = number(json.get("max_batch_size"), "max_batch_size");
  }
  config.inputs = tensors_of(json.get("input"), "input");
  config.outputs = tensors_of(json.get("output"), "output");
  config.has_batcher = json.get("dynamic_batching").exists();
  const JsonView groups = json.get("instance_group");
  for (size_t i = 0; i < groups.size(); ++i) {
    if (text_of(groups.at(i), "kind") == "KIND_GPU") config.wants_cards = true;
  }
  const JsonView parameters = json.get("parameters");
  for (size_t i = 0; i < parameters.size(); ++i) {
    const JsonView::Member row = parameters.member(i);
    config.parameters.emplace(row.key, text_of(row.value, "string_value"));
  }
  return config;
}

std::string complete_config(std::string_view text, const ModelConfig& completed) {
  const JsonDocument document = JsonDocument::parse(text, kSource);
  const JsonView json = document.root();
  JsonWriter out;
  out.begin_object();
  for (size_t i = 0; i < json.size(); ++i) {
    const JsonView::Member member = json.member(i);
    if (member.key == "input" || member.key == "output" || member.key == "max_batch_size") continue;
    out.member(member.key, member.value);
  }
  out.member("max_batch_size", completed.max_batch_size);
  if (!completed.has_batcher) out.key("dynamic_batching").begin_object().end_object();
  write_tensors(out, "input", completed.inputs);
  write_tensors(out, "output", completed.outputs);
  return out.end_object().take();
}

std::string dims_text(const std::vector<int64_t>& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += cat(i == 0 ? " " : ", ", dims[i]);
  return text + " ]";
}

}  // namespace tamis::triton
