#include "graph/quantizer.h"

namespace tamis::graph {

namespace {

constexpr std::string_view kNames[] = {"per_token_u8", "per_token_s8", "static_s8", "static_u8",
                                       "per_channel_s8"};

}  // namespace

std::string_view scheme_name(QuantScheme scheme) { return kNames[static_cast<size_t>(scheme)]; }

std::optional<QuantScheme> scheme_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<QuantScheme>(i);
  }
  return std::nullopt;
}

}  // namespace tamis::graph
