#include "onnx/rules/rules.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/stored_tensor.h"
#include "kernels/reference/position_buckets.h"

namespace tamis::onnx {

namespace {

// True if `expected(probe, sequence, token)` is the id of every token.
template <typename Expected>
bool holds(std::span<const Array> ids, std::span<const Probe> probes, Expected expected) {
  for (size_t p = 0; p < ids.size(); ++p) {
    const BatchSizes& sizes = probes[p].sizes;
    for (int64_t b = 0; b < sizes.sequences; ++b) {
      for (int64_t i = 0; i < sizes.tokens; ++i) {
        if (!probes[p].is_token(b, i)) continue;
        if (ids[p][b * sizes.tokens + i] != expected(probes[p], b, i)) return false;
      }
    }
  }
  return true;
}

double roberta_position(const Probe& probe, int64_t b, int64_t i, double padding) {
  const int64_t row = b * probe.sizes.tokens;
  if (probe.input_ids[row + i] == padding) return padding;
  double count = 0;
  for (int64_t j = 0; j <= i; ++j) count += probe.input_ids[row + j] != padding ? 1 : 0;
  return padding + count;
}

// What stands before the first place: mBART's rule, by the count of ids that are not `padding`
// among all of a sequence's, or among its tokens.
double last_id(const Probe& probe, int64_t b, double padding, bool tokens_only) {
  const int64_t row = b * probe.sizes.tokens;
  int64_t count = 0;
  for (int64_t i = 0; i < probe.sizes.tokens; ++i) {
    const bool counts = probe.is_token(b, i) || !tokens_only;
    count += counts && probe.input_ids[row + i] != padding ? 1 : 0;
  }
  return probe.input_ids[row + std::max<int64_t>(count - 1, 0)];
}

// The rule of ids that are input_ids one place on; nothing: they are not.
std::optional<IdsRule> shift_rule(std::span<const Array> ids, std::span<const Probe> probes) {
  // True if front(probe, sequence) is what stands before the moved ids.
  const auto is_shifted = [&](auto front) {
    return holds(ids, probes, [&](const Probe& p, int64_t b, int64_t i) {
      return i == 0 ? front(p, b) : p.input_ids[b * p.sizes.tokens + i - 1];
    });
  };
  const double first = ids[0][0];
  if (first >= 0 && is_shifted([first](const Probe&, int64_t) { return first; })) {
    return IdsRule{IdsKind::kShifted, static_cast<int64_t>(first)};
  }
  for (const double padding : ids_of(probes)) {
    for (const bool tokens_only : {false, true}) {
      if (is_shifted(
              [=](const Probe& p, int64_t b) { return last_id(p, b, padding, tokens_only); })) {
        return IdsRule{IdsKind::kShiftedFromEnd, static_cast<int64_t>(padding)};
      }
    }
  }
  return std::nullopt;
}

std::vector<Array> spread_to_batch(std::span<const Array> ids, std::span<const Probe> probes) {
  std::vector<Array> wide;
  for (size_t p = 0; p < ids.size(); ++p) {
    const Dims dims = {probes[p].sizes.sequences, probes[p].sizes.tokens};
    const Dims row = {1, dims[1]};
    const bool fits = ids[p].dims == dims || ids[p].dims == row || ids[p].dims == Dims{dims[1]};
    if (!fits) return {};
    wide.push_back(spread(ids[p], dims));
  }
  return wide;
}

// A table of who sees whom for one probe, and what speaks against the array as a mask.
class MaskReader {
 public:
  MaskReader(const Array& added, const Probe& probe) : probe_(probe) {
    const BatchSizes& sizes = probe.sizes;
    Dims dims = added.dims;
    while (dims.size() < 4) dims.insert(dims.begin(), 1);
    const Dims wanted = {sizes.sequences, std::max<int64_t>(dims[1], 1), sizes.tokens,
                         sizes.tokens};
    heads_ = wanted[1];
    mask_ = spread({dims, added.type, added.data}, wanted);
  }

  // Narrows `rule` to the windows that hold here.
  bool read(MaskRule& rule, std::string& why) const {
    const int64_t tokens = probe_.sizes.tokens;
    for (int64_t b = 0; b < probe_.sizes.sequences; ++b) {
      for (int64_t h = 0; h < heads_; ++h) {
        for (int64_t q = 0; q < tokens; ++q) {
          if (probe_.is_token(b, q) && !read_row(b, h, q, rule, why)) return false;
        }
      }
    }
    return true;
  }

 private:
  bool read_row(int64_t b, int64_t h, int64_t q, MaskRule& rule, std::string& why) const {
    const int64_t tokens = probe_.sizes.tokens;
    int64_t first = tokens;
    int64_t last = -1;
    for (int64_t k = 0; k < tokens; ++k) {
      const double value = mask_[((b * heads_ + h) * tokens + q) * tokens + k];
      const bool seen = value == 0;
      if (!seen && !(value <= kMaskLimit)) {
        why = cat("a mask value of ", value, "; accepted are 0 and values of at most ", kMaskLimit);
        return false;
      }
      if (seen && !probe_.is_token(b, k)) {
        why = "padding is not masked";
        return false;
      }
      if (!seen) continue;
      if (last >= 0 && last != k - 1) {
        why = "keys that are not next to each other are masked";
        return false;
      }
      first = std::min(first, k);
      last = k;
    }
    return fits_window(b, q, first, last, rule, why);
  }

  // [first, last] is what q sees; the sequence's tokens go from 0 to the last that is one.
  bool fits_window(int64_t b, int64_t q, int64_t first, int64_t last, MaskRule& rule,
                   std::string& why) const {
    int64_t end = 0;
    while (end < probe_.sizes.tokens && probe_.is_token(b, end)) ++end;
    const bool left = first == 0 || narrow(rule.left, q - first);
    const bool right = last == end - 1 || narrow(rule.right, last - q);
    // A window that was found must hold here too, unless the sequence ends before it does.
    const bool held = (rule.left < 0 || first == std::max<int64_t>(0, q - rule.left)) &&
                      (rule.right < 0 || last == std::min(end - 1, q + rule.right));
    if (left && right && held) return true;
    why = "a mask that is no window around each token";
    return false;
  }

  static bool narrow(int64_t& side, int64_t distance) {
    if (distance < 0 || (side >= 0 && side != distance)) return false;
    side = distance;
    return true;
  }

  const Probe& probe_;
  Array mask_;
  int64_t heads_ = 1;
};

// Where distances of T5 end at most; 128 in all checkpoints that are out.
constexpr int64_t kMostT5Distance = 2048;

// Beyond the probes, too.
bool agree_on_t5_buckets(int64_t buckets, int64_t a, int64_t b) {
  using kernels::reference::t5_bucket;
  for (int64_t distance = 0; distance <= 2 * kMostT5Distance; ++distance) {
    if (t5_bucket(distance, buckets, a) != t5_bucket(distance, buckets, b)) return false;
  }
  return true;
}

// Those of the first sequence's first query, of whose keys one at least is a neighbor.
std::vector<float> slopes_of(const Array& added, int64_t tokens) {
  std::vector<float> slopes;
  for (int64_t h = 0; h < added.dims[1]; ++h) {
    const double slope = -added[(h * tokens) * tokens + 1];
    if (!(slope > 0 && slope < -kMaskLimit)) return {};
    slopes.push_back(static_cast<float>(slope));
  }
  return slopes;
}

// 0 where the bias by distance alone is, what is left where a key is hidden. Nothing: a value is
// neither.
std::optional<Array> mask_without_slopes(const Array& added, std::span<const float> slopes) {
  const int64_t tokens = added.dims[3];
  const auto heads = static_cast<int64_t>(slopes.size());
  if (added.dims[1] != heads) return std::nullopt;
  std::vector<double> left(added.data->size());
  for (int64_t i = 0; i < added.elements(); ++i) {
    const auto distance = static_cast<double>(std::abs(i / tokens % tokens - i % tokens));
    const auto head = static_cast<size_t>(i / (tokens * tokens) % heads);
    const double bias = -static_cast<double>(slopes[head]) * distance;
    const double off = added[i] - bias;
    const bool hidden = added[i] <= kMaskLimit;
    if (!hidden && !(std::abs(off) <= 1e-5 * (1 + std::abs(bias)))) return std::nullopt;
    left[static_cast<size_t>(i)] = hidden ? added[i] : 0;
  }
  return make_array(added.dims, added.type, std::move(left));
}

bool are_t5_buckets(std::span<const Array> ids, std::span<const Probe> probes, int64_t buckets,
                    int64_t max_distance, BucketSides sides) {
  for (size_t p = 0; p < ids.size(); ++p) {
    const int64_t n = probes[p].sizes.tokens;
    for (int64_t i = 0; i < n * n; ++i) {
      const int64_t place = i % n - i / n;
      const int64_t distance = sides == BucketSides::kBefore ? std::min<int64_t>(place, 0) : place;
      const auto wanted =
          static_cast<double>(kernels::reference::t5_bucket(distance, buckets, max_distance));
      if (ids[p][i] != wanted) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<DistanceRule> t5_max_distance(std::span<const Array> ids,
                                            std::span<const Probe> probes, int64_t buckets,
                                            BucketSides sides) {
  // All for one direction are the half of as many again, of which none is behind the query.
  if (sides == BucketSides::kBefore) buckets *= 2;
  if (buckets < 4 || buckets % 4 != 0) return std::nullopt;
  for (size_t p = 0; p < ids.size(); ++p) {
    const int64_t n = probes[p].sizes.tokens;
    if (ids[p].dims != Dims{n, n}) return std::nullopt;
  }
  // T5's and MPNet's own first.
  std::vector<int64_t> candidates = {128, 256, 512, 64, 1024};
  for (int64_t most = buckets / 4 + 1; most <= kMostT5Distance; ++most) candidates.push_back(most);
  std::optional<DistanceRule> rule;
  for (const int64_t most : candidates) {
    if (most <= buckets / 4 || !are_t5_buckets(ids, probes, buckets, most, sides)) continue;
    if (!rule) {
      rule = DistanceRule{most, true};
    } else if (!agree_on_t5_buckets(buckets, rule->max_distance, most)) {
      rule->is_certain = false;
      return rule;
    }
  }
  return rule;
}

std::optional<AlibiRule> alibi_rule(std::span<const Array> added, std::span<const Probe> probes) {
  AlibiRule rule;
  std::vector<Array> masks;
  for (size_t p = 0; p < added.size(); ++p) {
    Dims dims = added[p].dims;
    while (dims.size() < 4) dims.insert(dims.begin(), 1);
    const int64_t tokens = probes[p].sizes.tokens;
    if (dims.size() != 4 || dims[2] != tokens || dims[3] != tokens) return std::nullopt;
    const Array wide = {dims, added[p].type, added[p].data};
    if (wide.elements() == 0 || tokens < 2) return std::nullopt;
    if (p == 0) rule.slopes = slopes_of(wide, tokens);
    if (rule.slopes.empty()) return std::nullopt;
    const auto mask = mask_without_slopes(wide, rule.slopes);
    if (!mask) return std::nullopt;
    rule.masks = rule.masks || std::ranges::any_of(*mask->data, [](double x) { return x != 0; });
    masks.push_back(*mask);
  }
  if (!rule.masks) return rule;
  std::string why;
  const auto mask = mask_rule(masks, probes, why);
  if (!mask) return std::nullopt;
  rule.mask = *mask;
  return rule;
}

std::optional<IdsRule> ids_rule(std::span<const Array> ids, std::span<const Probe> probes) {
  const std::vector<Array> wide = spread_to_batch(ids, probes);
  if (wide.empty()) return std::nullopt;
  const auto at = [](const Probe& probe, int64_t b, int64_t i) {
    return b * probe.sizes.tokens + i;
  };
  if (holds(wide, probes,
            [&](const Probe& p, int64_t b, int64_t i) { return p.input_ids[at(p, b, i)]; })) {
    return IdsRule{IdsKind::kInputIds, 0};
  }
  if (holds(wide, probes,
            [&](const Probe& p, int64_t b, int64_t i) { return p.token_type_ids[at(p, b, i)]; })) {
    return IdsRule{IdsKind::kTokenTypeIds, 0};
  }
  const double first = wide[0][0];
  const auto offset = static_cast<int64_t>(first);
  if (holds(wide, probes, [&](const Probe&, int64_t, int64_t) { return first; })) {
    return IdsRule{IdsKind::kConstant, offset};
  }
  if (holds(wide, probes,
            [&](const Probe&, int64_t, int64_t i) { return first + static_cast<double>(i); })) {
    return IdsRule{IdsKind::kPositions, offset};
  }
  for (const int64_t padding : {offset - 1, offset}) {
    if (padding >= 0 && holds(wide, probes, [&](const Probe& p, int64_t b, int64_t i) {
          return roberta_position(p, b, i, static_cast<double>(padding));
        })) {
      return IdsRule{IdsKind::kRobertaPositions, padding};
    }
  }
  return shift_rule(wide, probes);
}

std::optional<MaskRule> mask_rule(std::span<const Array> added, std::span<const Probe> probes,
                                  std::string& why) {
  MaskRule rule;
  // Twice: a window shows in the long sequence alone, and must then hold in the short ones.
  for (int round = 0; round < 2; ++round) {
    for (size_t p = 0; p < added.size(); ++p) {
      if (!MaskReader(added[p], probes[p]).read(rule, why)) return std::nullopt;
    }
  }
  return rule;
}

bool follows_mask(std::span<const Array> values, std::span<const Probe> probes, double one,
                  double zero) {
  for (size_t p = 0; p < values.size(); ++p) {
    const int64_t tokens = probes[p].attention_mask.elements();
    const int64_t count = values[p].elements();
    if (count == 0 || count % tokens != 0) return false;
    const int64_t each = count / tokens;
    for (int64_t i = 0; i < count; ++i) {
      const double wanted = probes[p].attention_mask[i / each] != 0 ? one : zero;
      if (values[p][i] != wanted) return false;
    }
  }
  return true;
}

}  // namespace tamis::onnx
