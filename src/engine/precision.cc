#include "engine/precision.h"

namespace tamis::engine {

namespace {

constexpr std::string_view kNames[] = {"fp32", "bf16", "int8"};

}  // namespace

std::string_view precision_name(Precision precision) {
  return kNames[static_cast<size_t>(precision)];
}

std::optional<Precision> precision_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<Precision>(i);
  }
  return std::nullopt;
}

}  // namespace tamis::engine
