#include "onnx/rules/global_rule.h"

#include <algorithm>

#include "kernels/reference/global_tokens.h"

namespace tamis::onnx {

using graph::GlobalRule;

namespace {

using kernels::reference::TokenRange;

kernels::GlobalRule kernel_rule(GlobalRule rule) {
  switch (rule) {
    case GlobalRule::kNone:
      return kernels::GlobalRule::kNone;
    case GlobalRule::kFirst:
      return kernels::GlobalRule::kFirst;
    case GlobalRule::kBeforeSeparator:
      return kernels::GlobalRule::kBeforeSeparator;
    case GlobalRule::kBehindSeparator:
      return kernels::GlobalRule::kBehindSeparator;
    case GlobalRule::kThroughSeparator:
      return kernels::GlobalRule::kThroughSeparator;
  }
  return kernels::GlobalRule::kNone;
}

// Places [begin, end) of each sequence.
std::vector<TokenRange> ranges_of(const GlobalTokenRule& rule, const Probe& probe) {
  const int64_t tokens = probe.sizes.tokens;
  std::vector<TokenRange> ranges;
  for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < tokens && probe.is_token(b, i); ++i) {
      ids.push_back(static_cast<int32_t>(probe.input_ids[b * tokens + i]));
    }
    const auto count = static_cast<int64_t>(ids.size());
    ranges.push_back(kernels::reference::global_tokens(
        kernel_rule(rule.rule), static_cast<int32_t>(rule.separator), ids.data(), count));
  }
  return ranges;
}

bool holds(const TokenRange& range, int64_t token) {
  return range.begin <= token && token < range.end;
}

bool chooses(const GlobalTokenRule& rule, const Array& chosen, const Probe& probe) {
  const int64_t tokens = probe.sizes.tokens;
  const std::vector<TokenRange> ranges = ranges_of(rule, probe);
  for (int64_t i = 0; i < probe.sizes.sequences * tokens; ++i) {
    const bool wanted = holds(ranges[static_cast<size_t>(i / tokens)], i % tokens);
    if (probe.is_token(i / tokens, i % tokens) && (chosen[i] != 0) != wanted) return false;
  }
  return true;
}

// The one of the candidates that holds; nothing: none or several do.
template <typename Holds>
std::optional<GlobalTokenRule> only_one(const std::vector<GlobalTokenRule>& candidates,
                                        Holds fits) {
  std::optional<GlobalTokenRule> found;
  for (const GlobalTokenRule& rule : candidates) {
    if (!fits(rule)) continue;
    if (found) return std::nullopt;
    found = rule;
  }
  return found;
}

// What is added to scores in one probe, [sequences, heads, queries, keys].
struct Added {
  const Probe& probe;
  Array mask;
};

// A query that is a token, and one of its keys.
struct Pair {
  const Probe& probe;
  int64_t sequence;
  int64_t query;
  int64_t key;
  double added;
  bool is_global;  ///< the key, by the rule
};

// f of each pair; false as soon as f is.
template <typename F>
bool for_each_pair(const std::vector<Added>& all, const GlobalTokenRule& rule, F f) {
  for (const auto& [probe, mask] : all) {
    const std::vector<TokenRange> ranges = ranges_of(rule, probe);
    const int64_t n = probe.sizes.tokens;
    for (int64_t i = 0; i < mask.elements(); ++i) {
      const int64_t b = i / n / n / mask.dims[1];
      if (!probe.is_token(b, i / n % n)) continue;
      const bool global = holds(ranges[static_cast<size_t>(b)], i % n);
      if (!f(Pair{probe, b, i / n % n, i % n, mask[i], global})) return false;
    }
  }
  return true;
}

// As far as a query sees tokens that not all see.
MaskRule widest_window(const std::vector<Added>& all, const GlobalTokenRule& rule) {
  MaskRule mask{0, 0, rule};
  for_each_pair(all, rule, [&mask](const Pair& pair) {
    if (pair.is_global || pair.added != 0) return true;
    mask.left = std::max(mask.left, pair.query - pair.key);
    mask.right = std::max(mask.right, pair.key - pair.query);
    return true;
  });
  return mask;
}

// Whether a key just beyond either end is hidden that not all see: else the window may be wider.
bool ends_in_sight(const std::vector<Added>& all, const MaskRule& mask) {
  bool left = false;
  bool right = false;
  for_each_pair(all, mask.global, [&](const Pair& pair) {
    const int64_t behind = pair.key - pair.query;
    const bool hidden = !pair.is_global && pair.probe.is_token(pair.sequence, pair.key);
    left = left || (hidden && behind == -mask.left - 1);
    right = right || (hidden && behind == mask.right + 1);
    return !(left && right);
  });
  return left && right;
}

bool is_mask(const std::vector<Added>& all, const MaskRule& mask) {
  return for_each_pair(all, mask.global, [&mask](const Pair& pair) {
    const int64_t behind = pair.key - pair.query;
    const bool seen = pair.is_global || (behind >= -mask.left && behind <= mask.right);
    return seen && pair.probe.is_token(pair.sequence, pair.key) ? pair.added == 0
                                                                : pair.added <= kMaskLimit;
  });
}

}  // namespace

std::vector<GlobalTokenRule> global_candidates(std::span<const Probe> probes, IdsUse use) {
  if (use == IdsUse::kNone) return {{GlobalRule::kFirst, 0}};
  if (use != IdsUse::kCompared) return {};
  std::vector<GlobalTokenRule> candidates;
  for (const double id : ids_of(probes)) {
    for (const GlobalRule rule : {GlobalRule::kBeforeSeparator, GlobalRule::kBehindSeparator,
                                  GlobalRule::kThroughSeparator}) {
      candidates.push_back({rule, static_cast<int64_t>(id)});
    }
  }
  return candidates;
}

std::vector<int64_t> global_places(const GlobalTokenRule& rule, const Probe& probe,
                                   int64_t sequence) {
  const TokenRange range = ranges_of(rule, probe)[static_cast<size_t>(sequence)];
  std::vector<int64_t> places;
  for (int64_t i = range.begin; i < range.end; ++i) places.push_back(i);
  return places;
}

std::optional<GlobalTokenRule> global_tokens_rule(std::span<const Array> chosen,
                                                  std::span<const Probe> probes, IdsUse use) {
  std::vector<Array> wide;
  for (size_t p = 0; p < chosen.size(); ++p) {
    Dims dims;
    for (const int64_t size : chosen[p].dims) {
      if (size != 1) dims.push_back(size);
    }
    const Dims row = {probes[p].sizes.tokens};
    const Dims batch = {probes[p].sizes.sequences, probes[p].sizes.tokens};
    const bool fits = chosen[p].elements() == count_of(batch) || dims == row;
    if (!fits) return std::nullopt;
    wide.push_back(dims == row ? spread({row, chosen[p].type, chosen[p].data}, batch) : chosen[p]);
  }
  return only_one(global_candidates(probes, use), [&](const GlobalTokenRule& rule) {
    for (size_t p = 0; p < wide.size(); ++p) {
      if (!chooses(rule, wide[p], probes[p])) return false;
    }
    return true;
  });
}

std::optional<MaskRule> global_mask_rule(std::span<const Array> added,
                                         std::span<const Probe> probes, IdsUse use) {
  std::vector<Added> all;
  for (size_t p = 0; p < added.size(); ++p) {
    Dims dims = added[p].dims;
    while (dims.size() < 4) dims.insert(dims.begin(), 1);
    const BatchSizes& sizes = probes[p].sizes;
    const Dims wanted = {sizes.sequences, std::max<int64_t>(dims[1], 1), sizes.tokens,
                         sizes.tokens};
    if (dims.size() != 4 || broadcast_dims(dims, wanted) != wanted) return std::nullopt;
    all.push_back({probes[p], spread({dims, added[p].type, added[p].data}, wanted)});
  }
  MaskRule mask;
  const auto rule = only_one(global_candidates(probes, use), [&](const GlobalTokenRule& candidate) {
    const MaskRule found = widest_window(all, candidate);
    if (!is_mask(all, found) || !ends_in_sight(all, found)) return false;
    mask = found;
    return true;
  });
  return rule ? std::optional(mask) : std::nullopt;
}

}  // namespace tamis::onnx
