// Any bytes either parse, and then every byte of every tensor can be read, or are kCorruptData;
// a tensor that cannot be used is kUnsupported.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/error.h"
#include "formats/safetensors.h"

namespace {

using tamis::Error;
using tamis::ErrorCode;

// Reads every byte of every usable tensor.
uint64_t touch(const tamis::SafetensorsContents& contents) {
  uint64_t sum = 0;
  for (const tamis::StoredTensor& stored : contents.tensors) {
    try {
      const tamis::TensorView& view = tamis::usable_tensor(stored)->view();
      for (size_t i = 0; i < view.size_bytes(); ++i) sum += static_cast<uint8_t>(view.data()[i]);
      (void)tamis::first_non_finite(view);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
    }
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const auto contents = tamis::parse_safetensors(bytes, "fuzz", nullptr);
    const uint64_t once = touch(contents);
    TAMIS_CHECK(touch(tamis::parse_safetensors(bytes, "fuzz", nullptr)) == once);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorruptData) throw;
  }
  return 0;
}
