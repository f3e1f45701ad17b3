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

}  // namespace tamis::api
