#include <algorithm>
#include <compare>

#include "base/error.h"
#include "engines/cpu/attention_terms.h"
#include "engines/cpu/lowering.h"
#include "graph/attention_part.h"
#include "kernels/cpu/attention_bf16/attention_bf16.h"
#include "kernels/cpu/attention_f32/attention_f32.h"

namespace tamis::engines::cpu {

namespace {

/// Where q, k and v are: three values, or columns of one or two.
struct Operands {
  Operands(const graph::Node& node, const Lowering& lowering) {
    constexpr graph::Operand kOperands[] = {graph::Operand::kQ, graph::Operand::kK,
                                            graph::Operand::kV};
    for (size_t i = 0; i < 3; ++i) {
      const graph::AttentionPart part = graph::attention_part(lowering.graph(), node, kOperands[i]);
      value[i] = part.value;
      first_column[i] = part.first_column;
      stride[i] = lowering.columns(value[i]);
    }
    rows = lowering.shape(node.output)[0].symbol;
  }

  graph::ValueId value[3] = {};
  int64_t first_column[3] = {};
  int64_t stride[3] = {};
  graph::Symbol rows;  // of q and the output
};

// Rows that a worker takes of a head are not worth packing its K and V for below this many: packing
// costs as much as about five rows.
constexpr int64_t kLeastRows = 24;

/// What decides how many pairs of a head there are.
struct Extent {
  int64_t heads = 0;
  const kernels::AttentionTerms* terms = nullptr;

  [[nodiscard]] int64_t pairs(int64_t rows, int64_t length) const {
    return seen_pairs(*terms, rows, length);
  }
};

/// A place in the line of all (sequence, head, row) of a block.
struct Place {
  int64_t sequence = 0;
  int64_t head = 0;
  int64_t row = 0;

  // clang-tidy 14 takes the 0 that <=> compares with for a pointer.
  friend auto operator<=>(const Place&, const Place&) = default;  // NOLINT(modernize-use-nullptr)
};

int64_t length_of(const StepContext& context, int64_t sequence) {
  return context.cu_seqlens[sequence + 1] - context.cu_seqlens[sequence];
}

// Of all heads and sequences of the block.
int64_t pairs_of(const StepContext& context, const Extent& extent) {
  if (!extent.terms->narrow()) return context.block->pairs * extent.heads;
  int64_t pairs = 0;
  for (int64_t s = 0; s < context.block->sequences(); ++s) {
    const int64_t length = length_of(context, s);
    pairs += extent.pairs(length, length);
  }
  return pairs * extent.heads;
}

// The last row of a head before which there are at most so many pairs.
int64_t row_after(const Extent& extent, int64_t pairs, int64_t length) {
  if (!extent.terms->narrow()) return pairs / length;
  int64_t low = 0;
  int64_t high = length;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (extent.pairs(middle, length) <= pairs ? low : high) = middle;
  }
  return low;
}

// Where worker `worker`'s share starts: shares have the same number of (query, key) pairs that are
// seen, but for what is gained by not cutting a head.
Place share_start(const StepContext& context, const Extent& extent, int worker) {
  const int64_t sequences = context.block->sequences();
  const int64_t heads = extent.heads;
  int64_t pairs = pairs_of(context, extent) * worker / context.workers;
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t length = length_of(context, s);
    const int64_t a_head = extent.pairs(length, length);
    if (pairs >= a_head * heads) {
      pairs -= a_head * heads;
      continue;
    }
    Place place = {s, pairs / a_head, row_after(extent, pairs % a_head, length)};
    if (place.row < kLeastRows) {
      place.row = 0;
    } else if (place.row > length - kLeastRows) {
      place.row = 0;
      ++place.head;
    }
    return place.head == heads ? Place{s + 1, 0, 0} : place;
  }
  return {sequences, 0, 0};
}

// Calls body(work) for each piece of the worker's share.
template <typename Body>
void for_each_work(const StepContext& context, const Extent& extent, const Body& body) {
  const int64_t heads = extent.heads;
  Place at = share_start(context, extent, context.worker);
  const Place end = share_start(context, extent, context.worker + 1);
  while (at < end) {
    const bool last_sequence = at.sequence == end.sequence;
    kernels::AttentionWork work;
    work.sequence = at.sequence;
    work.head_begin = at.head;
    work.head_end = at.head + 1;
    work.row_begin = at.row;
    work.row_end = length_of(context, at.sequence);
    if (last_sequence && at.head == end.head) {
      work.row_end = end.row;
    } else if (at.row == 0) {
      work.head_end = last_sequence ? end.head : heads;
    }
    if (work.row_begin < work.row_end) body(work);
    if (last_sequence && at.head == end.head) return;
    at = {at.sequence, work.head_end, 0};
    if (at.head == heads) at = {at.sequence + 1, 0, 0};
  }
}

/// Query rows [first, first + count) of q and the output.
struct QueryRows {
  int64_t first = 0;
  int64_t count = 0;
};

// Those of one sequence.
QueryRows query_rows(const StepContext& context, graph::Symbol rows, int64_t sequence) {
  if (rows == graph::Symbol::kFirst) return {sequence, 1};
  const int32_t begin = context.cu_seqlens[sequence];
  const int32_t end = context.cu_seqlens[sequence + 1];
  if (rows == graph::Symbol::kTokens || context.selected_tokens == nullptr) {
    return {begin, end - begin};
  }
  const int32_t* selected = context.selected_tokens;
  const int32_t* selected_end = selected + context.block->selected();
  const int32_t* first = std::lower_bound(selected, selected_end, begin);
  return {first - selected, std::lower_bound(first, selected_end, end) - first};
}

void move_rows(kernels::AttentionArgs& args, int64_t query, int64_t key) {
  args.q += query * args.ldq;
  args.k += key * args.ldk;
  args.v += key * args.ldv;
  args.out += query * args.ldo;
}

void move_rows(kernels::AttentionOperand& operand, int64_t rows) {
  if (operand.f32 != nullptr) operand.f32 += rows * operand.ld;
  if (operand.bf16 != nullptr) operand.bf16 += rows * operand.ld;
}

void move_rows(kernels::AttentionBf16Args& args, int64_t query, int64_t key) {
  move_rows(args.q, query);
  move_rows(args.k, key);
  move_rows(args.v, key);
  if (args.out != nullptr) args.out += query * args.ldo;
  if (args.out_bf16 != nullptr) args.out_bf16 += query * args.ldo;
  if (args.out_f16 != nullptr) args.out_f16 += query * args.ldo;
}

// How many of the picked rows, from left.first on, stand one behind the other in their sequence,
// and the place of the first; at most `most`.
QueryRows next_run(const StepContext& context, graph::Symbol rows, QueryRows left, Place place,
                   int64_t most) {
  if (rows == graph::Symbol::kFirst) return {0, 1};
  const int64_t begin = context.cu_seqlens[place.sequence];
  if (context.selected_tokens == nullptr) return {left.first - begin, std::min(left.count, most)};
  const int32_t* selected = context.selected_tokens + left.first;
  int64_t count = 1;
  while (count < std::min(left.count, most) && selected[count] == selected[0] + count) ++count;
  return {selected[0] - begin, count};
}

// One head of query rows that follow each other, over the sequence's first `keys` tokens: to the
// kernel they are rows of a batch of one sequence. A row behind all keys, which only a window may
// have (Lowering::limit_unseen), attends to those that its window reaches.
template <typename Args, typename Kernel>
void attend_run(const StepContext& context, const Kernel& kernel, Args one, Place place,
                QueryRows run, int64_t keys) {
  int64_t first_key = 0;
  if (one.terms.any() && run.first >= keys) {
    first_key = std::max<int64_t>(run.first - one.terms.left, 0);
    one.terms = {};
    run.first = 0;
  }
  const int32_t borders[] = {0, static_cast<int32_t>(keys - first_key)};
  if (one.terms.ids != nullptr) one.terms.ids += context.cu_seqlens[place.sequence] + first_key;
  one.cu_seqlens = borders;
  one.sequences = 1;
  move_rows(one, place.row, context.cu_seqlens[place.sequence] + first_key);
  kernel.run(one, {0, place.head, place.head + 1, 0, run.count, run.first}, context.scratch);
}

// One head of the query rows that were picked out of a sequence. Where positions matter the kernel
// takes rows that follow each other; else their places do not matter.
template <typename Args, typename Kernel>
void attend_picked(const StepContext& context, const Kernel& kernel, const Args& args,
                   graph::Symbol rows, Place place) {
  QueryRows left = query_rows(context, rows, place.sequence);
  const int64_t length = length_of(context, place.sequence);
  const int64_t keys =
      context.key_lengths == nullptr ? length : context.key_lengths[place.sequence];
  while (left.count > 0 && length > 0) {
    // A batch may select a token twice, and so more rows than there are.
    QueryRows run = {0, std::min(left.count, keys)};
    if (args.terms.any()) {
      run = next_run(context, rows, left, place, keys);
      run.count = run.first < keys ? std::min(run.count, keys - run.first) : 1;
    }
    place.row = left.first;
    attend_run(context, kernel, args, place, run, keys);
    left = {left.first + run.count, left.count - run.count};
  }
}

// The worker's share.
template <typename Args, typename Kernel>
void attend(const StepContext& context, const Kernel& kernel, const Args& args,
            graph::Symbol rows) {
  if (rows == graph::Symbol::kTokens && context.key_lengths == nullptr) {
    const Extent extent = {args.heads, &args.terms};
    return for_each_work(context, extent, [&](const kernels::AttentionWork& work) {
      kernel.run(args, work, context.scratch);
    });
  }
  const Share share = share_of(context.block->sequences() * args.heads, context);
  for (int64_t unit = share.begin; unit < share.end; ++unit) {
    const Place place = {unit / args.heads, unit % args.heads, 0};
    attend_picked(context, kernel, args, rows, place);
  }
}

// Two products of 2 operations for each (query, key) pair and channel, of pairs that a window
// leaves at most; and one with each row of a position table for each token.
double attention_operations(const Block& block, graph::Symbol rows, int64_t width,
                            const kernels::AttentionTerms& terms) {
  const auto tokens = static_cast<double>(block.tokens());
  double seen = static_cast<double>(block.pairs);
  if (terms.narrow()) {
    seen = std::min(seen, tokens * static_cast<double>(terms.left + terms.right + 1));
  }
  // Picked rows have the share of all that they would have if they were spread evenly.
  double share = 1;
  if (rows == graph::Symbol::kFirst) share = static_cast<double>(block.sequences());
  if (rows == graph::Symbol::kSelected) share = static_cast<double>(block.selected());
  if (rows != graph::Symbol::kTokens) share = tokens > 0 ? share / tokens : 0;
  const auto slots = static_cast<double>(terms.position_rows);
  double with_tables = terms.position_keys != nullptr ? share : 0;
  if (terms.position_queries != nullptr) with_tables += 1;
  return static_cast<double>(width) * (4 * share * seen + 2 * with_tables * tokens * slots);
}

// What attention in float32 and in bf16 have in common.
template <typename Args, typename Kernel>
class AttentionStep : public Step {
 public:
  [[nodiscard]] size_t scratch_bytes(int64_t /*rows*/, int64_t max_seqlen) const override {
    return kernel_->scratch_bytes(max_seqlen, args_.head_size, args_.terms);
  }
  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return attention_operations(block, operands_.rows, args_.ldo, args_.terms);
  }

 protected:
  AttentionStep(const graph::Node& node, Lowering& lowering, const Kernel& kernel)
      : operands_(node, lowering), terms_(node, lowering), y_(node.output), kernel_(&kernel) {
    const auto& attributes = node.attribute<graph::AttentionAttributes>();
    args_.heads = attributes.heads;
    args_.ldo = lowering.columns(node.output);
    args_.head_size = args_.ldo / attributes.heads;
    args_.kv_heads = attributes.kv_heads;
    args_.scale = attributes.scale;
    args_.terms = terms_.get();
    lowering.limit_unseen(args_.terms);
  }

  // Without operands and output.
  [[nodiscard]] Args args_of(const StepContext& context) const {
    Args args = args_;
    args.cu_seqlens = context.cu_seqlens;
    args.sequences = context.block->sequences();
    args.terms.ids = terms_.ids(context);
    return args;
  }
  void attend_with(const StepContext& context, const Args& args) const {
    attend(context, *kernel_, args, operands_.rows);
  }
  // Operand i (q, k, v) from its first column on.
  template <typename T>
  [[nodiscard]] const T* operand(const StepContext& context, int i) const {
    return context.value<const T>(operands_.value[i]) + operands_.first_column[i];
  }

  Operands operands_;
  NodeTerms terms_;
  graph::ValueId y_;
  const Kernel* kernel_;
  Args args_;
};

class AttentionF32Step final
    : public AttentionStep<kernels::AttentionArgs, kernels::AttentionF32Kernel> {
 public:
  AttentionF32Step(const graph::Node& node, Lowering& lowering)
      : AttentionStep(node, lowering, kernels::select_attention_f32(lowering.isas())) {
    args_.ldq = operands_.stride[0];
    args_.ldk = operands_.stride[1];
    args_.ldv = operands_.stride[2];
  }

  void run(const StepContext& context) const noexcept override {
    kernels::AttentionArgs args = args_of(context);
    args.q = operand<float>(context, 0);
    args.k = operand<float>(context, 1);
    args.v = operand<float>(context, 2);
    args.out = context.value<float>(y_);
    attend_with(context, args);
  }
};

class AttentionBf16Step final
    : public AttentionStep<kernels::AttentionBf16Args, kernels::AttentionBf16Kernel> {
 public:
  AttentionBf16Step(const graph::Node& node, Lowering& lowering)
      : AttentionStep(node, lowering, kernels::select_attention_bf16(lowering.isas())),
        stored_(lowering.dtype(node.output)) {
    for (int i = 0; i < 3; ++i) rounded_[i] = lowering.is_bf16(operands_.value[i]);
  }

  void run(const StepContext& context) const noexcept override {
    kernels::AttentionBf16Args args = args_of(context);
    args.q = operand_of(context, 0);
    args.k = operand_of(context, 1);
    args.v = operand_of(context, 2);
    if (stored_ == DType::kBF16) {
      args.out_bf16 = context.value<uint16_t>(y_);
    } else if (stored_ == DType::kF16) {
      args.out_f16 = context.value<uint16_t>(y_);
    } else {
      args.out = context.value<float>(y_);
    }
    attend_with(context, args);
  }

 private:
  [[nodiscard]] kernels::AttentionOperand operand_of(const StepContext& context, int i) const {
    kernels::AttentionOperand result;
    result.ld = operands_.stride[i];
    if (rounded_[i]) {
      result.bf16 = operand<uint16_t>(context, i);
    } else {
      result.f32 = operand<float>(context, i);
    }
    return result;
  }

  bool rounded_[3] = {};  // q, k, v
  DType stored_;          // its output
};

}  // namespace

std::unique_ptr<Step> lower_simulated_attention(const graph::Node& node, Lowering& lowering,
                                                const graph::Quantizer& probabilities);

std::unique_ptr<Step> lower_attention(const graph::Node& node, Lowering& lowering) {
  // On only where marks are simulated; those of q, k and v are nodes of their own by then.
  if (const auto* mark = node.enabled_mark(graph::Operand::kProbabilities)) {
    if (lowering.shape(node.output)[0].symbol != graph::Symbol::kTokens) {
      fail(ErrorCode::kUnsupported, "Attention at \"", node.scope,
           "\": probabilities go through integers in a plan for all rows only");
    }
    lowering.limit_unseen({}, false);
    return lower_simulated_attention(node, lowering, *mark);
  }
  if (lowering.arithmetic(node) == Arithmetic::kBf16) {
    return std::make_unique<AttentionBf16Step>(node, lowering);
  }
  return std::make_unique<AttentionF32Step>(node, lowering);
}

}  // namespace tamis::engines::cpu
