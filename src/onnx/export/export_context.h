// What the parts of one export share.
//
// Is: the graph that is read, the file that is written, and under which names the file has what the
// graph has. Is not: what an op becomes (export_ops.inc). May use: graph, formats.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "graph/graph.h"
#include "onnx/export/export_onnx.h"
#include "onnx/export/graph_writer.h"

namespace tamis::onnx {

/// Columns of a value, which may be one of several that were written apart.
struct WrittenPart {
  std::string name;
  int64_t first_column = 0;
  int64_t columns = 0;
};

inline constexpr std::string_view kMaskInput = "attention_mask";

/// Names are those of values in the file.
class ExportContext {
 public:
  ExportContext(const graph::Graph& graph, const ExportOptions& options);

  [[nodiscard]] const graph::Graph& graph() const { return graph_; }
  [[nodiscard]] const ExportOptions& options() const { return options_; }
  [[nodiscard]] GraphWriter& out() { return out_; }

  std::string add(std::string_view scope, std::string_view op, std::vector<std::string> inputs,
                  std::vector<AttributeProto> attributes = {}) {
    return out_.add(scope, op, std::move(inputs), std::move(attributes));
  }
  std::string number(double value) { return out_.number(value); }

  template <typename... Parts>
  [[noreturn]] void refuse(const graph::Node& node, const Parts&... parts) const {
    fail(ErrorCode::kUnsupported, "ONNX: ", op_name(node.op), " at \"", node.scope,
         "\": ", parts...);
  }

  /// The node that makes the value; null for inputs and constants.
  [[nodiscard]] const graph::Node* maker(graph::ValueId id) const;
  [[nodiscard]] int64_t columns(graph::ValueId id) const { return graph_.value(id).shape[1].size; }

  /// A constant of the graph; with `wide` its floats are float32 whatever the file's float type is.
  std::string constant(graph::ValueId id, bool wide = false);
  /// A constant, or what set_value() named.
  std::string value(graph::ValueId id);
  void set_value(graph::ValueId id, std::string name) { values_[id] = std::move(name); }

  /// The columns of a value from `first_column` to those of its next part.
  void set_part(graph::ValueId id, int64_t first_column, const std::string& name);
  /// The part that starts there; null if none does.
  [[nodiscard]] const std::string* part(graph::ValueId id, int64_t first_column) const;
  /// A value's parts that were written apart, in order; or all of it.
  [[nodiscard]] std::vector<WrittenPart> parts_of(graph::ValueId id);

  /// What the LayerNormalization that makes `id` reads, in float32.
  void set_norm_input(graph::ValueId id, const std::string& name) { norm_inputs_[id] = name; }
  [[nodiscard]] const std::string& norm_input(graph::ValueId id) const {
    return norm_inputs_.at(id);
  }

  /// What `make` returned under the same key: nodes that several ops read are written once.
  template <typename Make>
  std::string once(const std::string& key, const Make& make) {
    const auto found = made_.find(key);
    if (found != made_.end()) return found->second;
    std::string name = make();
    made_[key] = name;
    return name;
  }

 private:
  const graph::Graph& graph_;
  const ExportOptions& options_;
  GraphWriter out_;
  std::unordered_map<graph::ValueId, std::string> values_;
  std::map<std::pair<graph::ValueId, int64_t>, std::string> parts_;  // by first column
  std::unordered_map<graph::ValueId, std::string> norm_inputs_;
  std::unordered_map<std::string, std::string> made_;
};

}  // namespace tamis::onnx
