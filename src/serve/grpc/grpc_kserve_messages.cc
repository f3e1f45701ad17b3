#include "serve/grpc/grpc_kserve_messages.h"

#include <limits>

#include "base/error.h"
#include "serve/batching/batch_queue.h"
#include "serve/grpc/grpc_call.h"
#include "serve/protocol/fields.h"

namespace tamis::serve {

namespace {

using inference::InferTensorContents;

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, parts...);
}

// The elements of a typed field, each as a T of the wire's raw form.
template <typename T, typename Field>
void append_elements(const Field& field, std::string_view input, std::string& data) {
  for (const auto element : field) {
    const auto value = static_cast<T>(element);
    if (static_cast<decltype(element)>(value) != element) {
      refuse("input \"", input, "\": element ", element, " does not fit its datatype");
    }
    data.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
}

void append_strings(const InferTensorContents& contents, std::string& data) {
  for (const std::string& element : contents.bytes_contents()) {
    const auto length = static_cast<uint32_t>(element.size());
    data.append(reinterpret_cast<const char*>(&length), sizeof(length));
    data += element;
  }
}

std::string raw_form(const InferTensorContents& contents, KserveType type, std::string_view input) {
  std::string data;
  switch (type) {
    case KserveType::kBool:
      append_elements<uint8_t>(contents.bool_contents(), input, data);
      break;
    case KserveType::kUint8:
      append_elements<uint8_t>(contents.uint_contents(), input, data);
      break;
    case KserveType::kUint16:
      append_elements<uint16_t>(contents.uint_contents(), input, data);
      break;
    case KserveType::kUint32:
      append_elements<uint32_t>(contents.uint_contents(), input, data);
      break;
    case KserveType::kUint64:
      append_elements<uint64_t>(contents.uint64_contents(), input, data);
      break;
    case KserveType::kInt8:
      append_elements<int8_t>(contents.int_contents(), input, data);
      break;
    case KserveType::kInt16:
      append_elements<int16_t>(contents.int_contents(), input, data);
      break;
    case KserveType::kInt32:
      append_elements<int32_t>(contents.int_contents(), input, data);
      break;
    case KserveType::kInt64:
      append_elements<int64_t>(contents.int64_contents(), input, data);
      break;
    case KserveType::kFp16:
    case KserveType::kBf16:
      refuse("input \"", input, "\": ", kserve_type_name(type),
             " comes in raw_input_contents only");
    case KserveType::kFp32:
      append_elements<float>(contents.fp32_contents(), input, data);
      break;
    case KserveType::kFp64:
      append_elements<double>(contents.fp64_contents(), input, data);
      break;
    case KserveType::kBytes:
      append_strings(contents, data);
      break;
  }
  return data;
}

void read_parameter(KserveRequest& request, const std::string& key,
                    const inference::InferParameter& parameter) {
  using Choice = inference::InferParameter;
  switch (parameter.parameter_choice_case()) {
    case Choice::kInt64Param:
      set_kserve_parameter(request, key, parameter.int64_param());
      return;
    case Choice::kUint64Param:
      set_kserve_parameter(request, key,
                           static_cast<int64_t>(std::min<uint64_t>(
                               parameter.uint64_param(), std::numeric_limits<int64_t>::max())));
      return;
    case Choice::kBoolParam:
      if (key == "truncate") {
        request.truncate = parameter.bool_param();
        return;
      }
      if (key == kFinalResponseKey) return;  // a stream's responses tell
      break;
    case Choice::kStringParam:
    case Choice::kDoubleParam:
    case Choice::PARAMETER_CHOICE_NOT_SET:
      break;
  }
  if (key == kFinalResponseKey) refuse("parameter \"", key, "\" must be true or false");
  check_kserve_parameter_key(key);
  if (key == "priority" || key == "timeout") refuse("parameter \"", key, "\" must be an integer");
  if (key == "truncate") refuse("parameter \"", key, "\" must be a bool");
}

template <typename Parameters>
void refuse_region(const Parameters& parameters, std::string_view what, std::string_view name) {
  if (!parameters.contains("shared_memory_region")) return;
  refuse(what, " \"", name, "\": parameter \"shared_memory_region\": shared memory is not spoken");
}

KserveOutputRequest read_output(
    const inference::ModelInferRequest::InferRequestedOutputTensor& output) {
  KserveOutputRequest wanted;
  wanted.name = output.name();
  refuse_region(output.parameters(), "output", output.name());
  const auto at = output.parameters().find("classification");
  if (at != output.parameters().end()) {
    wanted.classification = at->second.int64_param();
    checked_integer("InferOutputParameters", "classification", wanted.classification);
    if (wanted.classification < 1) {
      refuse("output \"", output.name(), "\": parameter \"classification\" must be at least 1");
    }
  }
  return wanted;
}

void write_duration(const StatDuration& stat, inference::StatisticDuration* message) {
  message->set_count(stat.count);
  message->set_ns(stat.ns);
}

inference::DataType config_type(KserveType type) {
  switch (type) {
    case KserveType::kBool:
      return inference::TYPE_BOOL;
    case KserveType::kUint8:
      return inference::TYPE_UINT8;
    case KserveType::kUint16:
      return inference::TYPE_UINT16;
    case KserveType::kUint32:
      return inference::TYPE_UINT32;
    case KserveType::kUint64:
      return inference::TYPE_UINT64;
    case KserveType::kInt8:
      return inference::TYPE_INT8;
    case KserveType::kInt16:
      return inference::TYPE_INT16;
    case KserveType::kInt32:
      return inference::TYPE_INT32;
    case KserveType::kInt64:
      return inference::TYPE_INT64;
    case KserveType::kFp16:
      return inference::TYPE_FP16;
    case KserveType::kBf16:
      return inference::TYPE_BF16;
    case KserveType::kFp32:
      return inference::TYPE_FP32;
    case KserveType::kFp64:
      return inference::TYPE_FP64;
    case KserveType::kBytes:
      return inference::TYPE_STRING;
  }
  return inference::TYPE_INVALID;
}

}  // namespace

KserveRequest read_infer_request(const inference::ModelInferRequest& message) {
  KserveRequest request;
  request.model = message.model_name();
  request.version = message.model_version();
  request.id = message.id();
  for (const auto& [key, parameter] : message.parameters()) read_parameter(request, key, parameter);
  const int raw = message.raw_input_contents_size();
  if (raw != 0 && raw != message.inputs_size()) {
    refuse("raw_input_contents has ", raw, " entries, must have one for each of ",
           message.inputs_size(), " inputs");
  }
  for (int i = 0; i < message.inputs_size(); ++i) {
    const auto& input = message.inputs(i);
    KserveTensor tensor;
    tensor.name = input.name();
    tensor.type = kserve_type_from_name(input.datatype(), input.name());
    tensor.shape.assign(input.shape().begin(), input.shape().end());
    refuse_region(input.parameters(), "input", input.name());
    if (raw == 0) {
      tensor.data = raw_form(input.contents(), tensor.type, input.name());
    } else if (input.has_contents()) {
      refuse("input \"", input.name(), "\" has contents beside raw_input_contents");
    } else {
      tensor.data = message.raw_input_contents(i);
    }
    request.inputs.push_back(std::move(tensor));
  }
  for (const auto& output : message.outputs()) request.outputs.push_back(read_output(output));
  return request;
}

void write_infer_response(KserveResponse&& response, inference::ModelInferResponse& message) {
  int64_t bytes = 0;
  for (const KserveTensor& tensor : response.outputs) {
    bytes += static_cast<int64_t>(tensor.data.size());
  }
  check_message_bytes(bytes);
  message.set_model_name(response.model);
  message.set_model_version(response.version);
  message.set_id(response.id);
  for (KserveTensor& tensor : response.outputs) {
    auto* output = message.add_outputs();
    output->set_name(tensor.name);
    output->set_datatype(std::string(kserve_type_name(tensor.type)));
    output->mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
    message.add_raw_output_contents(std::move(tensor.data));
  }
}

void write_metadata(const KserveMetadata& metadata, inference::ModelMetadataResponse& message) {
  message.set_name(metadata.name);
  for (const std::string& version : metadata.versions) message.add_versions(version);
  message.set_platform(metadata.platform);
  const auto write = [](const KserveTensorSpec& spec, auto* tensor) {
    tensor->set_name(spec.name);
    tensor->set_datatype(std::string(kserve_type_name(spec.type)));
    tensor->mutable_shape()->Add(spec.shape.begin(), spec.shape.end());
  };
  for (const KserveTensorSpec& spec : metadata.inputs) write(spec, message.add_inputs());
  for (const KserveTensorSpec& spec : metadata.outputs) write(spec, message.add_outputs());
}

void write_config(const KserveMetadata& metadata, inference::ModelConfig& message) {
  message.set_name(metadata.name);
  message.set_platform(metadata.platform);
  message.set_backend(metadata.platform);
  const auto write = [](const KserveTensorSpec& spec, auto* tensor) {
    tensor->set_name(spec.name);
    tensor->set_data_type(config_type(spec.type));
    tensor->mutable_dims()->Add(spec.shape.begin(), spec.shape.end());
  };
  for (const KserveTensorSpec& spec : metadata.inputs) {
    auto* input = message.add_input();
    write(spec, input);
    input->set_optional(spec.optional);
  }
  for (const KserveTensorSpec& spec : metadata.outputs) write(spec, message.add_output());
  message.mutable_dynamic_batching()->set_priority_levels(kLastLevel);
  message.mutable_dynamic_batching()->set_default_priority_level(kDefaultLevel);
}

void write_statistics(const KserveTarget& target, inference::ModelStatistics& message) {
  const ModelStatsView stats = target.model->stats().view();
  message.set_name(target.name);
  message.set_version(target.model->version());
  message.set_last_inference(static_cast<uint64_t>(stats.last_inference_ms));
  message.set_inference_count(stats.inference_count);
  message.set_execution_count(stats.execution_count);
  inference::InferStatistics& infer = *message.mutable_inference_stats();
  write_duration(stats.success, infer.mutable_success());
  write_duration(stats.fail, infer.mutable_fail());
  write_duration(stats.queue, infer.mutable_queue());
  write_duration(stats.compute_input, infer.mutable_compute_input());
  write_duration(stats.compute_infer, infer.mutable_compute_infer());
  write_duration(stats.compute_output, infer.mutable_compute_output());
  write_duration({}, infer.mutable_cache_hit());
  write_duration({}, infer.mutable_cache_miss());
  for (const auto& [rows, batch] : stats.batches) {
    inference::InferBatchStatistics& entry = *message.add_batch_stats();
    entry.set_batch_size(static_cast<uint64_t>(rows));
    write_duration({}, entry.mutable_compute_input());
    write_duration(batch.compute_infer, entry.mutable_compute_infer());
    write_duration({}, entry.mutable_compute_output());
  }
  inference::MemoryUsage& memory = *message.add_memory_usage();
  memory.set_type("CPU");
  memory.set_byte_size(static_cast<uint64_t>(target.model->info().weight_bytes));
}

}  // namespace tamis::serve
