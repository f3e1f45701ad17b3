// A request's tensors in, its answer out.
//
// Is: reading inputs from the server's buffers, writing outputs, sending the response. Is not: what
// is computed of them. May use: triton_call.
#pragma once

#include <tamis/error.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "integrations/triton/triton_call.h"

namespace tamis::triton {

/// An input, copied: a client's tensor may lie in several buffers.
struct InputTensor {
  std::string name;
  TRITONSERVER_DataType type = TRITONSERVER_TYPE_INVALID;
  std::vector<int64_t> shape;
  std::string bytes;
};

/// Throws Error{kUnsupported} for a tensor that lies on a card.
[[nodiscard]] std::vector<InputTensor> read_inputs(TRITONBACKEND_Request* request);

/// The tensor of that name; null if there is none.
[[nodiscard]] const InputTensor* find_input(const std::vector<InputTensor>& inputs,
                                            std::string_view name);

/// The elements of a BYTES tensor: four bytes of length, then so many bytes, each. Throws
/// Error{kInvalidArgument} if lengths and shape disagree with what came.
[[nodiscard]] std::vector<std::string> strings_of(const InputTensor& tensor);
/// The elements of an INT32 or INT64 tensor. Throws Error{kInvalidArgument} for a number that is no
/// 32-bit one.
[[nodiscard]] std::vector<int32_t> integers_of(const InputTensor& tensor);
/// Elements by shape. Throws Error{kInvalidArgument} where sizes are negative or multiply to more
/// than fits.
[[nodiscard]] int64_t elements_of(const InputTensor& tensor);

/// A BYTES tensor's bytes.
[[nodiscard]] std::string packed_strings(std::span<const std::string> texts);

/// The answer to a request, which it owns from then on; exactly one response is sent.
class Exchange {
 public:
  explicit Exchange(TRITONBACKEND_Request* request);
  Exchange(Exchange&& other) noexcept;
  Exchange& operator=(Exchange&&) = delete;
  ~Exchange();

  [[nodiscard]] TRITONBACKEND_Request* request() const { return request_; }
  /// The client does not wait any more, as far as the server knows.
  [[nodiscard]] bool is_cancelled() const;
  /// Whether the client asks for the output.
  [[nodiscard]] bool wants(std::string_view output) const;

  [[nodiscard]] bool failed() const { return error_.has_value(); }
  /// The first error counts.
  void fail(const Error& error);

  void add_output(const char* name, TRITONSERVER_DataType type, std::span<const int64_t> shape,
                  std::string_view bytes);
  /// Sends outputs or error. Never throws.
  void send() noexcept;

 private:
  void keep_from_cache() const;

  TRITONBACKEND_Request* request_;
  TRITONBACKEND_Response* response_ = nullptr;
  std::vector<std::string> outputs_;
  std::optional<Error> error_;
};

}  // namespace tamis::triton
