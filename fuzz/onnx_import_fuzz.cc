// Any bytes that parse as an ONNX model are one of our graphs, which verifies, or a refusal that
// names why.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "formats/onnx/onnx_model.h"
#include "onnx/import_onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tamis::Error;
  using tamis::ErrorCode;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const tamis::onnx::ModelProto model = tamis::onnx::parse_onnx(bytes, "fuzz", nullptr);
    const tamis::onnx::ImportedModel imported = tamis::onnx::import_onnx(model, "fuzz");
    tamis::graph::verify(imported.graph);
    TAMIS_CHECK(imported.vocab_size > 0 && imported.hidden_size > 0 && imported.output_size > 0);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorruptData && error.code() != ErrorCode::kUnsupported) throw;
  }
  return 0;
}
