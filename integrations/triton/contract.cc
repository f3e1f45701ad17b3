#include "integrations/triton/contract.h"

#include <algorithm>

#include "base/error.h"
#include "base/triton.h"

namespace tamis::triton {

namespace {

constexpr std::string_view kString = "TYPE_STRING";
constexpr std::string_view kFloat = "TYPE_FP32";
constexpr std::string_view kInt64 = "TYPE_INT64";
constexpr std::string_view kInt32 = "TYPE_INT32";

bool is_pairwise(std::string_view task) {
  return task == "classify" || task == "rerank" || task == "zero-shot";
}

std::vector<Port> text_ports(const Subject& subject) {
  std::vector<Port> ports = {{"text", {kString}, {1}}};
  if (subject.needs_pair || is_pairwise(subject.task)) {
    ports.push_back({"text_pair", {kString}, {1}, !subject.needs_pair});
  }
  return ports;
}

std::vector<Port> answer_ports(const Subject& subject) {
  if (subject.task == "embed") return {{"embedding", {kFloat}, {subject.width}}};
  if (!is_pairwise(subject.task)) return {{"result", {kString}, {1}}};
  return {{"logits", {kFloat}, {subject.width}},
          {"scores", {kFloat}, {subject.width}},
          {"label", {kString}, {1}}};
}

std::vector<Port> id_ports(bool optional) {
  return {{"input_ids", {kInt64, kInt32}, {-1}},
          {"attention_mask", {kInt64, kInt32}, {-1}, optional},
          {"token_type_ids", {kInt64, kInt32}, {-1}, optional}};
}

std::vector<Port> raw_ports(const Subject& subject) {
  if (subject.task == "embed") return {{"sentence_embedding", {kFloat}, {subject.width}}};
  if (subject.task == "embed-multi") return {{"token_vectors", {kFloat}, {-1, subject.width}}};
  if (subject.task == "embed-sparse" || subject.task == "embed-all") {
    fail(ErrorCode::kUnsupported, "config.pbtxt: input input_ids is not built for the task ",
         subject.task, "; it takes the input text");
  }
  if (rows_are_tokens(subject.task)) return {{"logits", {kFloat}, {-1, subject.width}}};
  return {{"logits", {kFloat}, {subject.width}}};
}

std::string types_text(const Port& port) {
  std::string text(port.types[0]);
  if (port.types.size() > 1) text += cat(" or ", port.types[1]);
  return text;
}

// Of a model that does not batch, the first size is that of the batch.
std::vector<int64_t> dims_of(const Port& port, const ModelConfig& config, bool reshaped) {
  std::vector<int64_t> dims = port.dims;
  const bool single = port.dims == std::vector<int64_t>{1};
  if (config.max_batch_size > 0) return single && reshaped ? std::vector<int64_t>{} : dims;
  if (single) return {-1};
  dims.insert(dims.begin(), -1);
  return dims;
}

bool same_dims(const std::vector<int64_t>& written, const std::vector<int64_t>& expected,
               bool any) {
  return std::ranges::equal(written, expected,
                            [any](int64_t w, int64_t e) { return w == e || (any && w == -1); });
}

// An output may leave a size open; an input that did would be taken with other sizes too.
void check_tensor(const TensorConfig& tensor, const Port& port, const ModelConfig& config,
                  std::string_view kind) {
  const std::string what =
      cat("config.pbtxt of ", config.name, ": ", kind, " \"", tensor.name, "\": ");
  if (std::ranges::find(port.types, tensor.type) == port.types.end()) {
    fail(ErrorCode::kInvalidArgument, what, "data_type is ", tensor.type, ", the model's is ",
         types_text(port));
  }
  const std::vector<int64_t> expected = dims_of(port, config, tensor.reshaped);
  if (same_dims(tensor.dims, expected, kind == "output")) return;
  fail(ErrorCode::kInvalidArgument, what, tensor.reshaped ? "reshape" : "dims", " are ",
       dims_text(tensor.dims), ", the model's are ", dims_text(expected));
}

std::string names_of(const std::vector<Port>& ports) {
  std::string names;
  for (const Port& port : ports) names += cat(names.empty() ? "" : ", ", port.name);
  return names;
}

void check_tensors(const std::vector<TensorConfig>& tensors, const std::vector<Port>& ports,
                   const ModelConfig& config, std::string_view kind) {
  for (const TensorConfig& tensor : tensors) {
    const auto port = std::ranges::find(ports, tensor.name, &Port::name);
    if (port == ports.end()) {
      fail(ErrorCode::kInvalidArgument, "config.pbtxt of ", config.name, ": ", kind, " \"",
           tensor.name, "\": the model has ", names_of(ports));
    }
    check_tensor(tensor, *port, config, kind);
  }
}

std::vector<TensorConfig> tensors_of(const std::vector<Port>& ports, const ModelConfig& config) {
  std::vector<TensorConfig> tensors;
  for (const Port& port : ports) {
    tensors.push_back({port.name, std::string(port.types[0]), dims_of(port, config, false), false,
                       port.optional});
  }
  return tensors;
}

}  // namespace

bool rows_are_tokens(std::string_view task) {
  return task == "ner" || task == "qa" || task == "fill-mask" || task == "embed-multi";
}

Contract contract_of(const Subject& subject) {
  switch (subject.mode) {
    case Mode::kTexts:
      return {text_ports(subject), answer_ports(subject)};
    case Mode::kIds:
      return {id_ports(true), raw_ports(subject)};
    case Mode::kTokenizer:
      return {text_ports(subject), id_ports(false)};
  }
  return {};
}

void check_contract(const ModelConfig& config, const Contract& contract) {
  check_tensors(config.inputs, contract.inputs, config, "input");
  check_tensors(config.outputs, contract.outputs, config, "output");
  if (config.outputs.empty()) {
    fail(ErrorCode::kInvalidArgument, "config.pbtxt of ", config.name,
         ": has no output; the model has ", names_of(contract.outputs));
  }
  for (const Port& port : contract.inputs) {
    const auto found = std::ranges::find(config.inputs, port.name, &TensorConfig::name);
    if (port.optional) continue;
    if (found == config.inputs.end() || found->optional) {
      fail(ErrorCode::kInvalidArgument, "config.pbtxt of ", config.name, ": input \"", port.name,
           "\" is ", found == config.inputs.end() ? "missing" : "optional",
           "; the model needs it, of ", types_text(port), " ",
           dims_text(dims_of(port, config, false)));
    }
  }
}

ModelConfig completed(const ModelConfig& config, const Contract& contract) {
  ModelConfig made = config;
  if (made.max_batch_size == 0) made.max_batch_size = kTritonBatch;
  made.inputs = tensors_of(contract.inputs, made);
  made.outputs = tensors_of(contract.outputs, made);
  return made;
}

}  // namespace tamis::triton
