#include "onnx/export/export_context.h"

namespace tamis::onnx {

using graph::ValueId;

namespace {

// Old enough for every runtime in use, new enough for LayerNormalization; scales in half precision
// came with 19.
constexpr int64_t kOpset = 17;
constexpr int64_t kHalfOpset = 19;

ElementType element_type_of(FloatType type) {
  if (type == FloatType::kFp32) return ElementType::kFloat;
  return type == FloatType::kFp16 ? ElementType::kFloat16 : ElementType::kBfloat16;
}

int64_t opset_of(const ExportOptions& options) {
  const bool halves = options.float_type != FloatType::kFp32 || options.flavor == Flavor::kTensorRt;
  return halves ? kHalfOpset : kOpset;
}

}  // namespace

ExportContext::ExportContext(const graph::Graph& graph, const ExportOptions& options)
    : graph_(graph),
      options_(options),
      out_(element_type_of(options.float_type), opset_of(options)) {}

const graph::Node* ExportContext::maker(ValueId id) const {
  const int producer = graph_.producer(id);
  return producer < 0 ? nullptr : &graph_.nodes()[static_cast<size_t>(producer)];
}

std::string ExportContext::constant(ValueId id, bool wide) {
  return out_.constant(graph_.value(id).name, graph_.value(id).constant, wide);
}

std::string ExportContext::value(ValueId id) {
  return graph_.is_constant(id) ? constant(id) : values_.at(id);
}

void ExportContext::set_part(ValueId id, int64_t first_column, const std::string& name) {
  parts_[{id, first_column}] = name;
}

const std::string* ExportContext::part(ValueId id, int64_t first_column) const {
  const auto found = parts_.find({id, first_column});
  return found == parts_.end() ? nullptr : &found->second;
}

std::vector<WrittenPart> ExportContext::parts_of(ValueId id) {
  std::vector<WrittenPart> parts;
  for (auto at = parts_.lower_bound({id, 0}); at != parts_.end() && at->first.first == id; ++at) {
    parts.push_back({at->second, at->first.second, columns(id) - at->first.second});
    if (parts.size() > 1) {
      WrittenPart& before = parts[parts.size() - 2];
      before.columns = at->first.second - before.first_column;
    }
  }
  if (parts.size() > 1) return parts;
  return {{value(id), 0, columns(id)}};
}

}  // namespace tamis::onnx
