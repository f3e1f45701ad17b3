// What a model's linear layers compute in.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tamis::engine {

enum class Precision : uint8_t {
  kFp32,
  kBf16,  ///< operands rounded to bf16, sums in fp32
  kInt8,  ///< where the graph has marks that are on; the other layers are fp32
};

/// "fp32", "bf16", "int8".
[[nodiscard]] std::string_view precision_name(Precision precision);
/// Nothing for a name that is not one of those.
[[nodiscard]] std::optional<Precision> precision_from_name(std::string_view name);

}  // namespace tamis::engine
