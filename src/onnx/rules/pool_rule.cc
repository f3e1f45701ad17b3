#include "onnx/rules/pool_rule.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tamis::onnx {

namespace {

// Weights are quotients of float32 and roots of them, each rounded by 6e-8.
constexpr double kTolerance = 1e-6;

struct PoolRow {
  Pooling mode;
  double (*weight)(double place, double tokens);
};
constexpr PoolRow kPools[] = {
    {Pooling::kMean, [](double, double tokens) { return 1 / tokens; }},
    {Pooling::kMeanSqrtLen, [](double, double tokens) { return 1 / std::sqrt(tokens); }},
    {Pooling::kWeightedMean,
     [](double place, double tokens) { return (place + 1) / (tokens * (tokens + 1) / 2); }},
};

bool follows(const Array& weights, const Probe& probe, const PoolRow& row) {
  const int64_t tokens = probe.sizes.tokens;
  if (weights.elements() != probe.sizes.sequences * tokens) return false;
  for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
    const double count = probe.count_tokens(b);
    for (int64_t i = 0; i < tokens; ++i) {
      const double wanted = probe.is_token(b, i) ? row.weight(static_cast<double>(i), count) : 0;
      if (!(std::abs(weights[b * tokens + i] - wanted) <= kTolerance * wanted)) return false;
    }
  }
  return true;
}

// Where a sequence without the token that is looked for has it.
constexpr int64_t kNowhere = -1;

// The place of the one weight of a sequence that is 1, all others being 0; kNowhere where none is a
// number; nothing: others.
std::optional<int64_t> only_place(std::span<const double> weights) {
  if (std::ranges::all_of(weights, [](double w) { return std::isnan(w); })) return kNowhere;
  std::optional<int64_t> place;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    if (place || weights[i] != 1) return std::nullopt;
    place = static_cast<int64_t>(i);
  }
  return place;
}

// The places of the tokens that alone have a weight; nothing: weights of others.
std::optional<Array> only_places(const Array& weights, const Probe& probe) {
  const auto [sequences, tokens] = probe.sizes;
  if (weights.elements() != sequences * tokens) return std::nullopt;
  std::vector<double> places;
  for (int64_t b = 0; b < sequences; ++b) {
    const auto place =
        only_place(std::span(*weights.data)
                       .subspan(static_cast<size_t>(b * tokens), static_cast<size_t>(tokens)));
    if (!place) return std::nullopt;
    places.push_back(static_cast<double>(*place));
  }
  return make_array({sequences}, ElementType::kInt64, std::move(places));
}

// Whether the array holds f(probe, sequence) for each of the sequences.
template <typename Place>
bool are_places(std::span<const Array> places, std::span<const Probe> probes, Place f) {
  for (size_t p = 0; p < places.size(); ++p) {
    if (places[p].elements() != probes[p].sizes.sequences) return false;
    for (int64_t b = 0; b < probes[p].sizes.sequences; ++b) {
      if (places[p][b] != static_cast<double>(f(probes[p], b))) return false;
    }
  }
  return true;
}

int64_t last_of_all(const Probe& probe, int64_t sequence) {
  return static_cast<int64_t>(probe.count_tokens(sequence)) - 1;
}

// Of a sequence's first `count` ids, the last that fits, or kNowhere.
template <typename Fits>
int64_t last_where(int64_t count, const Probe& probe, int64_t sequence, Fits fits) {
  int64_t place = count - 1;
  while (place > kNowhere && !fits(probe.input_ids[sequence * probe.sizes.tokens + place])) --place;
  return place;
}

// The last that is not padding; the first where all are.
int64_t last_but(double padding, int64_t count, const Probe& probe, int64_t sequence) {
  const auto fits = [padding](double id) { return id != padding; };
  return std::max<int64_t>(last_where(count, probe, sequence, fits), 0);
}

// The id whose last token is there, among tokens; nothing: other places.
std::optional<int64_t> token_of(std::span<const Array> places, std::span<const Probe> probes) {
  for (const double id : ids_of(probes)) {
    if (are_places(places, probes, [id](const Probe& probe, int64_t b) {
          const auto fits = [id](double other) { return other == id; };
          return last_where(last_of_all(probe, b) + 1, probe, b, fits);
        })) {
      return static_cast<int64_t>(id);
    }
  }
  return std::nullopt;
}

// The id of padding, which the mask hides too or, as padding has no other, alone tells; nothing:
// other places.
std::optional<int64_t> padding_of(std::span<const Array> places, std::span<const Probe> probes) {
  for (const double id : ids_of(probes)) {
    const auto in_mask = [id](const Probe& probe, int64_t b) {
      return last_but(id, last_of_all(probe, b) + 1, probe, b);
    };
    const auto in_row = [id](const Probe& probe, int64_t b) {
      return last_but(id, probe.sizes.tokens, probe, b);
    };
    if (are_places(places, probes, in_mask) || are_places(places, probes, in_row)) {
      return static_cast<int64_t>(id);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<graph::PoolAttributes> pool_rule(std::span<const Array> weights,
                                               std::span<const Probe> probes) {
  for (const PoolRow& row : kPools) {
    bool all = true;
    for (size_t p = 0; p < weights.size(); ++p) all = all && follows(weights[p], probes[p], row);
    if (all) return graph::PoolAttributes{{row.mode}};
  }
  std::vector<Array> places;
  for (size_t p = 0; p < weights.size(); ++p) {
    auto only = only_places(weights[p], probes[p]);
    if (!only) return std::nullopt;
    places.push_back(*std::move(only));
  }
  return place_rule(places, probes);
}

std::optional<graph::PoolAttributes> place_rule(std::span<const Array> places,
                                                std::span<const Probe> probes) {
  if (are_places(places, probes, [](const Probe&, int64_t) { return 0; })) {
    return graph::PoolAttributes{{Pooling::kCls}};
  }
  graph::PoolAttributes last{{Pooling::kLastToken}};
  if (are_places(places, probes, last_of_all)) return last;
  if (const auto token = token_of(places, probes)) {
    last.token = *token;
    return last;
  }
  const auto padding = padding_of(places, probes);
  if (!padding) return std::nullopt;
  last.padding_idx = *padding;
  return last;
}

}  // namespace tamis::onnx
