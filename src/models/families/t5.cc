// T5 and mT5: pre-norm layers without biases, RMS norms, a bias by distance that the first layer
// has for all, scores without a factor. The encoder alone runs (sentence-t5, gtr, instructor), but
// for classes of sequences, which one pass of the decoder makes over the same tokens moved by one
// place. Source: transformers, models/t5/modeling_t5.py and models/mt5/modeling_mt5.py
#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "models/builder.h"
#include "models/decoder_heads.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr int64_t kMostHeadSize = 256;

/// What of config.json only this family has.
struct T5Config {
  int64_t head_size = 64;
  int64_t buckets = 32;
  int64_t max_distance = 128;
  Activation activation = Activation::kRelu;
  bool is_gated = false;
};

// "relu", or "gated-" and the name of the gate's activation; "gelu" behind a gate is gelu_new.
void read_feed_forward(const ModelConfig& config, T5Config& own) {
  const ConfigFields& fields = config.fields;
  constexpr std::string_view kKey = "feed_forward_proj";
  constexpr std::string_view kGated = "gated-";
  const std::string text = fields.text(kKey, config.model_type == "mt5" ? "gated-gelu" : "relu");
  own.is_gated = text.starts_with(kGated);
  const std::string name = own.is_gated ? text.substr(kGated.size()) : text;
  const auto found =
      activation_from_name(own.is_gated && name == "gelu" ? std::string("gelu_new") : name);
  if (!found) {
    fields.refuse(kKey, json_quote(std::string_view(text).substr(0, 200)),
                  cat("gated- and one of, or one of ", known_activations()));
  }
  own.activation = *found;
  own.is_gated = fields.flag("is_gated_act", own.is_gated);
  if (fields.has("dense_act_fn")) own.activation = fields.activation("dense_act_fn", "relu");
}

T5Config read_config(const ModelConfig& config) {
  const ConfigFields& fields = config.fields;
  T5Config own;
  own.head_size = fields.integer("d_kv", 64, 1, kMostHeadSize);
  own.buckets = fields.integer("relative_attention_num_buckets", 32, 4, 1 << 16);
  own.max_distance = fields.integer("relative_attention_max_distance", 128, 1, 1 << 20);
  if (own.buckets % 4 != 0 || own.buckets / 4 >= own.max_distance) {
    fields.refuse("relative_attention_num_buckets", cat(own.buckets),
                  "multiples of 4 below 4 times relative_attention_max_distance");
  }
  read_feed_forward(config, own);
  return own;
}

ValueId norm(Builder& b, ValueId x, const std::string& module) {
  return b.rms_norm(x, module, {.epsilon = b.config().layer_norm_eps});
}

/// The encoder or the decoder.
struct Stack {
  std::string module;
  int64_t layers = 0;
  ValueId bias = graph::kNoValue;     ///< by distance, of tokens of the stack itself
  int64_t right = -1;                 ///< tokens behind its own that a token sees
  ValueId encoded = graph::kNoValue;  ///< the encoder's result, where the stack attends to it
};

// x's queries over the keys and values of `rows`.
ValueId attention(Builder& b, const T5Config& own, ValueId x, ValueId rows,
                  const std::string& module, const Stack* by_distance) {
  const int64_t heads = b.config().num_attention_heads;
  const auto project = [&](ValueId from, std::string_view name) {
    return b.linear(from, cat(module, ".", name), heads * own.head_size, Bias::kNone);
  };
  AttentionOperands operands = {
      .q = project(x, "q"), .k = project(rows, "k"), .v = project(rows, "v")};
  graph::AttentionAttributes fields;
  fields.heads = heads;
  if (by_distance != nullptr) {
    operands.bias = by_distance->bias;
    fields.bias = graph::BiasRule::kT5;
    fields.max_distance = own.max_distance;
    fields.right = by_distance->right;
  }
  return b.linear(b.attention(operands, fields, module), module + ".o", b.config().hidden_size,
                  Bias::kNone);
}

ValueId feed_forward(Builder& b, const T5Config& own, ValueId x, const std::string& module) {
  const int64_t n = b.config().intermediate_size;
  const std::string gate = own.is_gated ? ".wi_0" : ".wi";
  ValueId wide =
      b.activation(b.linear(x, module + gate, n, Bias::kNone), own.activation, module + ".act");
  if (own.is_gated) {
    wide = b.multiply(wide, b.linear(x, module + ".wi_1", n, Bias::kNone), module);
  }
  return b.linear(wide, module + ".wo", b.config().hidden_size, Bias::kNone);
}

ValueId run_stack(Builder& b, const T5Config& own, const Stack& stack, ValueId x) {
  for (int64_t i = 0; i < stack.layers; ++i) {
    int64_t next = 0;
    // x + block(norm(x)), each the layer's next module.
    const auto add = [&](std::string_view name, const auto& block) {
      const std::string module = cat(stack.module, ".block.", i, ".layer.", next++);
      const ValueId normed = norm(b, x, module + ".layer_norm");
      x = b.add(block(normed, cat(module, ".", name)), x, module);
    };
    add("SelfAttention", [&](ValueId rows, const std::string& module) {
      return attention(b, own, rows, rows, module, &stack);
    });
    if (stack.encoded != graph::kNoValue) {
      add("EncDecAttention", [&](ValueId rows, const std::string& module) {
        return attention(b, own, rows, stack.encoded, module, nullptr);
      });
    }
    add("DenseReluDense", [&](ValueId rows, const std::string& module) {
      return feed_forward(b, own, rows, module);
    });
  }
  return norm(b, x, stack.module + ".final_layer_norm");
}

std::string bias_name(const std::string& module) {
  return module + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight";
}

ValueId encoder(Builder& b) {
  const T5Config own = read_config(b.config());
  Stack stack = {std::string(b.family().prefix), b.config().num_hidden_layers};
  stack.bias =
      b.parameter(bias_name(stack.module), Shape{own.buckets, b.config().num_attention_heads});
  return run_stack(b, own, stack, b.word_embedding(b.path("embed_tokens"), b.config().hidden_size));
}

// The decoder has all buckets for tokens before a query: as many more, which no key that a query
// sees is in, make them those of both directions.
ValueId causal_bias(Builder& b, const T5Config& own, const std::string& module) {
  const int64_t heads = b.config().num_attention_heads;
  if (own.buckets / 2 >= own.max_distance) {
    b.config().fields.refuse("relative_attention_num_buckets", cat(own.buckets),
                             "of a decoder multiples of 4 below twice "
                             "relative_attention_max_distance");
  }
  const std::string name = bias_name(module);
  const auto stored = b.load(name, Shape{own.buckets, heads});
  Tensor table(DType::kF32, Shape{2 * own.buckets, heads});
  const auto values = table.mutable_as<float>();
  std::ranges::fill(std::ranges::copy(stored->as<float>(), values.begin()).out, values.end(), 0.0f);
  return b.graph().add_constant(name, std::make_shared<const Tensor>(std::move(table)));
}

constexpr std::string_view kDecoder = "transformer.decoder";

// The decoder's words, which are the encoder's unless its own differ from them.
ValueId decoder_words(Builder& b, ValueId ids) {
  const std::string own = cat(kDecoder, ".embed_tokens");
  const std::string encoders = b.path("embed_tokens");
  const std::string encoders_weight = encoders + ".weight";
  const std::string theirs =
      b.weights().has(encoders_weight) ? encoders_weight : "transformer.shared.weight";
  const bool is_own = words_of_half(b, own + ".weight", {theirs}) != theirs;
  const Shape shape{b.config().vocab_size, b.config().hidden_size};
  return b.embedding(is_own ? own : encoders, shape, ids);
}

// Behind the decoder's pass over what the encoder made of the same tokens.
ValueId classifier(Builder& b, ValueId encoded) {
  const ModelConfig& config = b.config();
  const T5Config own = read_config(config);
  const int64_t usual = config.num_hidden_layers;
  const JsonView given = config.fields.view().get("num_decoder_layers");
  Stack stack = {
      std::string(kDecoder),
      given.is_null() ? usual : config.fields.integer("num_decoder_layers", usual, 1, 1024)};
  stack.bias = causal_bias(b, own, stack.module);
  stack.right = 0;
  stack.encoded = encoded;
  // Older files have it, and no class reads it.
  b.leave(cat(kDecoder, ".block.0.layer.1.EncDecAttention.relative_attention_bias.weight"));
  const std::optional<int64_t> start =
      config.model_type == "mt5" ? std::optional<int64_t>(0) : std::nullopt;
  graph::ShiftIdsAttributes shift;
  shift.first = read_token(config, "decoder_start_token_id", start);
  const ValueId ids =
      b.graph().add_node(graph::OpKind::kShiftIds, {b.input_ids()}, shift, stack.module);
  return end_of_text_classifier(b, run_stack(b, own, stack, decoder_words(b, ids)),
                                read_token(config, "eos_token_id", 1));
}

}  // namespace

constinit const FamilyParts kT5 = {
    .encoder = encoder,
    .question_answering = {},  // the class's is behind a decoder
    .decoder = "shared",
};
// Of the classes for tokens and sequences, which hold the model as one of their own.
constinit const FamilyParts kT5Classes = {
    .encoder = encoder,
    .classifier = classifier,
    .classifier_weights = kEndOfTextWeights,
    .question_answering = {},
    .decoder = "transformer.shared",
};

}  // namespace tamis::models
