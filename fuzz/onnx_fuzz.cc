// Any bytes either parse, and then are equal when written and read again, or are kCorruptData; what
// is counted but not read is refused as kUnsupported by the writer.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "formats/onnx/onnx_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tamis::Error;
  using tamis::ErrorCode;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const tamis::onnx::ModelProto model = tamis::onnx::parse_onnx(bytes, "fuzz", nullptr);
    const std::string written = tamis::onnx::onnx_bytes(model);
    TAMIS_CHECK(tamis::onnx::parse_onnx(std::as_bytes(std::span(written)), "again", nullptr) ==
                model);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorruptData && error.code() != ErrorCode::kUnsupported) throw;
  }
  return 0;
}
