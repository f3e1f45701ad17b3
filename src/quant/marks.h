// Where a model may be quantized: names, defaults and switches of its quantizers.
//
// Is: marks on the unfused graph of any family, by the shape of the graph alone; --enable and
// --disable; the list that inspect prints. Is not: ranges (observer.h) or treatments. May use:
// passes, graph.
//
// Names are transformer-deploy's, so that its lists work: the Hugging Face module path, then
// `_input_quantizer` and `_weight_quantizer` for a linear layer, otherwise the operator and a
// number. Numbers count from 0 in each module, two a match, in the order of its forward pass.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/named.h"
#include "graph/graph.h"

namespace tamis::quant {

/// How activations become integers; weights are always symmetric s8 per output row.
enum class Scheme {
  kNative,  ///< per token u8 with a zero point, ranges found at run time
  kStatic,  ///< symmetric s8 per tensor, the form TensorRT takes
  kOrt,     ///< asymmetric u8 per tensor, ONNX Runtime's
};

/// What --scheme names: how activations become integers, and whether the plan has TensorRT's form
/// (QuantizeOptions::tensorrt).
struct SchemeForm {
  Scheme scheme = Scheme::kNative;
  bool tensorrt = false;

  friend bool operator==(const SchemeForm&, const SchemeForm&) = default;
};
inline constexpr Named<SchemeForm> kSchemeForms[] = {{"native", {Scheme::kNative}},
                                                     {"static", {Scheme::kStatic}},
                                                     {"ort", {Scheme::kOrt}},
                                                     {"trt", {Scheme::kStatic, true}}};

/// Marks the graph: both operands of every linear layer, of attention's two products, and of the
/// additions that a LayerNormalization after the first attention reads. On are the linear layers
/// between the first projections of an attention and the last such LayerNormalization; all others
/// (additions, attention, projections of embeddings, poolers, heads) are there but off. Marks that
/// the graph has already are replaced. Expects the graph before passes.
void add_marks(graph::Graph& graph, Scheme scheme = Scheme::kNative);

/// Switches on the marks of every attention that TensorRT's form takes whole. Scores that have
/// products with tables of positions too (DeBERTa, relative_key) are not: a quantized query beside
/// a float table is half of one.
void enable_whole_attention(graph::Graph& graph);

/// Switches marks on, then off, by name. A glob has fnmatch's `*`, `?` and `[..]` and must match
/// the whole name, with or without its first component ("bert."). A mark with several names
/// switches if one of them matches. Throws Error{kInvalidArgument} for a glob that matches nothing,
/// with the nearest names.
void apply_globs(graph::Graph& graph, std::span<const std::string> enable,
                 std::span<const std::string> disable);

/// For messages: "near names are ", and the three names of the graph's quantizers that take the
/// fewest edits from `name` without its stars.
[[nodiscard]] std::string nearest_quantizers(const graph::Graph& graph, std::string name);

/// True if a mark is on that the integer kernels do not run: a static scheme, or an operand that is
/// no linear layer's. Such a model runs in float, its integers simulated.
[[nodiscard]] bool needs_simulation(const graph::Graph& graph);

/// One quantizer, as inspect shows it.
struct QuantizerInfo {
  std::string name;
  bool enabled = false;
  graph::QuantScheme scheme = graph::QuantScheme::kPerTokenU8;
  std::optional<float> low;
  std::optional<float> high;
};

/// Every quantizer once, in the order of the graph; modules that share weights share their
/// quantizers, whose range is then the union.
[[nodiscard]] std::vector<QuantizerInfo> list_quantizers(const graph::Graph& graph);

}  // namespace tamis::quant
