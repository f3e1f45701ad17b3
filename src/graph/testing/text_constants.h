// Constants for graphs that tests write as text.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <string_view>

#include "base/error.h"
#include "graph/graph.h"

namespace tamis::graph::testing {

/// Float32 tensors for the "constant" lines of a graph text, drawn from their names and sizes;
/// those that are called gamma lie around 1, and a number is 0.5, as an attention's scale may be.
class TextConstants {
 public:
  explicit TextConstants(const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
      if (line.starts_with("constant %")) declare(line);
    }
  }
  static std::shared_ptr<const Tensor> find(void* context, std::string_view name) {
    const auto& tensors = static_cast<TextConstants*>(context)->tensors_;
    const auto found = tensors.find(std::string(name));
    return found == tensors.end() ? nullptr : found->second;
  }

 private:
  void declare(const std::string& line) {
    const size_t colon = line.find(" : F32[");
    TAMIS_CHECK(colon != std::string::npos);
    std::string name = line.substr(10, colon - 10);
    if (name.front() == '"') name = name.substr(1, name.size() - 2);
    std::vector<int64_t> sizes;
    std::istringstream dims(line.substr(colon + 7));
    int64_t size = 0;
    while (dims >> size) {
      sizes.push_back(size);
      dims.ignore(1, ',');
    }
    Tensor tensor(DType::kF32, Shape(sizes));
    uint32_t seed = 1;
    for (const char c : name) seed = seed * 31 + static_cast<unsigned char>(c);
    std::mt19937 engine(seed);
    const float middle = name.find("gamma") == std::string::npos ? 0.0f : 1.0f;
    for (float& value : tensor.mutable_as<float>()) {
      value = middle + (static_cast<float>(engine() >> 8) * 0x1p-24f - 0.5f);
    }
    if (sizes.empty()) tensor.mutable_as<float>()[0] = 0.5f;
    tensors_[name] = std::make_shared<const Tensor>(std::move(tensor));
  }

  std::map<std::string, std::shared_ptr<const Tensor>> tensors_;
};

}  // namespace tamis::graph::testing
