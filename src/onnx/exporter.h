// The state of one export, shared by the files that write ops.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "graph/attention_part.h"
#include "onnx/export_onnx.h"
#include "onnx/graph_writer.h"

namespace tamis::onnx {

/// One linear layer of a MatMul node: of a merged one there are several, by rows of the weight.
struct LinearPart {
  std::string module;  ///< path of its nodes
  std::string weight;  ///< name of the constant
  std::string bias;
  int64_t first_row = 0;
  int64_t rows = 0;
};

/// Columns of a value, which may be one of several that were written apart.
struct WrittenPart {
  std::string name;
  int64_t first_column = 0;
  int64_t columns = 0;
};

inline constexpr std::string_view kMaskInput = "attention_mask";

class Exporter {
 public:
  Exporter(const graph::Graph& graph, const ExportOptions& options);
  ModelProto make();

 private:
  /// Of the operators without a domain.
  [[nodiscard]] int64_t opset() const;
  using Node = graph::Node;
  using Operand = graph::Operand;
  using ValueId = graph::ValueId;

  template <typename... Parts>
  [[noreturn]] void refuse(const Node& node, const Parts&... parts) const {
    fail(ErrorCode::kUnsupported, "ONNX: ", op_name(node.op), " at \"", node.scope,
         "\": ", parts...);
  }

  std::string add(std::string_view scope, std::string_view op, std::vector<std::string> inputs,
                  std::vector<AttributeProto> attributes = {}) {
    return out_.add(scope, op, std::move(inputs), std::move(attributes));
  }
  std::string number(double value) { return out_.number(value); }
  std::string constant(ValueId id, bool wide = false);
  std::string value(ValueId id);
  /// The operand as its node reads it: through integers where its mark is on.
  std::string operand(const Node& node, Operand operand);
  /// The node that makes the value; null for inputs and constants.
  [[nodiscard]] const Node* maker(ValueId id) const {
    const int producer = graph_.producer(id);
    return producer < 0 ? nullptr : &graph_.nodes()[static_cast<size_t>(producer)];
  }
  [[nodiscard]] int64_t columns(ValueId id) const { return graph_.value(id).shape[1].size; }
  [[nodiscard]] bool has_tokens(ValueId id) const {
    return graph_.value(id).shape[0].symbol != graph::Symbol::kSequences;
  }

  // export_onnx.cc
  void add_inputs();
  void add_input(std::string_view name);
  std::string write(const Node& node);
  std::string write_positions(const Node& node);
  std::string write_table(const Node& node, Operand table);
  std::string write_gather(const Node& node, Operand table, Operand ids);
  std::string write_sum(const Node& node);
  std::string write_activation(const Node& node, const std::string& x, Activation activation);
  std::string write_norm(const Node& node, const std::string& x);
  std::string write_embeddings(const Node& node);
  std::string write_rms_norm(const Node& node);
  std::string write_reduction(std::string_view scope, std::string_view op, const std::string& x,
                              int64_t axis, bool keep);
  std::string write_unit_length(std::string_view scope, const std::string& x);
  void write_output(const graph::GraphOutput& output);
  void write_spans(const std::string& logits);
  void name_output(const std::string& from, const std::string& name, std::vector<DimProto> dims);

  // export_linear.cc
  std::string write_linear(const Node& node);
  [[nodiscard]] std::vector<LinearPart> linear_parts(const Node& node) const;
  [[nodiscard]] std::vector<int64_t> merged_rows(const Node& node, size_t count) const;
  [[nodiscard]] std::vector<WrittenPart> parts_of(ValueId id);
  std::string write_gate(const Node& node);
  std::string write_product(const Node& node, const LinearPart& part, const std::string& x);
  std::string float_weight(const Node& node, const LinearPart& part);
  std::string bias_of(const Node& node, const LinearPart& part);
  [[nodiscard]] std::shared_ptr<const Tensor> rows_of(ValueId id, const LinearPart& part) const;

  // export_positions.cc
  std::string places();
  std::string distances();
  std::string by_distance(const std::string& name, std::vector<int64_t> rows);
  std::string write_window(const graph::AttentionAttributes& fields);
  std::string write_bias(const Node& node);
  std::string write_slots(const Node& node, Operand table, const std::string& x,
                          const std::string& ids);
  std::string write_position_scores(const Node& node, const std::string& q, const std::string& k);
  std::pair<std::string, std::string> write_waves(const Node& node);
  std::string write_slice(std::string_view scope, const std::string& x, int64_t first, int64_t end);
  std::string write_turned(const Node& node, const std::string& x, int64_t width);
  std::string write_rotary(const Node& node);
  std::string write_dropout(const Node& node);

  // export_pooling.cc
  std::string write_sum_of_tokens(std::string_view scope, const std::string& x);
  std::string write_token_weights(std::string_view scope, const std::string& tokens);
  std::string write_last(std::string_view scope, const std::string& x, const std::string& chosen);
  std::string write_mode(const Node& node, Pooling mode, const std::string& x);
  std::string write_pool(const Node& node);
  std::string write_vocabulary_pool(const Node& node);

  // export_attention.cc
  std::string mask(const graph::AttentionAttributes& fields);
  void check_attention(const Node& node) const;
  [[nodiscard]] int64_t head_size(const Node& node) const;
  std::string split_heads(const Node& node, const std::string& x, int64_t heads,
                          std::vector<int64_t> perm);
  std::string write_keys(const Node& node, const std::string& k);
  std::string write_copies(const Node& node, const std::string& x);
  std::string part(const Node& attention, Operand operand);
  std::string write_attention(const Node& node);
  std::string write_scores(const Node& node, const std::string& q, const std::string& k);
  std::string write_softmax(const Node& node);
  std::string write_masked_softmax(std::string_view scope, const std::string& scores,
                                   const graph::AttentionAttributes& fields);
  std::string write_context(const Node& node, const std::string& probabilities,
                            const std::string& v);

  // export_quantized.cc
  /// x through the integers of the mark on the node's operand, if that is on.
  std::string through_integers(const Node& node, Operand operand, const std::string& x);
  std::string write_pair(const graph::Quantizer& mark, const std::string& x);
  std::string activation_scale(const graph::Quantizer& mark, float scale);
  /// What the integers of a QuantizedMatMul are made of: x after its scale and shift.
  std::string scaled_input(const Node& node);
  std::string second_norm(const Node& node, const Node& norm);
  std::string integer_weight(const Node& node, const LinearPart& part);
  std::string write_float_columns(const Node& node, const LinearPart& part);
  void check_tensorrt_form(const Node& node) const;

  const graph::Graph& graph_;
  const ExportOptions& options_;
  GraphWriter out_;
  std::unordered_map<ValueId, std::string> written_;
  std::unordered_map<std::string, std::string> turned_;  // weights [n, k] as [k, n]
  /// Parts of a merged MatMul, by its output and their first column.
  std::map<std::pair<ValueId, int64_t>, std::string> parts_;
  std::unordered_map<ValueId, std::string> norm_inputs_;  // in float32, by the norm's output
  std::map<std::tuple<std::string, float, int32_t>, std::string> pairs_;
  std::map<std::pair<ValueId, ValueId>, std::string> second_norms_;
  std::map<std::pair<int64_t, int64_t>, std::string> masks_;  // by left and right
  std::string places_, token_count_, distances_;
  std::unordered_map<std::string, std::string> by_distance_;
  std::map<std::pair<ValueId, int64_t>, std::string> biases_;
  std::map<std::tuple<ValueId, bool, float>, std::pair<std::string, std::string>> waves_;
};

}  // namespace tamis::onnx
