// BART and mBART: an encoder, and one pass of the decoder over the same tokens moved by one place,
// which see those before them and all of the encoder's. The two lie in the same rows, sequence by
// sequence. Text is not generated. Source: transformers, models/bart/modeling_bart.py and
// models/mbart/modeling_mbart.py
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "models/builder.h"
#include "models/decoder_heads.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr double kEpsilon = 1e-5;       // of PyTorch's LayerNorm, which no key changes
constexpr int64_t kPositionOffset = 2;  // rows of the table of positions that no token has
constexpr int64_t kMostSize = 1 << 20;

/// One of the two halves.
struct Half {
  std::string module;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t intermediate = 0;
  int64_t right = -1;                 ///< tokens behind its own that a token sees
  ValueId encoded = graph::kNoValue;  ///< the encoder's result, where the half attends to it
};

struct Bart {
  Half encoder;
  Half decoder;
  bool norms_first = false;  ///< mBART, with a norm behind all layers
  bool scales_words = false;
};

Bart read_bart(const Builder& b) {
  const ModelConfig& config = b.config();
  const ConfigFields& fields = config.fields;
  Bart own;
  own.norms_first = config.model_type == "mbart";
  own.scales_words = fields.flag("scale_embedding", false);
  own.encoder = {b.path("encoder"), config.num_hidden_layers, config.num_attention_heads,
                 config.intermediate_size};
  own.decoder = {b.path("decoder"), fields.integer("decoder_layers", 12, 0, 1024),
                 fields.integer("decoder_attention_heads", 16, 1, config.hidden_size),
                 fields.integer("decoder_ffn_dim", 4096, 1, kMostSize), 0};
  if (config.hidden_size % own.decoder.heads != 0) {
    fail(ErrorCode::kCorruptData, fields.what("decoder_attention_heads"), " is ", own.decoder.heads,
         "; accepted are divisors of d_model, ", config.hidden_size);
  }
  if (!config.pad_token_id) {
    fail(ErrorCode::kUnsupported, fields.what("pad_token_id"), " is null, but ", config.model_type,
         " moves its ids by it; 1 is usual");
  }
  return own;
}

// The words of one half, which both share unless its own differ from them.
ValueId word_table(Builder& b, const Half& half) {
  const std::string own = cat(half.module, ".embed_tokens.weight");
  const bool may_share = b.config().tie_word_embeddings || b.weights().has(own);
  const std::string name =
      may_share ? words_of_half(b, own,
                                {b.path("shared.weight"), b.path("encoder.embed_tokens.weight"),
                                 b.path("decoder.embed_tokens.weight")})
                : own;
  const Shape shape{b.config().vocab_size, b.config().hidden_size};
  const ValueId known = b.graph().find_value(name);
  return known != graph::kNoValue ? known
                                  : b.graph().add_constant(name, b.load_stored(name, shape));
}

ValueId gather(Builder& b, ValueId table, ValueId ids, const std::string& module) {
  return b.graph().add_node(graph::OpKind::kGather, {table, ids}, graph::NoAttributes{}, module);
}

ValueId norm(Builder& b, ValueId x, const std::string& module) {
  return b.layer_norm(x, module, kEpsilon);
}

ValueId embeddings(Builder& b, const Bart& own, const Half& half, ValueId ids) {
  const int64_t n = b.config().hidden_size;
  const std::string words_module = half.module + ".embed_tokens";
  ValueId words = gather(b, word_table(b, half), ids, words_module);
  if (own.scales_words) {
    const auto root = static_cast<float>(std::sqrt(static_cast<double>(n)));
    words = b.scaled(words, root, words_module);
  }
  const std::string module = half.module + ".embed_positions";
  const ValueId places = b.graph().add_node(graph::OpKind::kPositionIds, {b.input_ids()},
                                            graph::PositionIdsAttributes{}, module);
  const int64_t rows = b.config().max_position_embeddings;
  const auto whole = b.load_stored(module + ".weight", Shape{rows + kPositionOffset, n});
  const ValueId table = b.graph().add_constant(
      module + ".weight",
      std::make_shared<const Tensor>(whole->rows(kPositionOffset, rows + kPositionOffset)));
  const ValueId sum = b.add(words, gather(b, table, places, module), half.module);
  return norm(b, sum, half.module + ".layernorm_embedding");
}

/// Whose rows an attention compares its own with, and how far behind a token it looks.
struct Seen {
  ValueId rows = graph::kNoValue;
  int64_t right = -1;
};

ValueId attention(Builder& b, const Half& half, ValueId x, const Seen& seen,
                  const std::string& module) {
  const int64_t n = b.config().hidden_size;
  AttentionOperands operands;
  operands.q = b.linear(x, module + ".q_proj", n);
  operands.k = b.linear(seen.rows, module + ".k_proj", n);
  operands.v = b.linear(seen.rows, module + ".v_proj", n);
  graph::AttentionAttributes fields;
  fields.heads = half.heads;
  fields.scale = attention_scale(n / half.heads);
  fields.right = seen.right;
  return b.linear(b.attention(operands, fields, module), module + ".out_proj", n);
}

// x + block(norm(x)), or norm(x + block(x)).
template <typename Block>
ValueId with_norm(Builder& b, const Bart& own, ValueId x, const std::string& name,
                  const std::string& layer, const Block& block) {
  if (own.norms_first) return b.add(x, block(norm(b, x, name)), layer);
  return norm(b, b.add(x, block(x), layer), name);
}

ValueId layer(Builder& b, const Bart& own, const Half& half, ValueId x, const std::string& module) {
  x = with_norm(b, own, x, module + ".self_attn_layer_norm", module, [&](ValueId rows) {
    return attention(b, half, rows, {rows, half.right}, module + ".self_attn");
  });
  if (half.encoded != graph::kNoValue) {
    x = with_norm(b, own, x, module + ".encoder_attn_layer_norm", module, [&](ValueId rows) {
      return attention(b, half, rows, {half.encoded}, module + ".encoder_attn");
    });
  }
  return with_norm(b, own, x, module + ".final_layer_norm", module, [&](ValueId rows) {
    const ValueId wide = b.activation(b.linear(rows, module + ".fc1", half.intermediate),
                                      b.config().hidden_act, module + ".activation_fn");
    return b.linear(wide, module + ".fc2", b.config().hidden_size);
  });
}

ValueId run_half(Builder& b, const Bart& own, const Half& half, ValueId ids) {
  ValueId x = embeddings(b, own, half, ids);
  for (int64_t i = 0; i < half.layers; ++i) {
    x = layer(b, own, half, x, cat(half.module, ".layers.", i));
  }
  return own.norms_first ? norm(b, x, half.module + ".layer_norm") : x;
}

// mBART's start is the last id of the text: its language.
ValueId decoder_ids(Builder& b, const Bart& own) {
  graph::ShiftIdsAttributes shift;
  if (own.norms_first) {
    shift.padding_idx = *b.config().pad_token_id;
  } else {
    shift.first = read_token(b.config(), "decoder_start_token_id", 2);
  }
  return b.graph().add_node(graph::OpKind::kShiftIds, {b.input_ids()}, shift, own.decoder.module);
}

ValueId encoder(Builder& b) {
  Bart own = read_bart(b);
  own.decoder.encoded = run_half(b, own, own.encoder, b.input_ids());
  return run_half(b, own, own.decoder, decoder_ids(b, own));
}

ValueId classifier(Builder& b, ValueId hidden) {
  return end_of_text_classifier(b, hidden, read_token(b.config(), "eos_token_id", 2));
}

}  // namespace

constinit const FamilyParts kBart = {
    .encoder = encoder,
    .classifier = classifier,
    .classifier_weights = kEndOfTextWeights,
};

}  // namespace tamis::models
