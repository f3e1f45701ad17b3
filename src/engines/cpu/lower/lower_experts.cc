// Which experts compute each row, and the sum of what they make of it.
#include "engines/cpu/lowering.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::cpu {

namespace {

using graph::Operand;

// The router's product is float32 in every plan: what it rounds away could choose another expert.
class RouteTokensStep final : public Step {
 public:
  RouteTokensStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        routes_(node.output),
        symbol_(lowering.shape(node.output).symbol()),
        top_k_(node.attribute<graph::RouteTokensAttributes>().top_k),
        weight_(lowering.pack_gemm_f32(node.operand(Operand::kWeight))) {
    args_.k = args_.lda = lowering.columns(x_);
    args_.n = args_.ldc = lowering.shape(node.operand(Operand::kWeight))[0].size;
    args_.packed = reinterpret_cast<const float*>(weight_->memory.data());
  }

  void run(const StepContext& context) const noexcept override {
    const Share rows = share_of(context.block->units(symbol_), context);
    if (rows.begin == rows.end) return;
    kernels::GemmF32Args args = args_;
    args.m = rows.end - rows.begin;
    args.a = context.value<const float>(x_) + rows.begin * args.lda;
    args.c = reinterpret_cast<float*>(context.scratch);
    weight_->kernel->run(args, 0, kernels::gemm_f32_panels(*weight_->kernel, args.n));
    kernels::RouteTokensArgs routing{args.m, args.n, top_k_, args.c, nullptr};
    routing.routes = context.value<float>(routes_) + rows.begin * 2 * top_k_;
    kernels::reference::route_tokens(routing);
  }

  [[nodiscard]] size_t scratch_bytes(int64_t rows, int64_t /*max_seqlen*/) const override {
    return static_cast<size_t>(rows * args_.n) * sizeof(float);
  }
  [[nodiscard]] std::string_view kernel() const override { return weight_->kernel->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return 2.0 * static_cast<double>(block.units(symbol_)) * static_cast<double>(args_.n) *
           static_cast<double>(args_.k);
  }

 private:
  graph::ValueId x_;
  graph::ValueId routes_;
  graph::Symbol symbol_;
  int64_t top_k_;
  std::shared_ptr<const PackedF32> weight_;
  kernels::GemmF32Args args_;
};

class CombineExpertsStep final : public Step {
 public:
  CombineExpertsStep(const graph::Node& node, const Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        routes_(node.operand(Operand::kRoutes)),
        y_(node.output),
        symbol_(lowering.shape(node.output).symbol()),
        width_(lowering.columns(node.output)),
        top_k_(lowering.columns(routes_) / 2) {}

  void run(const StepContext& context) const noexcept override {
    const Share rows = share_of(context.block->units(symbol_), context);
    kernels::CombineExpertsArgs args;
    args.rows = rows.end - rows.begin;
    args.n = width_;
    args.top_k = top_k_;
    args.x = context.value<const float>(x_) + rows.begin * top_k_ * width_;
    args.routes = context.value<const float>(routes_) + rows.begin * 2 * top_k_;
    args.y = context.value<float>(y_) + rows.begin * width_;
    kernels::reference::combine_experts(args);
  }

  [[nodiscard]] std::string_view kernel() const override { return "combine_experts"; }

 private:
  graph::ValueId x_;
  graph::ValueId routes_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  int64_t width_;
  int64_t top_k_;
};

}  // namespace

std::unique_ptr<Step> lower_route_tokens(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<RouteTokensStep>(node, lowering);
}

std::unique_ptr<Step> lower_combine_experts(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<CombineExpertsStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
