#include "models/gliner.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "models/builder.h"
#include "models/families.h"
#include "models/unused_weights.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

// What the package reads otherwise than its own class does, or not at all: decoders see all tokens
// there.
constexpr std::string_view kNoEncoders[] = {"llama", "mistral",     "qwen2", "qwen3",
                                            "bart",  "gemma3_text", "mbart", "dpr"};

// The order of torch's parameters of a direction.
constexpr std::string_view kDirections[] = {"", "_reverse"};

// DeBERTa without a table of positions reads texts of any length, and the package lets it.
int64_t longest_text(const Family& family, const ModelConfig& config) {
  constexpr int64_t kAny = 0;
  const bool relative = config.model_type.starts_with("deberta") &&
                        !config.fields.flag("position_biased_input", true);
  return relative ? kAny : max_positions(family, config);
}

void check_base(const Checkpoint& checkpoint, const BuildOptions& options) {
  const std::string folder = checkpoint.folder().string();
  const std::string& type = checkpoint.config().model_type;
  if (std::ranges::find(kNoEncoders, type) != std::end(kNoEncoders)) {
    fail(ErrorCode::kUnsupported, folder, "/", kGlinerConfig, ": encoder_config: model_type ",
         json_quote(type), " is not built in a GLiNER model; accepted are encoders");
  }
  const HeadKind head = options.head.value_or(HeadKind::kSpanLabels);
  if (head == HeadKind::kSpanLabels || head == HeadKind::kTokenClassification) return;
  fail(ErrorCode::kUnsupported, folder, ": a GLiNER model, made for ",
       head_name(HeadKind::kSpanLabels), ", not for ", head_name(head),
       "; accepted is the task ner");
}

/// The nodes behind the encoder, in the package's modules.
class SpanHead {
 public:
  SpanHead(Builder& b, const GlinerConfig& config) : b_(b), config_(config) {}

  // Of hidden [T, n].
  ValueId logits(ValueId hidden) {
    ValueId rows = b_.graph().add_node(OpKind::kSelectTokens, {hidden}, graph::NoAttributes{}, "");
    if (b_.graph().value(rows).shape[1].size != config_.hidden_size) {
      rows = b_.linear(rows, "token_rep_layer.projection", config_.hidden_size);
    }
    ValueId words = rows;
    for (int64_t layer = 0; layer < config_.num_rnn_layers; ++layer) words = lstm(words, layer);
    graph::ScoreSpansAttributes fields;
    fields.label_token = config_.class_token_index;
    fields.behind_token = !config_.embed_ent_token;
    fields.max_width = config_.max_width;
    fields.labels = most_labels(config_);
    return b_.graph().add_node(
        OpKind::kScoreSpans,
        {edge(words, "start"), edge(words, "end"), label(rows), b_.input_ids()}, fields, "scores");
  }

 private:
  [[nodiscard]] static std::string span(std::string_view module) {
    return cat("span_rep_layer.span_rep_layer.", module);
  }

  // What a word adds to the gates of both directions, in one product; both biases of a gate are
  // one.
  ValueId gates(ValueId x, const std::string& suffix) {
    const int64_t columns = b_.graph().value(x).shape[1].size;
    const int64_t gates = 2 * config_.hidden_size;  // four of half the size
    auto weight = std::make_shared<Tensor>(DType::kF32, Shape{2 * gates, columns});
    auto bias = std::make_shared<Tensor>(DType::kF32, Shape{2 * gates});
    auto weight_out = weight->mutable_as<float>().begin();
    auto bias_out = bias->mutable_as<float>().begin();
    for (const std::string_view direction : kDirections) {
      const auto load = [&](std::string_view name, const Shape& shape) {
        return b_.load(cat("rnn.lstm.", name, suffix, direction), shape);
      };
      const auto part = load("weight_ih", Shape{gates, columns});
      weight_out = std::ranges::copy(part->as<float>(), weight_out).out;
      const auto first = load("bias_ih", Shape{gates});
      const auto second = load("bias_hh", Shape{gates});
      bias_out =
          std::ranges::transform(first->as<float>(), second->as<float>(), bias_out, std::plus<>())
              .out;
    }
    return b_.linear_of(x, cat("rnn.lstm.weight_ih", suffix), {weight, bias});
  }

  ValueId lstm(ValueId x, int64_t layer) {
    const std::string suffix = cat("_l", layer);
    const int64_t n = config_.hidden_size / 2;
    std::vector<ValueId> inputs = {gates(x, suffix)};
    for (const std::string_view direction : kDirections) {
      inputs.push_back(b_.parameter(cat("rnn.lstm.weight_hh", suffix, direction), Shape{4 * n, n}));
    }
    inputs.push_back(b_.input_ids());
    graph::LstmAttributes fields;
    fields.label_token = config_.class_token_index;
    fields.behind_token = !config_.embed_ent_token;
    return b_.graph().add_node(OpKind::kLstm, std::move(inputs), fields, cat("rnn.lstm", suffix));
  }

  // create_projection_layer() of the package.
  ValueId projection(ValueId x, const std::string& module) {
    const int64_t n = config_.hidden_size;
    x = b_.activation(b_.linear(x, cat(module, ".0"), 4 * n), Activation::kRelu, cat(module, ".1"));
    return b_.linear(x, cat(module, ".3"), n);
  }

  // What a word adds to the inner layer of out_project as a span's first or last: the layer reads
  // both side by side, so that its product is a sum of two, each made once for a word and not for
  // each of its spans. The bias goes to the first.
  ValueId edge(ValueId words, std::string_view side) {
    const bool first = side == "start";
    const int64_t n = config_.hidden_size;
    const std::string module = span(cat("project_", side));
    const ValueId x =
        b_.activation(projection(words, module), Activation::kRelu, cat(module, ".relu"));
    const auto whole = b_.load_stored(span("out_project.0.weight"), Shape{4 * n, 2 * n});
    LinearTensors tensors{columns_of(*whole, first ? 0 : n, n), nullptr};
    if (first) tensors.bias = b_.load(span("out_project.0.bias"), Shape{4 * n});
    return b_.linear_of(x, span(cat("out_project.0.", side)), tensors);
  }

  // What the inner layer of out_project is multiplied with for a label's score, and a number behind
  // it: the outer layer W y + c and the label's vector p make p (W y + c) = (p W) y + p c.
  ValueId label(ValueId rows) {
    const int64_t n = config_.hidden_size;
    const ValueId p = projection(rows, "prompt_rep_layer");
    const auto outer = b_.load(span("out_project.3.weight"), Shape{n, 4 * n});
    const auto bias = b_.load(span("out_project.3.bias"), Shape{n});
    auto weight = std::make_shared<Tensor>(DType::kF32, Shape{4 * n + 1, n});
    const auto from = outer->as<float>();
    const auto to = weight->mutable_as<float>();
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < 4 * n; ++j) {
        to[static_cast<size_t>(j * n + i)] = from[static_cast<size_t>(i * 4 * n + j)];
      }
    }
    std::ranges::copy(bias->as<float>(), to.end() - n);
    return b_.linear_of(p, span("out_project.3.labels"), {weight, nullptr});
  }

  // Columns [begin, begin + count), as float32.
  static std::shared_ptr<const Tensor> columns_of(const Tensor& whole, int64_t begin,
                                                  int64_t count) {
    const Tensor values = to_float32(whole.view());
    const int64_t rows = whole.shape()[0];
    const int64_t stride = whole.shape()[1];
    auto part = std::make_shared<Tensor>(DType::kF32, Shape{rows, count});
    const float* from = values.as<float>().data() + begin;
    float* to = part->mutable_as<float>().data();
    for (int64_t i = 0; i < rows; ++i) std::copy_n(from + i * stride, count, to + i * count);
    return part;
  }

  Builder& b_;
  const GlinerConfig& config_;
};

}  // namespace

int64_t most_labels(const GlinerConfig& config) {
  // Models are asked for more labels than they were trained on; a word's scores are 4.8 KB.
  constexpr int64_t kUsual = 100;
  return std::max(kUsual, config.max_types);
}

BuiltModel build_gliner(const Checkpoint& checkpoint, const BuildOptions& options) {
  check_base(checkpoint, options);
  const GlinerConfig& gliner = *checkpoint.gliner();
  Builder b(checkpoint, find_family(checkpoint), options);
  const ModelConfig& config = b.config();
  BuiltModel model;
  model.family = config.model_type;
  model.head = HeadKind::kSpanLabels;
  model.gliner = gliner;
  model.vocab_size = config.vocab_size;
  model.hidden_size = config.hidden_size;
  model.type_vocab_size = config.type_vocab_size;
  model.max_positions = longest_text(b.family(), config);
  const ValueId logits = SpanHead(b, gliner).logits(b.family().parts->encoder(b));
  b.graph().add_output(kLogits, logits);
  check_unused_weights(checkpoint, b.family().prefix, model.head, b.used());
  model.output_size = b.graph().value(logits).shape[1].size;
  model.graph = std::move(b.graph());
  graph::verify(model.graph);
  return model;
}

}  // namespace tamis::models
