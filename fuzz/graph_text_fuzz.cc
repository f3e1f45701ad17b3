// Any bytes either parse as a graph, and then print and parse again to the same text, or are an
// Error that is not ours.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "graph/graph.h"

namespace {

std::shared_ptr<const tamis::Tensor> constant_for(void*, std::string_view name) {
  if (name == "word")
    return std::make_shared<tamis::Tensor>(tamis::DType::kF32, tamis::Shape{10, 8});
  if (name == "square") {
    return std::make_shared<tamis::Tensor>(tamis::DType::kF32, tamis::Shape{8, 8});
  }
  if (name == "vector") return std::make_shared<tamis::Tensor>(tamis::DType::kF32, tamis::Shape{8});
  return nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tamis::graph::parse_graph;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string printed;
  try {
    printed = print(parse_graph(text, "fuzz", constant_for, nullptr));
  } catch (const tamis::Error& error) {
    if (error.code() == tamis::ErrorCode::kInternal) throw;
    return 0;
  }
  TAMIS_CHECK(print(parse_graph(printed, "printed", constant_for, nullptr)) == printed);
  return 0;
}
