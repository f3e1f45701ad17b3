// Any body of a KServe inference, with or without the binary extension's header, is read or
// refused; what is read has tensors whose bytes are what their shapes need, and its answer prints.
//
// The first byte says how long the JSON part is said to be: 0: nothing is said; n: n - 1 parts of
// 254 of the rest.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "serve/dialects/kserve/kserve_json.h"

namespace {

void use(const tamis::serve::KserveBody& body) {
  tamis::serve::KserveResponse response;
  for (const tamis::serve::KserveTensor& input : body.request.inputs) {
    try {
      tamis::serve::check_kserve_data(input);
      if (input.type == tamis::serve::KserveType::kBytes) {
        (void)tamis::serve::kserve_strings(input);
        response.outputs.push_back(input);
      } else {
        (void)tamis::serve::kserve_integers(input);
      }
    } catch (const tamis::Error& error) {
      if (error.code() != tamis::ErrorCode::kInvalidArgument) throw;
    }
  }
  (void)tamis::serve::print_kserve_response(response, body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string length = std::to_string(body.size() * (data[0] - 1U) / 254);
  try {
    if (data[0] == 0) {
      use(tamis::serve::parse_kserve_body(body, std::nullopt));
    } else {
      use(tamis::serve::parse_kserve_body(body, length));
    }
  } catch (const tamis::Error& error) {
    const tamis::ErrorCode code = error.code();
    if (code != tamis::ErrorCode::kInvalidArgument && code != tamis::ErrorCode::kCorruptData) throw;
  }
  return 0;
}
