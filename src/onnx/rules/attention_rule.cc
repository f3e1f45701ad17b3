#include "onnx/rules/attention_rule.h"

#include <algorithm>
#include <cmath>

#include "onnx/rules/global_rule.h"

namespace tamis::onnx {

namespace {

// A query's place.
struct Query {
  int64_t sequence = 0;
  int64_t token = 0;
  int64_t head = 0;
};

// exp(factor * q k) v, summed up over keys.
class Context {
 public:
  Context(const SampledHeads& rows, int64_t columns, int64_t heads)
      : rows_(rows), columns_(columns), size_(columns / heads) {}

  // `first`: the row of the sequence's first token.
  void begin(int64_t first, const Query& query, double factor) {
    first_ = first;
    offset_ = query.head * size_;
    query_ = rows_.queries.data() + (first + query.token) * columns_ + offset_;
    factor_ = factor;
    sum_ = 0;
    sums_.assign(static_cast<size_t>(size_), 0.0);
  }

  void see(int64_t token) {
    const int64_t at = (first_ + token) * columns_ + offset_;
    double product = 0;
    for (int64_t c = 0; c < size_; ++c) product += query_[c] * rows_.keys[to_size(at + c)];
    const double weight = std::exp(factor_ * product);
    sum_ += weight;
    for (int64_t c = 0; c < size_; ++c) {
      sums_[to_size(c)] += weight * rows_.values[to_size(at + c)];
    }
  }

  [[nodiscard]] bool is(const std::vector<double>& context, int64_t token, double tolerance) const {
    const int64_t at = (first_ + token) * columns_ + offset_;
    for (int64_t c = 0; c < size_; ++c) {
      if (!(std::abs(sums_[to_size(c)] / sum_ - context[to_size(at + c)]) <= tolerance)) {
        return false;
      }
    }
    return true;
  }

 private:
  static size_t to_size(int64_t i) { return static_cast<size_t>(i); }

  const SampledHeads& rows_;
  int64_t columns_;
  int64_t size_;
  int64_t first_ = 0;
  int64_t offset_ = 0;
  const double* query_ = nullptr;
  double factor_ = 1;
  double sum_ = 0;
  std::vector<double> sums_;
};

// One sequence of one probe: its tokens, and which of them all see.
struct Sequence {
  const SampledAttention& of;
  int64_t index = 0;
  int64_t first = 0;
  int64_t count = 0;
  std::vector<bool> global;
  int64_t columns = 0;
};

std::vector<Sequence> sequences_of(std::span<const SampledAttention> probes,
                                   const GlobalTokenRule& rule) {
  std::vector<Sequence> sequences;
  for (const SampledAttention& of : probes) {
    const BatchSizes& sizes = of.probe->sizes;
    const auto values = static_cast<int64_t>(of.context.size());
    for (int64_t b = 0; b < sizes.sequences; ++b) {
      Sequence sequence{of, b, b * sizes.tokens, 0, {}, values / sizes.sequences / sizes.tokens};
      sequence.count = static_cast<int64_t>(of.probe->count_tokens(b));
      sequence.global.resize(static_cast<size_t>(sequence.count));
      for (const int64_t place : global_places(rule, *of.probe, b)) {
        sequence.global[static_cast<size_t>(place)] = true;
      }
      sequences.push_back(std::move(sequence));
    }
  }
  return sequences;
}

// How far a query looks in direction `step` that sees all on its other side: -1 where it sees all.
// Nothing: no number of keys gives its context.
std::optional<int64_t> reach(const Sequence& sequence, int64_t token, int64_t step,
                             const AttentionCandidates& candidates, double factor) {
  Context context(sequence.of.local, sequence.columns, candidates.heads);
  context.begin(sequence.first, {sequence.index, token, 0}, factor);
  const auto is_behind = [&](int64_t i) { return (i - token) * step > 0; };
  for (int64_t i = 0; i < sequence.count; ++i) {
    if (!is_behind(i) || sequence.global[static_cast<size_t>(i)]) context.see(i);
  }
  for (int64_t i = token;; i += step) {
    const bool last = i + step < 0 || i + step >= sequence.count;
    if (context.is(sequence.of.context, token, candidates.tolerance)) {
      if (last) return -1;
      // Behind tokens that all see nothing tells whether it looks farther.
      const bool ends = !sequence.global[static_cast<size_t>(i + step)];
      return ends ? std::optional(std::abs(i - token)) : std::nullopt;
    }
    if (last) return std::nullopt;
    if (!sequence.global[static_cast<size_t>(i + step)]) context.see(i + step);
  }
}

// Of queries at either end of the longest sequence, as far as not all see them.
std::optional<MaskRule> window_of(const std::vector<Sequence>& sequences,
                                  const GlobalTokenRule& rule,
                                  const AttentionCandidates& candidates, double factor) {
  const Sequence& longest = *std::ranges::max_element(
      sequences, {}, [](const Sequence& sequence) { return sequence.count; });
  const auto begin = longest.global.begin();
  const auto first = std::find(begin, longest.global.end(), false);
  if (first == longest.global.end()) return std::nullopt;
  const auto last = std::find(longest.global.rbegin(), longest.global.rend(), false);
  const auto right = reach(longest, first - begin, 1, candidates, factor);
  if (!right) return std::nullopt;
  const int64_t end = longest.count - 1 - (last - longest.global.rbegin());
  const auto left = reach(longest, end, -1, candidates, factor);
  if (!left) return std::nullopt;
  return MaskRule{*left, *right, rule};
}

// Whether all heads of each query that is a token and `is_one` have their context.
template <typename IsOne, typename Sees>
bool holds(const Sequence& sequence, const SampledHeads& rows, double factor,
           const AttentionCandidates& candidates, IsOne is_one, Sees sees) {
  Context context(rows, sequence.columns, candidates.heads);
  for (int64_t q = 0; q < sequence.count; ++q) {
    if (!is_one(q)) continue;
    for (int64_t head = 0; head < candidates.heads; ++head) {
      context.begin(sequence.first, {sequence.index, q, head}, factor);
      for (int64_t k = 0; k < sequence.count; ++k) {
        if (sees(q, k)) context.see(k);
      }
      if (!context.is(sequence.of.context, q, candidates.tolerance)) return false;
    }
  }
  return true;
}

bool holds_locally(const std::vector<Sequence>& sequences, const AttentionRule& rule,
                   const AttentionCandidates& candidates) {
  return std::ranges::all_of(sequences, [&](const Sequence& sequence) {
    const auto is_global = [&](int64_t i) { return sequence.global[static_cast<size_t>(i)]; };
    return holds(
        sequence, sequence.of.local, rule.factor, candidates,
        [&](int64_t q) { return !is_global(q); },
        [&](int64_t q, int64_t k) {
          const bool near = (rule.mask.left < 0 || k >= q - rule.mask.left) &&
                            (rule.mask.right < 0 || k <= q + rule.mask.right);
          return near || is_global(k);
        });
  });
}

bool holds_globally(const std::vector<Sequence>& sequences, double factor,
                    const AttentionCandidates& candidates) {
  return std::ranges::all_of(sequences, [&](const Sequence& sequence) {
    return holds(
        sequence, sequence.of.global, factor, candidates,
        [&](int64_t q) { return sequence.global[static_cast<size_t>(q)]; },
        [](int64_t, int64_t) { return true; });
  });
}

// The factor of the tokens that all see, which need not be that of the others.
std::optional<AttentionRule> with_global(const std::vector<Sequence>& sequences, AttentionRule rule,
                                         const AttentionCandidates& candidates) {
  if (rule.mask.global.rule == graph::GlobalRule::kNone) return rule;
  for (const double factor : candidates.factors) {
    rule.global_factor = factor;
    if (holds_globally(sequences, factor, candidates)) return rule;
  }
  return std::nullopt;
}

}  // namespace

std::optional<AttentionRule> attention_rule(std::span<const SampledAttention> probes,
                                            const AttentionCandidates& candidates) {
  for (const GlobalTokenRule& tokens : candidates.rules) {
    const std::vector<Sequence> sequences = sequences_of(probes, tokens);
    for (const double factor : candidates.factors) {
      const auto mask = window_of(sequences, tokens, candidates, factor);
      if (!mask) continue;
      const AttentionRule rule{factor, 1, *mask};
      if (!holds_locally(sequences, rule, candidates)) continue;
      if (const auto whole = with_global(sequences, rule, candidates)) return whole;
    }
  }
  return std::nullopt;
}

}  // namespace tamis::onnx
