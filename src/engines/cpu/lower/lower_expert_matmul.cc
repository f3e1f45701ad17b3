// Products of rows with the weights of the experts that they are routed to: rows are gathered
// expert by expert, multiplied as any others, and put back, so that the work is that of the top_k
// experts of a row. What a row is gathered with does not change its bits.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "engines/cpu/lower/lower_quantize_rows.h"
#include "engines/cpu/lowering.h"
#include "kernels/cpu/elementwise/elementwise.h"
#include "kernels/reference/experts_args.h"

namespace tamis::engines::cpu {

namespace {

using graph::Operand;

/// Rows gathered at once: as many as a block usually has, so that a weight is read about once for
/// each block, and no more, so that a long text's do not fill the memory.
constexpr int64_t kMostRows = 256;

/// What is read and written, as [rows, k] or [rows, top_k, k], and [rows, top_k, n]. A slot
/// row * top_k + j is place j of a row.
struct Sizes {
  int64_t n = 0;
  int64_t k = 0;
  int64_t experts = 0;
  int64_t top_k = 0;
  bool x_of_each = false;
  DType read = DType::kF32;
  DType stored = DType::kF32;

  Sizes(const graph::Node& node, const Lowering& lowering)
      : k(lowering.columns(node.operand(Operand::kWeight))),
        experts(node.attribute<graph::ExpertMatMulAttributes>().experts),
        top_k(lowering.columns(node.operand(Operand::kRoutes)) / 2),
        x_of_each(lowering.columns(node.operand(Operand::kX)) != k),
        read(lowering.dtype(node.operand(Operand::kX))),
        stored(lowering.dtype(node.output)) {
    n = lowering.columns(node.output) / top_k;
  }

  [[nodiscard]] size_t stored_bytes() const { return dtype_bytes(stored); }
};

/// Slots of one expert, and memory for their rows and for what these become.
struct Chunk {
  int64_t expert = 0;
  const int32_t* slots = nullptr;
  int64_t rows = 0;
  Share panels;
  const std::byte* x = nullptr;
  std::byte* gathered = nullptr;
  std::byte* products = nullptr;
};

template <typename Element>
const Element* row_of(const Sizes& sizes, const Chunk& chunk, int64_t i) {
  const int64_t slot = chunk.slots[i];
  const int64_t row = sizes.x_of_each ? slot : slot / sizes.top_k;
  return reinterpret_cast<const Element*>(chunk.x) + row * sizes.k;
}

class ProductF32 {
 public:
  ProductF32(const graph::Node& node, const Sizes& sizes, Lowering& lowering)
      : sizes_(sizes), weights_(lowering.pack_experts_f32(node)) {
    args_.n = args_.ldc = sizes.n;
    args_.k = args_.lda = sizes.k;
    args_.activation = node.attribute<graph::ExpertMatMulAttributes>().activation;
  }

  [[nodiscard]] const kernels::GemmF32Kernel& kernel() const { return *weights_[0]->kernel; }
  [[nodiscard]] size_t gathered_bytes(int64_t rows) const {
    return static_cast<size_t>(rows * sizes_.k) * sizeof(float);
  }
  void run(const Chunk& chunk) const {
    auto* rows = reinterpret_cast<float*>(chunk.gathered);
    for (int64_t i = 0; i < chunk.rows; ++i) {
      std::copy_n(row_of<float>(sizes_, chunk, i), sizes_.k, rows + i * sizes_.k);
    }
    kernels::GemmF32Args args = args_;
    args.m = chunk.rows;
    args.a = rows;
    args.packed =
        reinterpret_cast<const float*>(weights_[static_cast<size_t>(chunk.expert)]->memory.data());
    args.c = reinterpret_cast<float*>(chunk.products);
    kernel().run(args, chunk.panels.begin, chunk.panels.end);
  }

 private:
  Sizes sizes_;
  Experts<PackedF32> weights_;
  kernels::GemmF32Args args_;
};

// Where a product of 16-bit values goes.
template <typename Args>
void write_to(DType stored, std::byte* products, Args& args) {
  if (stored == DType::kBF16) {
    args.c_bf16 = reinterpret_cast<uint16_t*>(products);
  } else if (stored == DType::kF16) {
    args.c_f16 = reinterpret_cast<uint16_t*>(products);
  } else {
    args.c = reinterpret_cast<float*>(products);
  }
}

class ProductBf16 {
 public:
  ProductBf16(const graph::Node& node, const Sizes& sizes, Lowering& lowering)
      : sizes_(sizes),
        weights_(lowering.pack_experts_bf16(node)),
        elementwise_(&kernels::select_elementwise(lowering.isas())) {
    args_.n = args_.ldc = sizes.n;
    args_.k = sizes.k;
    args_.lda = (sizes.k + 1) / 2 * 2;
    args_.activation = node.attribute<graph::ExpertMatMulAttributes>().activation;
  }

  [[nodiscard]] const kernels::GemmBf16Kernel& kernel() const { return *weights_[0]->kernel; }
  [[nodiscard]] size_t gathered_bytes(int64_t rows) const {
    return static_cast<size_t>(rows * args_.lda) * sizeof(uint16_t);
  }
  void run(const Chunk& chunk) const {
    auto* rows = reinterpret_cast<uint16_t*>(chunk.gathered);
    for (int64_t i = 0; i < chunk.rows; ++i) gather(chunk, i, rows + i * args_.lda);
    kernels::GemmBf16Args args = args_;
    args.m = chunk.rows;
    args.a = rows;
    args.packed = weights_[static_cast<size_t>(chunk.expert)]->memory.data();
    write_to(sizes_.stored, chunk.products, args);
    kernel().run(args, chunk.panels.begin, chunk.panels.end);
  }

 private:
  void gather(const Chunk& chunk, int64_t i, uint16_t* row) const {
    if (sizes_.read == DType::kBF16) {
      std::copy_n(row_of<uint16_t>(sizes_, chunk, i), sizes_.k, row);
    } else {
      elementwise_->to_bf16(sizes_.k, row_of<float>(sizes_, chunk, i), row);
    }
    if (args_.lda != sizes_.k) row[sizes_.k] = 0;
  }

  Sizes sizes_;
  Experts<PackedBf16> weights_;
  const kernels::ElementwiseKernel* elementwise_;
  kernels::GemmBf16Args args_;
};

class ProductS8 {
 public:
  ProductS8(const graph::Node& node, const Sizes& sizes, Lowering& lowering)
      : sizes_(sizes),
        weights_(lowering.pack_experts_s8(node)),
        quantize_(&kernels::select_quantize_rows(lowering.isas())) {
    args_.n = args_.ldc = sizes.n;
    args_.k = sizes.k;
    args_.lda = kernels::quantized_row_bytes(sizes.k);
    args_.activation = node.attribute<graph::ExpertMatMulAttributes>().activation;
  }

  [[nodiscard]] const kernels::GemmS8Kernel& kernel() const { return *weights_[0]->kernel; }
  [[nodiscard]] size_t gathered_bytes(int64_t rows) const {
    constexpr size_t kFloats = (2 + kMaxOutliers) * sizeof(float);
    return static_cast<size_t>(rows) * (kFloats + static_cast<size_t>(args_.lda));
  }
  void run(const Chunk& chunk) const {
    kernels::QuantizeRowsArgs row;
    row.rows = 1;
    row.width = row.ldx = sizes_.k;
    row.ldq = args_.lda;
    const QuantizedView rows(chunk.gathered, chunk.rows);
    kernels::GemmS8Args args = args_;
    args.m = chunk.rows;
    args.a = row.q = rows.q;
    args.scale = row.scale = rows.scale;
    args.low = row.low = rows.low;
    args.outlier_values = rows.outliers;
    args.packed = weights_[static_cast<size_t>(chunk.expert)]->memory.data();
    for (int64_t i = 0; i < chunk.rows; ++i, ++row.scale, ++row.low, row.q += row.ldq) {
      read_from(chunk, i, row);
      quantize_->run(row);
    }
    write_to(sizes_.stored, chunk.products, args);
    kernel().run(args, chunk.panels.begin, chunk.panels.end);
  }

 private:
  void read_from(const Chunk& chunk, int64_t i, kernels::QuantizeRowsArgs& row) const {
    if (sizes_.read == DType::kF16) {
      row.x_f16 = row_of<uint16_t>(sizes_, chunk, i);
    } else if (sizes_.read == DType::kBF16) {
      row.x_bf16 = row_of<uint16_t>(sizes_, chunk, i);
    } else {
      row.x = row_of<float>(sizes_, chunk, i);
    }
  }

  Sizes sizes_;
  Experts<PackedS8> weights_;
  const kernels::QuantizeRowsKernel* quantize_;
  kernels::GemmS8Args args_;
};

/// The slots of a block by the expert that computes them.
struct Grouping {
  int32_t* begin = nullptr;  // [experts + 1]: where each expert's slots begin
  int32_t* slots = nullptr;  // [rows * top_k], an expert's in their order
};

int64_t expert_of_slot(const Sizes& sizes, const float* routes, int64_t slot) {
  const float* row = routes + slot / sizes.top_k * 2 * sizes.top_k;
  return kernels::expert_of(row[sizes.top_k + slot % sizes.top_k], sizes.experts);
}

// Counts the experts' slots, and puts each slot behind those before it.
void group(const Sizes& sizes, const float* routes, int64_t slots, const Grouping& grouping) {
  std::fill_n(grouping.begin, sizes.experts + 1, 0);
  for (int64_t slot = 0; slot < slots; ++slot) {
    ++grouping.begin[expert_of_slot(sizes, routes, slot) + 1];
  }
  for (int64_t e = 1; e <= sizes.experts; ++e) grouping.begin[e] += grouping.begin[e - 1];
  for (int64_t slot = 0; slot < slots; ++slot) {
    const int64_t expert = expert_of_slot(sizes, routes, slot);
    grouping.slots[grouping.begin[expert]++] = static_cast<int32_t>(slot);
  }
  // Each begins where the next one ended by now.
  for (int64_t e = sizes.experts; e > 0; --e) grouping.begin[e] = grouping.begin[e - 1];
  grouping.begin[0] = 0;
}

template <typename Product>
class ExpertMatMulStep final : public Step {
 public:
  ExpertMatMulStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        routes_(node.operand(Operand::kRoutes)),
        y_(node.output),
        symbol_(lowering.shape(node.output).symbol()),
        sizes_(node, lowering),
        product_(node, sizes_, lowering),
        panels_((sizes_.n + product_.kernel().nr - 1) / product_.kernel().nr) {}

  void run(const StepContext& context) const noexcept override {
    const int64_t slots = context.block->units(symbol_) * sizes_.top_k;
    const ProductShare share = share_of_product(slots, panels_, context);
    if (share.rows.begin == share.rows.end || share.panels.begin == share.panels.end) return;
    const Grouping grouping = grouping_in(context.scratch);
    group(sizes_, context.value<const float>(routes_), slots, grouping);
    for (int64_t e = 0; e < sizes_.experts; ++e) {
      const int64_t begin = std::max<int64_t>(share.rows.begin, grouping.begin[e]);
      const int64_t end = std::min<int64_t>(share.rows.end, grouping.begin[e + 1]);
      for (int64_t from = begin; from < end; from += kMostRows) {
        run_chunk(context, chunk_of(context, slots, e, share.panels),
                  {from, std::min(end, from + kMostRows)});
      }
    }
  }

  [[nodiscard]] size_t scratch_bytes(int64_t rows, int64_t /*max_seqlen*/) const override {
    const int64_t slots = rows * sizes_.top_k;
    const int64_t gathered = std::min(slots, kMostRows);
    return grouping_bytes(slots) + align_up(product_.gathered_bytes(gathered)) +
           static_cast<size_t>(gathered * sizes_.n) * sizes_.stored_bytes();
  }
  [[nodiscard]] std::string_view kernel() const override { return product_.kernel().name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return 2.0 * static_cast<double>(block.units(symbol_) * sizes_.top_k) *
           static_cast<double>(sizes_.n) * static_cast<double>(sizes_.k);
  }

 private:
  [[nodiscard]] Grouping grouping_in(std::byte* scratch) const {
    auto* begin = reinterpret_cast<int32_t*>(scratch);
    return {begin, begin + sizes_.experts + 1};
  }
  [[nodiscard]] size_t grouping_bytes(int64_t slots) const {
    return align_up(static_cast<size_t>(sizes_.experts + 1 + slots) * sizeof(int32_t));
  }
  // All but the slots.
  [[nodiscard]] Chunk chunk_of(const StepContext& context, int64_t slots, int64_t expert,
                               Share panels) const {
    Chunk chunk;
    chunk.expert = expert;
    chunk.panels = panels;
    chunk.x = context.value<const std::byte>(x_);
    chunk.gathered = context.scratch + grouping_bytes(slots);
    chunk.products = chunk.gathered + align_up(product_.gathered_bytes(std::min(slots, kMostRows)));
    return chunk;
  }

  // `slots` are places in the grouping.
  void run_chunk(const StepContext& context, Chunk chunk, Share slots) const {
    chunk.slots = grouping_in(context.scratch).slots + slots.begin;
    chunk.rows = slots.end - slots.begin;
    product_.run(chunk);
    const int64_t nr = product_.kernel().nr;
    const int64_t first = chunk.panels.begin * nr;
    const int64_t columns = std::min(sizes_.n, chunk.panels.end * nr) - first;
    auto* y = context.value<std::byte>(y_);
    for (int64_t i = 0; i < chunk.rows; ++i) {
      const int64_t to = chunk.slots[i] * sizes_.n + first;
      const int64_t from = i * sizes_.n + first;
      std::memcpy(y + static_cast<size_t>(to) * sizes_.stored_bytes(),
                  chunk.products + static_cast<size_t>(from) * sizes_.stored_bytes(),
                  static_cast<size_t>(columns) * sizes_.stored_bytes());
    }
  }

  graph::ValueId x_;
  graph::ValueId routes_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  Sizes sizes_;
  Product product_;
  int64_t panels_;
};

void require_per_token(const graph::Node& node) {
  const graph::Quantizer* input = node.enabled_mark(Operand::kX);
  if (input != nullptr && input->scheme == graph::QuantScheme::kPerTokenU8) return;
  fail(ErrorCode::kUnsupported, graph::op_name(node.op), " at \"", node.scope,
       "\": the integer kernels take an input mark that is on and per_token_u8");
}

}  // namespace

std::unique_ptr<Step> lower_expert_matmul(const graph::Node& node, Lowering& lowering) {
  switch (lowering.arithmetic(node)) {
    case Arithmetic::kS8:
      require_per_token(node);
      return std::make_unique<ExpertMatMulStep<ProductS8>>(node, lowering);
    case Arithmetic::kBf16:
      return std::make_unique<ExpertMatMulStep<ProductBf16>>(node, lowering);
    case Arithmetic::kF32:
      break;
  }
  return std::make_unique<ExpertMatMulStep<ProductF32>>(node, lowering);
}

}  // namespace tamis::engines::cpu
