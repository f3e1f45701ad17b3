#include "model/calibration_texts.h"

namespace tamis::api {
namespace {

#define X(text) std::string_view(text),
constexpr std::string_view kTexts[] = {
#include "model/calibration_texts.inc"
};
#undef X

}  // namespace

std::span<const std::string_view> calibration_texts() { return kTexts; }

std::span<const std::string_view> range_texts() {
  return calibration_texts().first(std::min<size_t>(128, calibration_texts().size()));
}

}  // namespace tamis::api
