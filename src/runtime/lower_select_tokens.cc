#include <algorithm>
#include <cstring>

#include "runtime/lowering.h"

namespace tamis::runtime {

namespace {

class SelectTokensStep final : public Step {
 public:
  SelectTokensStep(const graph::Node& node, const Lowering& lowering)
      : x_(node.inputs[0]), y_(node.output), width_(lowering.columns(node.output)) {}

  void run(const StepContext& context) const noexcept override {
    const Share rows = share_of(context.block->selected(), context);
    const auto* x = context.value<const float>(x_);
    auto* y = context.value<float>(y_);
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      const int64_t token = context.selected_tokens == nullptr ? i : context.selected_tokens[i];
      std::copy_n(x + token * width_, width_, y + i * width_);
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return "select_tokens"; }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  int64_t width_;
};

}  // namespace

std::unique_ptr<Step> lower_select_tokens(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<SelectTokensStep>(node, lowering);
}

}  // namespace tamis::runtime
