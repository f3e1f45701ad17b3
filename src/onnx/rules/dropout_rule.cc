#include "onnx/rules/dropout_rule.h"

#include <cmath>
#include <vector>

namespace tamis::onnx {

namespace {

struct Token {
  double id = 0;
  double factor = 0;
};

std::vector<Token> tokens_of(const Array& factors, const Probe& probe, int64_t sequence) {
  std::vector<Token> tokens;
  for (int64_t t = 0; t < probe.sizes.tokens; ++t) {
    if (!probe.is_token(sequence, t)) continue;
    const int64_t at = sequence * probe.sizes.tokens + t;
    tokens.push_back({probe.input_ids[at], factors[at]});
  }
  return tokens;
}

// The id of the first token that has no part in anything; negative: there is none.
double dropped_id(std::span<const Array> factors, std::span<const Probe> probes) {
  for (size_t p = 0; p < probes.size(); ++p) {
    for (int64_t s = 0; s < probes[p].sizes.sequences; ++s) {
      for (const Token& token : tokens_of(factors[p], probes[p], s)) {
        if (token.factor == 0) return token.id;
      }
    }
  }
  return -1;
}

// Masks of a sequence: of its tokens, or of padding too, as ESM's class counts them, which is the
// same where padding has an id of its own.
double masks_of(const Probe& probe, int64_t sequence, double mask, bool padding) {
  double masks = 0;
  for (int64_t t = 0; t < probe.sizes.tokens; ++t) {
    const bool counts = padding || probe.is_token(sequence, t);
    if (counts && probe.input_ids[sequence * probe.sizes.tokens + t] == mask) ++masks;
  }
  return masks;
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-5 * std::abs(b); }

// What all tokens of a sequence but the masks are kept by, before their share counts. Nothing: they
// differ, or a mask is kept. NaN: there is nothing but masks.
std::optional<double> kept_of(const std::vector<Token>& tokens, double mask, double left) {
  double kept = NAN;
  for (const Token& token : tokens) {
    if (left == 0) break;
    if (token.id == mask) {
      if (token.factor != 0) return std::nullopt;
      continue;
    }
    const double one = token.factor * left;
    if (!std::isnan(kept) && !near(one, kept)) return std::nullopt;
    kept = one;
  }
  return kept;
}

// The same of all sequences.
std::optional<double> kept_of_all(std::span<const Array> factors, std::span<const Probe> probes,
                                  double mask, bool padding) {
  double kept = NAN;
  for (size_t p = 0; p < probes.size(); ++p) {
    for (int64_t s = 0; s < probes[p].sizes.sequences; ++s) {
      const std::vector<Token> tokens = tokens_of(factors[p], probes[p], s);
      const double masks = masks_of(probes[p], s, mask, padding);
      const auto here = kept_of(tokens, mask, 1 - masks / static_cast<double>(tokens.size()));
      if (!here) return std::nullopt;
      if (std::isnan(*here)) continue;
      if (!std::isnan(kept) && !near(*here, kept)) return std::nullopt;
      kept = *here;
    }
  }
  return kept > 0 ? std::optional(kept) : std::nullopt;
}

}  // namespace

std::optional<graph::TokenDropoutAttributes> dropout_rule(std::span<const Array> factors,
                                                          std::span<const Probe> probes) {
  for (size_t p = 0; p < probes.size(); ++p) {
    if (factors[p].elements() != probes[p].input_ids.elements()) return std::nullopt;
  }
  const double mask = dropped_id(factors, probes);
  if (mask < 0) return std::nullopt;
  for (const bool padding : {false, true}) {
    const auto kept = kept_of_all(factors, probes, mask, padding);
    if (!kept) continue;
    return graph::TokenDropoutAttributes{static_cast<int64_t>(mask), static_cast<float>(*kept)};
  }
  return std::nullopt;
}

}  // namespace tamis::onnx
