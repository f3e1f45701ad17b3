#include "onnx/check_tensorrt.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/bf16.h"
#include "onnx/file_graph.h"

namespace tamis::onnx {

namespace {

constexpr int64_t kPerAxisOpset = 13;
constexpr int64_t kHalfScaleOpset = 19;
// The least that half precision tells from 0, over two: what it rounds to 0.
constexpr double kHalfZero = 0x1p-25;

bool is_half(ElementType type) { return type == ElementType::kFloat16; }

bool is_quantize(const NodeProto& node) { return node.op_type == "QuantizeLinear"; }
bool is_dequantize(const NodeProto& node) { return node.op_type == "DequantizeLinear"; }

int64_t integer_of(const NodeProto& node, std::string_view name, int64_t otherwise) {
  const AttributeProto* attribute = node.attribute(name);
  return attribute == nullptr ? otherwise : attribute->integer;
}

std::string label(const NodeProto& node) {
  const std::string& name =
      node.name.empty() && !node.outputs.empty() ? node.outputs[0] : node.name;
  return cat("\"", name, "\" (", node.op_type, ")");
}

class Checker {
 public:
  explicit Checker(const ModelProto& model) : model_(model), graph_(model.graph) {
    for (const OpsetProto& opset : model.opsets) {
      if (opset.domain.empty() || opset.domain == "ai.onnx") opset_ = opset.version;
    }
  }

  std::vector<Finding> run() {
    for (const TensorProto& tensor : model_.graph.initializers) {
      check_constant(cat("constant \"", tensor.name, "\""), tensor.name, tensor);
    }
    for (const NodeProto& node : model_.graph.nodes) check_node(node);
    check_float_type();
    return std::move(findings_);
  }

 private:
  void add(std::string_view rule, std::string where, std::string what, std::string fix,
           Severity severity = Severity::kError) {
    findings_.push_back(
        {severity, std::string(rule), std::move(where), std::move(what), std::move(fix)});
  }
  void slow(std::string_view rule, std::string where, std::string what, std::string fix) {
    add(rule, std::move(where), std::move(what), std::move(fix), Severity::kSpeed);
  }

  // Constants

  // A boolean Where alone chooses it, nothing is multiplied with it.
  [[nodiscard]] bool is_chosen(const std::string& name) const {
    const auto& readers = graph_.readers(name);
    return !readers.empty() && std::ranges::all_of(readers, [](const NodeProto* reader) {
      return reader->op_type == "Where";
    });
  }

  // Scales alone: check_scale() says what is wrong with them.
  [[nodiscard]] bool is_scale(const std::string& name) const {
    const auto& readers = graph_.readers(name);
    return !readers.empty() && std::ranges::all_of(readers, [&name](const NodeProto* reader) {
      return (is_quantize(*reader) || is_dequantize(*reader)) && input_of(*reader, 0) != name;
    });
  }

  void check_constant(const std::string& where, const std::string& name,
                      const TensorProto& tensor) {
    const auto range = FileGraph::range_of(tensor);
    if (!range || is_scale(name)) return;
    if (range->has_nan) {
      add("not-finite", where, "holds NaN", "export the float weights again");
    } else if ((std::isinf(range->low) || std::isinf(range->high)) && !is_chosen(name)) {
      add("infinite-mask", where, "holds infinity, which a mask of 0 turns into NaN (0 * -inf)",
          "use -65504 in FP16 and the least finite number else, or a boolean Where");
    }
  }

  // A float constant that a Cast to FP16 takes out of range.
  void check_cast(const NodeProto& node) {
    const auto to = static_cast<ElementType>(integer_of(node, "to", 0));
    if (to == ElementType::kUint8) {
      add("unsigned-bytes", label(node),
          "casts to UINT8, which TensorRT takes for quantized data "
          "alone",
          "cast to BOOL or INT32");
    }
    const TensorProto* tensor = graph_.constant(node.inputs[0]);
    if (!is_half(to) || tensor == nullptr) return;
    const auto range = FileGraph::range_of(*tensor);
    if (!range || (range->low >= -kMostHalf && range->high <= kMostHalf)) return;
    add("infinite-mask", label(node),
        cat("casts ", range->low < -kMostHalf ? range->low : range->high,
            " to FP16, where it becomes infinity"),
        "use -65504 for the mask, or a boolean Where");
  }

  void check_norm(const NodeProto& node) {
    const AttributeProto* given = node.attribute("epsilon");
    const double epsilon = given == nullptr ? 1e-5 : given->number;
    const bool in_half = integer_of(node, "stash_type", 1) != 1 || epsilon == 0;
    if (epsilon > kHalfZero || !in_half) return;
    add("zero-epsilon", label(node),
        cat("its epsilon ", epsilon,
            " is 0 in FP16: a row of equal "
            "numbers becomes NaN"),
        "compute it in FP32 (stash_type 1, epsilon 1e-12), or take an epsilon of at least 6e-8");
  }

  // LayerNormalization in steps: what is added to a mean of squares.
  void check_epsilon_of_steps(const NodeProto& node) {
    for (size_t i = 0; i < 2 && node.inputs.size() == 2; ++i) {
      const NodeProto* mean = graph_.maker(node.inputs[i]);
      const auto epsilon = graph_.number(node.inputs[1 - i]);
      if (mean == nullptr || mean->op_type != "ReduceMean" || !epsilon) continue;
      const bool half = is_half(graph_.type_of(node.inputs[1 - i]));
      if (*epsilon != 0 && !(half && *epsilon < kHalfZero)) continue;
      add("zero-epsilon", label(node), "its epsilon is 0: a row of equal numbers becomes NaN",
          "compute the norm in FP32 with its epsilon, or take one of at least 6e-8");
    }
  }

  // Pairs

  void check_pair(const NodeProto& node) {
    check_scale(node);
    check_zero_point(node);
    if (is_quantize(node)) {
      check_quantize(node);
    } else {
      check_dequantize(node);
    }
  }

  void check_scale(const NodeProto& node) {
    const TensorProto* scale = node.inputs.size() > 1 ? graph_.constant(node.inputs[1]) : nullptr;
    if (scale == nullptr) {
      add("scale", label(node), "its scale is no constant",
          "calibrate: write the scale as a "
          "constant");
      return;
    }
    check_scale_values(node, *scale);
    if (count_of(scale->dims) > 1 && opset_ < kPerAxisOpset) {
      add("opset", label(node), cat("scales along an axis in opset ", opset_),
          "write opset 13 or "
          "later");
    }
    if (scale->type != ElementType::kFloat && opset_ < kHalfScaleOpset) {
      add("opset", label(node),
          cat("a scale of ", element_type_name(scale->type), " in opset ", opset_),
          "write opset 19 or later");
    }
  }

  void check_scale_values(const NodeProto& node, const TensorProto& scale) {
    const auto range = FileGraph::range_of(scale);
    if (range && !range->has_nan && range->low > 0 && std::isfinite(range->high)) return;
    if (range && !range->has_nan && range->low > 0) {
      add("infinite-scale", label(node), "its scale is infinite, as a mask's range makes it",
          "take the pair off scores that hold their mask, or give masks finite numbers before "
          "calibration");
      return;
    }
    add("scale", label(node),
        range && range->has_nan ? "its scale is NaN" : "its scale is not above 0",
        "calibrate on texts that reach this operand, or take the pair away");
  }

  void check_zero_point(const NodeProto& node) {
    if (node.inputs.size() < 3 || node.inputs[2].empty()) {
      // QuantizeLinear without a zero point makes UINT8.
      if (is_quantize(node) && integer_of(node, "output_dtype", 0) == 0) {
        add("unsigned", label(node), "without a zero point it makes UINT8",
            "give a zero point of 0 in INT8");
      }
      return;
    }
    const TensorProto* zero = graph_.constant(node.inputs[2]);
    if (zero == nullptr) {
      add("zero-point", label(node), "its zero point is no constant", "write 0 as a constant");
      return;
    }
    const auto range = FileGraph::range_of(*zero);
    if (zero->type == ElementType::kUint8) {
      add("unsigned", label(node), cat("UINT8 with a zero point of ", range ? range->high : 0),
          "quantize symmetrically to INT8 with a zero point of 0");
    } else if (range && (range->low != 0 || range->high != 0)) {
      add("zero-point", label(node),
          cat("a zero point of ", range->low != 0 ? range->low : range->high),
          "quantize symmetrically, with a zero point of 0");
    }
  }

  void check_quantize(const NodeProto& node) {
    const TensorProto* scale = node.inputs.size() > 1 ? graph_.constant(node.inputs[1]) : nullptr;
    const bool constant = graph_.is_constant(node.inputs[0]);
    if (!constant && scale != nullptr && count_of(scale->dims) > 1) {
      add("per-channel", label(node), cat(count_of(scale->dims), " scales on an activation"),
          "take one scale for the tensor; scale columns in the LayerNormalization in front");
    }
    for (const NodeProto* reader : graph_.readers(node.outputs[0])) {
      if (is_dequantize(*reader) || is_moving(*reader)) continue;
      add("pair", label(node), cat("its integers are read by ", label(*reader)),
          "read them through DequantizeLinear");
    }
    check_fan_out(node);
    if (!constant) check_in_front(node);
  }

  // One tensor has one scale, or the layers that read it do not merge.
  void check_fan_out(const NodeProto& node) {
    if (node.inputs.size() < 2 || !looked_at_.insert(node.inputs[0]).second) return;
    std::set<double> scales;
    for (const NodeProto* reader : graph_.readers(node.inputs[0])) {
      if (!is_quantize(*reader) || reader->inputs.size() < 2) continue;
      if (const auto scale = graph_.number(reader->inputs[1])) scales.insert(*scale);
    }
    if (scales.size() < 2) return;
    slow("fan-out", label(node),
         cat("\"", node.inputs[0], "\" is quantized with ", scales.size(),
             " scales, which keeps the products that read it apart"),
         "give all readers the greatest of them");
  }

  // Between a product and its bias, or before a norm.
  void check_in_front(const NodeProto& node) {
    const NodeProto* product = graph_.maker(node.inputs[0]);
    const bool weighted = product != nullptr && product->op_type == "MatMul" &&
                          product->inputs.size() > 1 && graph_.is_constant(product->inputs[1]);
    for (const NodeProto* pair : graph_.readers(node.outputs[0])) {
      for (const NodeProto* reader : graph_.readers(output_of(*pair, 0))) {
        if (reader->op_type == "LayerNormalization") {
          slow("before-norm", label(node),
               cat("in front of ", label(*reader), ", which reads floats"),
               "quantize the norm's output, or the skip of the sum in front of it");
        }
        if (weighted && reader->op_type == "Add" && has_constant(*reader)) {
          add("before-bias", label(node), cat("between ", label(*product), " and its bias"),
              "take the pair away: products add their bias before they round");
        }
      }
    }
  }

  void check_dequantize(const NodeProto& node) {
    if (!graph_.is_constant(node.inputs[0])) return;
    const TensorProto* integers = graph_.constant(node.inputs[0]);
    for (const NodeProto* reader : graph_.readers(node.outputs[0])) {
      const bool bias =
          (reader->op_type == "Add") || (reader->op_type == "Gemm" && reader->inputs.size() > 2 &&
                                         reader->inputs[2] == node.outputs[0]);
      if (bias) {
        add("quantized-bias", label(node), cat("the bias of ", label(*reader), " is integers"),
            "write the bias in the file's float type");
        continue;
      }
      if (integers != nullptr) check_weight_axis(node, *integers, *reader);
    }
  }

  void check_weight_axis(const NodeProto& node, const TensorProto& integers,
                         const NodeProto& reader) {
    const TensorProto* scale = graph_.constant(input_of(node, 1));
    if (scale == nullptr || count_of(scale->dims) < 2 || integers.dims.size() != 2) return;
    int64_t axis = integer_of(node, "axis", 1);
    axis = axis < 0 ? axis + 2 : axis;
    int64_t wanted = 1;
    if (reader.op_type == "Transpose") wanted = 0;
    if (reader.op_type == "Gemm" && integer_of(reader, "transB", 0) != 0) wanted = 0;
    const bool product =
        reader.op_type == "MatMul" || reader.op_type == "Gemm" || reader.op_type == "Transpose";
    if (!product || axis == wanted) return;
    add("weight-axis", label(node),
        cat("scales along axis ", axis,
            " of a weight whose outputs are "
            "axis ",
            wanted),
        cat("give a scale for each index of axis ", wanted));
  }

  // Products

  void check_product(const NodeProto& node) {
    if (node.inputs.size() < 2) return;
    const bool left = graph_.is_dequantized(node.inputs[0]);
    const bool right = graph_.is_dequantized(node.inputs[1]);
    if (left != right) {
      add("one-sided", label(node),
          cat("only its ", left ? "first" : "second", " operand is quantized"),
          "quantize both operands, or none");
    }
    // A table of positions, of whose products each distance picks one, is an operand of attention.
    const bool weighted = node.op_type == "MatMul" && graph_.is_constant(node.inputs[1]);
    if (weighted && graph_.next_of(node, "GatherElements") == nullptr) return;
    check_attention(node, left && right);
  }

  // The other product of the attention that `node` begins.
  void check_attention(const NodeProto& node, bool quantized) {
    const NodeProto* softmax = graph_.next_of(node, "Softmax");
    if (softmax == nullptr) return;
    const NodeProto* context = graph_.next_of(*softmax, "MatMul");
    if (context == nullptr || context->inputs.size() < 2) return;
    const bool second =
        graph_.is_dequantized(context->inputs[0]) && graph_.is_dequantized(context->inputs[1]);
    if (second != quantized) {
      slow("half-attention", label(node),
           cat("of this attention one product is quantized and ", label(*context),
               quantized ? " is not" : " alone is"),
           "quantize both products or none: half is slower than FP16");
    }
    if (second) check_probabilities(*context);
  }

  void check_probabilities(const NodeProto& context) {
    const NodeProto* pair = graph_.dequantizer(context.inputs[0]);
    if (pair == nullptr) return;
    const auto scale = graph_.number(input_of(*pair, 1));
    constexpr double kScale = 1.0 / 127;
    if (!scale || std::abs(*scale - kScale) <= 0.01 * kScale) return;
    slow("probabilities", label(*pair), cat("probabilities have a scale of ", *scale),
         "take 1/127, which the fused attention has built in and which holds them all");
  }

  // x + skip where the product's side is quantized too.
  void check_sum(const NodeProto& node) {
    check_epsilon_of_steps(node);
    if (node.inputs.size() != 2 || has_constant(node)) return;
    for (const std::string& input : node.inputs) {
      const NodeProto* pair = graph_.maker(input);
      if (pair == nullptr || !is_dequantize(*pair)) continue;
      const NodeProto* quantize = graph_.maker(input_of(*pair, 0));
      if (quantize == nullptr || !graph_.comes_from_product(input_of(*quantize, 0))) continue;
      slow("residual", label(node),
           cat(label(*quantize),
               " stands on the product's side of the sum, which then does not "
               "become part of the product"),
           "quantize the skip alone, or neither");
    }
  }

  [[nodiscard]] bool has_constant(const NodeProto& node) const {
    return std::ranges::any_of(node.inputs,
                               [this](const auto& input) { return graph_.is_constant(input); });
  }

  // Operators that pass integers on.
  static bool is_moving(const NodeProto& node) {
    static const std::set<std::string, std::less<>> kMoving = {
        "Reshape", "Transpose", "Identity", "Slice",     "Split",
        "Gather",  "Squeeze",   "Flatten",  "Unsqueeze", "Concat"};
    return kMoving.contains(node.op_type);
  }

  void check_operator(const NodeProto& node) {
    const bool own = node.domain.empty() || node.domain == "ai.onnx";
    static const std::set<std::string, std::less<>> kIntegers = {
        "DynamicQuantizeLinear", "MatMulInteger", "QLinearMatMul", "ConvInteger", "QLinearConv"};
    if (own && kIntegers.contains(node.op_type)) {
      add("operator", label(node), "an operator of integers that TensorRT does not have",
          "quantize statically, with QuantizeLinear and DequantizeLinear around float operators");
    } else if (!own) {
      add("operator", label(node), cat("of domain ", node.domain, ", which TensorRT does not have"),
          "export without ONNX Runtime's fusions");
    }
  }

  void check_node(const NodeProto& node) {
    check_operator(node);
    if (node.outputs.empty()) return;
    if (node.op_type == "Constant") {
      const AttributeProto* value = node.attribute("value");
      if (value != nullptr && !value->tensors.empty()) {
        check_constant(label(node), output_of(node, 0), value->tensors[0]);
      }
    }
    if (node.inputs.empty()) return;
    if (is_quantize(node) || is_dequantize(node)) {
      has_pairs_ = true;
      check_pair(node);
    }
    if (node.op_type == "Cast") check_cast(node);
    if (node.op_type == "LayerNormalization") check_norm(node);
    if (node.op_type == "MatMul" || node.op_type == "Gemm") check_product(node);
    if (node.op_type == "Add") check_sum(node);
  }

  // The types in the file are the types that run.
  void check_float_type() {
    if (!has_pairs_) return;
    for (const NodeProto& node : model_.graph.nodes) {
      if (!(is_quantize(node) || is_dequantize(node)) || node.inputs.size() < 2) continue;
      if (graph_.type_of(node.inputs[1]) != ElementType::kFloat) return;
    }
    slow("float-type", "the file", "its float parts are FP32, and TensorRT 11 runs what it says",
         "write FP16 or BF16 (tamis export --flavor trt --float fp16)");
  }

  const ModelProto& model_;
  FileGraph graph_;
  int64_t opset_ = 0;
  bool has_pairs_ = false;
  std::set<std::string> looked_at_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> check_tensorrt(const ModelProto& model) { return Checker(model).run(); }

}  // namespace tamis::onnx
