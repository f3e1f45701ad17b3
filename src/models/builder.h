// The graph of a model under construction, in the vocabulary of modeling files.
//
// Is: linear layers, norms, embeddings and attention as unfused nodes, with the parameters they
// read. Is not: the order in which a family uses them. May use: graph, formats.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/activation.h"
#include "formats/checkpoint.h"
#include "graph/graph.h"
#include "models/family.h"
#include "models/models.h"
#include "models/weights.h"

namespace tamis::models {

/// What an attention reads; absent values are kNoValue.
struct AttentionOperands {
  graph::ValueId q = graph::kNoValue;
  graph::ValueId k = graph::kNoValue;
  graph::ValueId v = graph::kNoValue;
  graph::ValueId bias = graph::kNoValue;
  graph::ValueId position_keys = graph::kNoValue;
  graph::ValueId position_queries = graph::kNoValue;
  graph::ValueId ids = graph::kNoValue;
};

/// A norm by the root mean square of each of `heads` equal parts of a row.
struct RmsNorm {
  double epsilon = 1e-6;
  int64_t heads = 1;
  float offset = 0;  ///< added to the weight
};

/// The parameters of a linear layer: weight [n, k], bias [n] or null.
struct LinearTensors {
  std::shared_ptr<const Tensor> weight;
  std::shared_ptr<const Tensor> bias;
};

/// 1 / sqrt(channels), in double as Python computes it, and rounded once.
[[nodiscard]] float attention_scale(int64_t channels);

/// Whether a module has a bias beside its weight.
enum class Bias : uint8_t { kNone, kAdded };

/// As the flag `key` of config.json says; kNone where it is not given.
[[nodiscard]] Bias bias_of(const ConfigFields& fields, std::string_view key);

/// Where a checkpoint packs several modules into one: rows [begin, ..) of `<module>.weight`, which
/// has `rows` in all; or `run` of them there and at every `step` from there on.
struct PackedRows {
  std::string module;
  int64_t begin = 0;
  int64_t rows = 0;
  int64_t run = 0;  ///< 0: all in a row
  int64_t step = 0;
};

/// Not thread-safe. Module paths are those of transformers' class for the head; a parameter read
/// twice is one constant. Functions that read parameters throw what Weights::load() throws.
class Builder {
 public:
  /// All three outlive it.
  Builder(const Checkpoint& checkpoint, const Family& family, const BuildOptions& options);
  Builder(const Checkpoint& checkpoint, const Family& family, BuildOptions&& options) = delete;

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] const Family& family() const { return family_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] graph::Graph& graph() { return graph_; }
  /// Names of the checkpoint's tensors that were read.
  [[nodiscard]] const std::set<std::string>& used() const { return used_; }

  /// Logits of a classifier: config.json's labels, unless its class counts otherwise.
  [[nodiscard]] int64_t num_labels() const { return num_labels_; }
  void set_num_labels(int64_t labels) { num_labels_ = labels; }
  /// What stands behind the encoder, where that decides what tokens see.
  [[nodiscard]] HeadKind head() const { return head_; }
  [[nodiscard]] bool scores_choices() const { return scores_choices_; }
  void set_head(HeadKind head, bool scores_choices) {
    head_ = head;
    scores_choices_ = scores_choices;
  }
  /// "<prefix>.<module>": a module of the encoder.
  [[nodiscard]] std::string path(std::string_view module) const;
  /// int32 [T].
  [[nodiscard]] graph::ValueId input_ids() const { return input_ids_; }

  /// A parameter as it is, for what a family makes of it.
  [[nodiscard]] std::shared_ptr<const Tensor> load(std::string_view name, const Shape& shape);
  /// As load(), in the type that the checkpoint has it in: for weights and tables, not for what is
  /// computed with here.
  [[nodiscard]] std::shared_ptr<const Tensor> load_stored(std::string_view name,
                                                          const Shape& shape);
  /// Says of a parameter that the class has it and does not read it.
  void leave(std::string_view name) { used_.insert(weights_.stored_name({name})); }
  /// A parameter as a constant.
  graph::ValueId parameter(std::string_view name, const Shape& shape) {
    return constant({name}, shape);
  }

  /// The rows of `<module>.weight` [rows, n] that int32 ids [T] name.
  graph::ValueId embedding(std::string_view module, const Shape& table, graph::ValueId ids);
  /// The word embeddings [vocab_size, n]; a checkpoint may hold them as the tied decoder only.
  graph::ValueId word_embedding(std::string_view module, int64_t n);
  /// Positions by the rule, looked up in `<embeddings>.position_embeddings`.
  graph::ValueId position_embedding(std::string_view embeddings, int64_t n,
                                    const graph::PositionIdsAttributes& rule);
  /// Segments looked up in `<embeddings>.token_type_embeddings`.
  graph::ValueId token_type_embedding(std::string_view embeddings, int64_t n);

  /// Row `row` of `<module>.weight` [rows, n], as a constant [n].
  graph::ValueId table_row(std::string_view module, const Shape& table, int64_t row);

  /// x [R, k] * `<module>.weight` [n, k]^T + `<module>.bias` [n].
  graph::ValueId linear(graph::ValueId x, std::string_view module, int64_t n,
                        Bias bias = Bias::kAdded);
  /// As linear(), where the weight [n, k] and the bias [n] are rows of a packed module's; constants
  /// are named by `module` all the same.
  graph::ValueId linear_rows(graph::ValueId x, std::string_view module, int64_t n,
                             const PackedRows& source, Bias bias = Bias::kAdded);
  /// x [R, k] * `<module>.weight` [n, k]^T.
  graph::ValueId matmul(graph::ValueId x, std::string_view module, int64_t n);
  /// As linear(), with parameters that the family made, named as if they were `module`'s.
  graph::ValueId linear_of(graph::ValueId x, std::string_view module, const LinearTensors& tensors);
  /// The constant x `<module>.weight`^T [m, n], plus `<module>.bias` if `has_bias`.
  graph::ValueId projected(const Tensor& x, std::string_view module, bool has_bias,
                           std::string_view name);
  /// The vocabulary's scores of x [S, n]: the family's decoder module, its weight tied to
  /// `word_embeddings` unless the checkpoint has another; its bias lies under `bias` or beside it,
  /// "": it has none.
  graph::ValueId decoder(graph::ValueId x, std::string_view word_embeddings, std::string_view bias);
  /// That weight by itself: [vocab_size, n].
  [[nodiscard]] std::shared_ptr<const Tensor> decoder_weight(std::string_view word_embeddings);
  /// Normalizes rows with `<module>.weight` and `<module>.bias`.
  graph::ValueId layer_norm(graph::ValueId x, std::string_view module, double epsilon,
                            Bias bias = Bias::kAdded);
  /// The same by the root mean square, with `<module>.weight`, as wide as a part.
  graph::ValueId rms_norm(graph::ValueId x, std::string_view module, const RmsNorm& fields);
  /// x times a number.
  graph::ValueId scaled(graph::ValueId x, float factor, std::string_view scope);
  graph::ValueId add(graph::ValueId x, graph::ValueId y, std::string_view scope);
  /// Element by element, of two matrices.
  graph::ValueId multiply(graph::ValueId x, graph::ValueId y, std::string_view scope);
  graph::ValueId activation(graph::ValueId x, Activation activation, std::string_view scope);
  /// softmax(q k^T / sqrt(head size)) v over each sequence, q, k and v [T, hidden].
  graph::ValueId attention(graph::ValueId q, graph::ValueId k, graph::ValueId v,
                           std::string_view scope);
  /// The config's heads, and 1 / sqrt(head size) as their scale.
  [[nodiscard]] graph::AttentionAttributes attention_attributes(int64_t head_size) const;
  /// softmax(score) v over each sequence, the score as graph::AttentionAttributes has it.
  graph::ValueId attention(const AttentionOperands& operands,
                           const graph::AttentionAttributes& fields, std::string_view scope);
  /// The mean of each sequence's rows: [T, n] -> [B, n].
  graph::ValueId mean_of_tokens(graph::ValueId x, std::string_view scope);
  /// Each sequence's first row: [T, n] -> [B, n].
  graph::ValueId first_token(graph::ValueId x, std::string_view scope);
  /// Each sequence's last row, of tokens that are not the config's padding if it has any:
  /// [T, n] -> [B, n].
  graph::ValueId last_token(graph::ValueId x, std::string_view scope);

 private:
  graph::ValueId constant(std::initializer_list<std::string_view> names, const Shape& shape);
  /// As constant(), as it is stored: a linear layer's weight or an embedding table.
  graph::ValueId matrix(std::initializer_list<std::string_view> names, const Shape& shape);
  graph::ValueId constant_rows(std::string_view name, const PackedRows& source,
                               std::string_view parameter, const Shape& part);
  graph::ValueId number(std::string_view name, float value);
  /// The name under which the decoder's weight lies.
  [[nodiscard]] std::string decoder_name(std::string_view word_embeddings) const;
  graph::ValueId norm_weight(std::string_view name, int64_t n, float offset);
  int64_t columns(graph::ValueId x) const { return graph_.value(x).shape[1].size; }

  const ModelConfig& config_;
  const Family& family_;
  const BuildOptions& options_;
  Weights weights_;
  int64_t num_labels_;
  HeadKind head_ = HeadKind::kEmbedding;
  bool scores_choices_ = false;
  std::set<std::string> used_;
  std::map<std::string, std::shared_ptr<const Tensor>> packed_;  // by name, read once
  graph::Graph graph_;
  graph::ValueId input_ids_;
};

}  // namespace tamis::models
