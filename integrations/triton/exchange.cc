#include "integrations/triton/exchange.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/bytes_element.h"
#include "base/error.h"

namespace tamis::triton {

namespace {

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  tamis::fail(ErrorCode::kInvalidArgument, parts...);
}

std::string bytes_of(TRITONBACKEND_Input* input, std::string_view name, uint64_t size,
                     uint32_t buffers) {
  std::string bytes;
  bytes.reserve(size);
  for (uint32_t i = 0; i < buffers; ++i) {
    const void* data = nullptr;
    uint64_t part = 0;
    TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
    int64_t memory_id = 0;
    check(TRITONBACKEND_InputBuffer(input, i, &data, &part, &memory, &memory_id));
    if (memory == TRITONSERVER_MEMORY_GPU) {
      tamis::fail(ErrorCode::kUnsupported, "input \"", name,
                  "\" lies on a card; tamis takes it from the host's memory");
    }
    if (part != 0) bytes.append(static_cast<const char*>(data), part);
  }
  return bytes;
}

InputTensor read_input(TRITONBACKEND_Input* input) {
  const char* name = nullptr;
  const int64_t* shape = nullptr;
  uint32_t rank = 0;
  uint64_t size = 0;
  uint32_t buffers = 0;
  InputTensor tensor;
  check(TRITONBACKEND_InputProperties(input, &name, &tensor.type, &shape, &rank, &size, &buffers));
  tensor.name = name;
  tensor.shape.assign(shape, shape + rank);
  tensor.bytes = bytes_of(input, tensor.name, size, buffers);
  return tensor;
}

template <typename T>
std::vector<T> values_of(const InputTensor& tensor) {
  const int64_t count = elements_of(tensor);
  if (tensor.bytes.size() / sizeof(T) != static_cast<size_t>(count) ||
      tensor.bytes.size() % sizeof(T) != 0) {
    refuse("input \"", tensor.name, "\" has ", tensor.bytes.size(), " bytes for ", count,
           " elements");
  }
  std::vector<T> values(static_cast<size_t>(count));
  if (count != 0) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

}  // namespace

std::vector<InputTensor> read_inputs(TRITONBACKEND_Request* request) {
  uint32_t count = 0;
  check(TRITONBACKEND_RequestInputCount(request, &count));
  std::vector<InputTensor> inputs;
  for (uint32_t i = 0; i < count; ++i) {
    TRITONBACKEND_Input* input = nullptr;
    check(TRITONBACKEND_RequestInputByIndex(request, i, &input));
    inputs.push_back(read_input(input));
  }
  return inputs;
}

const InputTensor* find_input(const std::vector<InputTensor>& inputs, std::string_view name) {
  const auto found = std::ranges::find(inputs, name, &InputTensor::name);
  return found == inputs.end() ? nullptr : &*found;
}

int64_t elements_of(const InputTensor& tensor) {
  int64_t count = 1;
  for (const int64_t size : tensor.shape) {
    if (size < 0 || (size > 0 && count > std::numeric_limits<int64_t>::max() / size)) {
      refuse("input \"", tensor.name, "\" has a size of ", size);
    }
    count *= size;
  }
  return count;
}

std::vector<std::string> strings_of(const InputTensor& tensor) {
  const int64_t count = elements_of(tensor);
  if (tensor.type != TRITONSERVER_TYPE_BYTES) {
    refuse("input \"", tensor.name, "\" is not of type BYTES");
  }
  std::vector<std::string> texts;
  std::string_view rest = tensor.bytes;
  while (!rest.empty()) {
    if (static_cast<int64_t>(texts.size()) == count) {
      refuse("input \"", tensor.name, "\" has ", rest.size(), " bytes behind its last element of ",
             count);
    }
    uint32_t size = 0;
    if (rest.size() < sizeof(size)) refuse("input \"", tensor.name, "\" is cut");
    std::memcpy(&size, rest.data(), sizeof(size));
    rest.remove_prefix(sizeof(size));
    if (rest.size() < size) refuse("input \"", tensor.name, "\" is cut");
    texts.emplace_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  if (static_cast<int64_t>(texts.size()) != count) {
    refuse("input \"", tensor.name, "\" has ", texts.size(), " elements, its shape says ", count);
  }
  return texts;
}

std::vector<int32_t> integers_of(const InputTensor& tensor) {
  if (tensor.type == TRITONSERVER_TYPE_INT32) return values_of<int32_t>(tensor);
  if (tensor.type != TRITONSERVER_TYPE_INT64) {
    refuse("input \"", tensor.name, "\" is not of type INT64 or INT32");
  }
  std::vector<int32_t> narrow;
  for (const int64_t value : values_of<int64_t>(tensor)) {
    if (!std::in_range<int32_t>(value)) {
      refuse("input \"", tensor.name, "\" holds ", value, ", which is no 32-bit number");
    }
    narrow.push_back(static_cast<int32_t>(value));
  }
  return narrow;
}

std::string packed_strings(std::span<const std::string> texts) {
  std::string bytes;
  for (const std::string& text : texts) append_bytes_element(bytes, text);
  return bytes;
}

Exchange::Exchange(TRITONBACKEND_Request* request) : request_(request) {
  uint32_t count = 0;
  check(TRITONBACKEND_RequestOutputCount(request, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    check(TRITONBACKEND_RequestOutputName(request, i, &name));
    outputs_.emplace_back(name);
  }
  check(TRITONBACKEND_ResponseNew(&response_, request));
}

Exchange::Exchange(Exchange&& other) noexcept
    : request_(other.request_),
      response_(std::exchange(other.response_, nullptr)),
      outputs_(std::move(other.outputs_)),
      error_(std::move(other.error_)) {}

Exchange::~Exchange() {
  if (response_ == nullptr) return;
  log_failure("a response was not deleted", TRITONBACKEND_ResponseDelete(response_));
}

bool Exchange::is_cancelled() const {
  if (TRITONBACKEND_RequestIsCancelled == nullptr) return false;
  bool cancelled = false;
  check(TRITONBACKEND_RequestIsCancelled(request_, &cancelled));
  return cancelled;
}

bool Exchange::wants(std::string_view output) const {
  return std::ranges::find(outputs_, output) != outputs_.end();
}

void Exchange::fail(const Error& error) {
  if (!error_) error_ = error;
}

void Exchange::add_output(const char* name, TRITONSERVER_DataType type,
                          std::span<const int64_t> shape, std::string_view bytes) {
  TRITONBACKEND_Output* output = nullptr;
  check(TRITONBACKEND_ResponseOutput(response_, &output, name, type, shape.data(),
                                     static_cast<uint32_t>(shape.size())));
  void* data = nullptr;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  int64_t memory_id = 0;
  check(TRITONBACKEND_OutputBuffer(output, &data, bytes.size(), &memory, &memory_id));
  if (memory == TRITONSERVER_MEMORY_GPU) {
    tamis::fail(ErrorCode::kUnsupported, "output \"", std::string_view(name),
                "\" is asked for on a card; tamis writes it into the host's memory");
  }
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
}

// Triton's response cache keeps a failed response as one without outputs, and gives that to the
// next client as an answer. It does not keep one with an output that has no buffer.
void Exchange::keep_from_cache() const {
  if (outputs_.empty()) return;
  const int64_t shape = 0;
  TRITONBACKEND_Output* output = nullptr;
  TRITONSERVER_Error* const failed = TRITONBACKEND_ResponseOutput(
      response_, &output, outputs_[0].c_str(), TRITONSERVER_TYPE_FP32, &shape, 1);
  if (failed != nullptr) TRITONSERVER_ErrorDelete(failed);
}

void Exchange::send() noexcept {
  TRITONSERVER_Error* const error = error_ ? error_of(*error_) : nullptr;
  if (error != nullptr) keep_from_cache();
  TRITONSERVER_Error* const failed = TRITONBACKEND_ResponseSend(
      std::exchange(response_, nullptr), TRITONSERVER_RESPONSE_COMPLETE_FINAL, error);
  if (error != nullptr) TRITONSERVER_ErrorDelete(error);
  log_failure("a response was not sent", failed);
}

}  // namespace tamis::triton
