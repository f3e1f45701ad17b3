#include "runtime/quantized_rows.h"

#include <algorithm>

#include "runtime/lowering.h"
#include "runtime/storage.h"

namespace tamis::runtime {

namespace {

// Inputs of a quantized MatMul behind the residual and the weight scale (graph/ops.inc).
constexpr size_t kMultiplier = 5;
constexpr size_t kOffset = 6;
constexpr size_t kOutlierColumns = 7;

bool quantizes_its_output(graph::OpKind op) {
  return op == graph::OpKind::kLayerNormalization || op == graph::OpKind::kSkipLayerNormalization ||
         op == graph::OpKind::kEmbedLayerNormalization;
}

bool same_copy(const QuantizedRows& a, const QuantizedRows& b) {
  return a.x == b.x && a.multiplier == b.multiplier && a.offset == b.offset &&
         a.outlier_columns == b.outlier_columns;
}

class QuantizeStep final : public Step {
 public:
  QuantizeStep(size_t index, Lowering& lowering)
      : x_(lowering.quantized_rows()[index].x),
        copy_(lowering.quantized_id(index)),
        symbol_(lowering.quantized_rows()[index].symbol),
        dtype_(lowering.graph().value(x_).dtype),
        kernel_(&kernels::select_quantize_rows(lowering.isas())),
        parameters_(make_quantize_args(lowering.quantized_rows()[index], lowering)) {}

  void run(const StepContext& context) const noexcept override {
    const int64_t total = context.block->units(symbol_);
    const Share rows = share_of(total, context);
    if (rows.begin == rows.end) return;
    kernels::QuantizeRowsArgs args =
        quantize_into(parameters_, context.value<std::byte>(copy_), total, rows);
    const int64_t first = rows.begin * args.ldx;
    if (dtype_ == DType::kF16) {
      args.x_f16 = context.value<const uint16_t>(x_) + first;
    } else if (dtype_ == DType::kBF16) {
      args.x_bf16 = context.value<const uint16_t>(x_) + first;
    } else {
      args.x = context.value<const float>(x_) + first;
    }
    kernel_->run(args);
  }

  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }

 private:
  graph::ValueId x_;
  graph::ValueId copy_;
  graph::Symbol symbol_;
  DType dtype_;
  const kernels::QuantizeRowsKernel* kernel_;
  kernels::QuantizeRowsArgs parameters_;
};

}  // namespace

int64_t QuantizedRows::bytes_per_row() const {
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  return kernels::quantized_row_bytes(width) + (2 + kernels::kMaxOutliers) * kFloat;
}

std::vector<QuantizedRows> find_quantized_rows(const graph::Graph& graph,
                                               const PlanOptions& options) {
  std::vector<QuantizedRows> copies;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    if (node.op != graph::OpKind::kMatMul ||
        arithmetic_of(graph, node, options) != Arithmetic::kS8) {
      continue;
    }
    const graph::SymbolicShape& shape = graph.value(node.inputs[0]).shape;
    QuantizedRows copy;
    copy.x = node.inputs[0];
    copy.multiplier = node.input(kMultiplier);
    copy.offset = node.input(kOffset);
    copy.outlier_columns = node.input(kOutlierColumns);
    copy.symbol = shape[0].symbol;
    copy.width = shape[1].size;
    copy.first_node = copy.last_node = static_cast<int>(i);
    const auto known = std::find_if(copies.begin(), copies.end(), [&](const QuantizedRows& other) {
      return same_copy(other, copy);
    });
    if (known != copies.end()) {
      known->last_node = static_cast<int>(i);
      continue;
    }
    const int producer = graph.producer(copy.x);
    const bool first_of_x = std::none_of(copies.begin(), copies.end(),
                                         [&](const QuantizedRows& c) { return c.x == copy.x; });
    if (producer >= 0 && first_of_x &&
        quantizes_its_output(graph.nodes()[static_cast<size_t>(producer)].op)) {
      copy.by_producer = true;
      copy.first_node = producer;
    }
    copies.push_back(copy);
  }
  return copies;
}

kernels::QuantizeRowsArgs quantize_into(const kernels::QuantizeRowsArgs& parameters,
                                        std::byte* memory, int64_t total, Share rows) {
  const QuantizedView view(memory, total);
  kernels::QuantizeRowsArgs args = parameters;
  args.rows = rows.end - rows.begin;
  args.q = view.q + rows.begin * args.ldq;
  args.scale = view.scale + rows.begin;
  args.low = view.low + rows.begin;
  args.outlier_values = view.outliers + rows.begin * kernels::kMaxOutliers;
  return args;
}

kernels::QuantizeRowsArgs make_quantize_args(const QuantizedRows& copy, const Lowering& lowering) {
  kernels::QuantizeRowsArgs args;
  args.width = copy.width;
  args.ldx = copy.width;
  args.ldq = kernels::quantized_row_bytes(copy.width);
  args.multiply = lowering.optional_constant(copy.multiplier);
  args.offset = lowering.optional_constant(copy.offset);
  if (copy.outlier_columns != graph::kNoValue) {
    const auto columns = lowering.graph().value(copy.outlier_columns).constant->as<int32_t>();
    args.outliers = static_cast<int64_t>(columns.size());
    args.outlier_columns = columns.data();
  }
  return args;
}

ProducedCopy copy_made_with(graph::ValueId x, const Lowering& lowering) {
  for (size_t i = 0; i < lowering.quantized_rows().size(); ++i) {
    const QuantizedRows& copy = lowering.quantized_rows()[i];
    if (copy.by_producer && copy.x == x) {
      return {lowering.quantized_id(i), make_quantize_args(copy, lowering)};
    }
  }
  return {};
}

std::unique_ptr<Step> make_quantize_step(size_t index, Lowering& lowering) {
  return std::make_unique<QuantizeStep>(index, lowering);
}

}  // namespace tamis::runtime
