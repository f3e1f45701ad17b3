#include "onnx/rules/dropout_rule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace tamis::onnx {
namespace {

constexpr int64_t kMask = 32;

const std::array<Probe, kProbes>& probes() {
  static const auto kMade = make_probes(64, kMask);
  return kMade;
}

/// A token's id, and its sequence's tokens and masks, without and with those of padding.
struct Place {
  double id;
  double tokens;
  double masks;
  double all_masks;
};

std::vector<Array> factors(const std::function<double(const Place&)>& of) {
  std::vector<Array> arrays;
  for (const Probe& probe : probes()) {
    std::vector<double> values;
    for (int64_t s = 0; s < probe.sizes.sequences; ++s) {
      double masks = 0;
      double all_masks = 0;
      for (int64_t t = 0; t < probe.sizes.tokens; ++t) {
        const double id = probe.input_ids[s * probe.sizes.tokens + t];
        masks += id == kMask && probe.is_token(s, t) ? 1 : 0;
        all_masks += id == kMask ? 1 : 0;
      }
      for (int64_t t = 0; t < probe.sizes.tokens; ++t) {
        values.push_back(of({probe.input_ids[s * probe.sizes.tokens + t], probe.count_tokens(s),
                             masks, all_masks}));
      }
    }
    arrays.push_back(make_array({probe.sizes.sequences, probe.sizes.tokens, 1}, ElementType::kFloat,
                                std::move(values)));
  }
  return arrays;
}

double dropped_by(const Place& place, double masks) {
  const double factor = 0.88 / (1 - masks / place.tokens);
  return place.id == kMask ? 0 * factor : factor;
}
double dropped(const Place& place) { return dropped_by(place, place.masks); }
double dropped_by_all(const Place& place) { return dropped_by(place, place.all_masks); }

TEST(DropoutRule, FindsTheMaskAndWhatIsKept) {
  for (const auto& factor : {dropped, dropped_by_all}) {
    const auto rule = dropout_rule(factors(factor), probes());
    ASSERT_TRUE(rule.has_value());
    EXPECT_EQ(rule->mask_token, kMask);
    EXPECT_FLOAT_EQ(rule->kept, 0.88f);
  }
}

TEST(DropoutRule, RefusesOtherFactors) {
  const std::function<double(const Place&)> others[] = {
      [](const Place&) { return 1.0; },
      [](const Place& place) { return place.id == kMask ? 0.0 : 0.88; },
      [](const Place& place) { return place.id == 3 ? 0.0 : dropped(place); },
      [](const Place& place) { return place.id == 3 ? 1.0 : dropped(place); },
      [](const Place& place) { return place.id == kMask ? 0.0 : place.id * dropped(place); },
      [](const Place& place) { return -dropped(place); },
  };
  for (size_t i = 0; i < std::size(others); ++i) {
    EXPECT_FALSE(dropout_rule(factors(others[i]), probes()).has_value()) << i;
  }
}

}  // namespace
}  // namespace tamis::onnx
