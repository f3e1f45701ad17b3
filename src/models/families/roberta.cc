// RoBERTa (DistilRoBERTa), CamemBERT, XLM-RoBERTa, Data2VecText: BERT's encoder with positions that
// count from the padding token; RoBERTa-PreLayerNorm and XLM-RoBERTa-XL with the norms before each
// block. Source: transformers, models/roberta/modeling_roberta.py,
// models/roberta_prelayernorm/modeling_roberta_prelayernorm.py and
// models/xlm_roberta_xl/modeling_xlm_roberta_xl.py
#include "models/bert_encoder.h"
#include "models/pre_norm_encoder.h"
#include "models/relative_keys.h"
#include "models/roberta_heads.h"

namespace tamis::models {

using graph::ValueId;

namespace {

int64_t max_positions(const ModelConfig& config) {
  // Distances count from no padding.
  if (position_kind(config.fields) != PositionKind::kAbsolute) {
    return config.max_position_embeddings;
  }
  return roberta_max_positions(config, roberta_padding_idx(config));
}

graph::PositionIdsAttributes positions(const Builder& b) {
  return {graph::PositionRule::kRoberta, roberta_padding_idx(b.config())};
}

ValueId encoder(Builder& b) { return bert_layers(b, bert_embeddings(b, positions(b))); }

ValueId pre_norm_encoder(Builder& b) {
  constexpr PreNormPaths kPaths = {".attention.LayerNorm", ".intermediate.LayerNorm", "LayerNorm"};
  return pre_norm_layers(b, bert_embeddings(b, positions(b)), kPaths);
}

ValueId xl_encoder(Builder& b) {
  constexpr PreNormPaths kPaths = {".attention.self_attn_layer_norm", ".LayerNorm",
                                   "encoder.LayerNorm"};
  return pre_norm_layers(b, bert_embedding_sum(b, positions(b)), kPaths);
}

constexpr FamilyParts with_encoder(ValueId (*encoder)(Builder&)) {
  return {
      .encoder = encoder,
      .classifier = roberta_classifier,
      .pooler = bert_pooler,
      .masked_lm = roberta_masked_lm,
      .max_positions = max_positions,
      .classifier_weights = {"classifier.dense.weight", "classifier.out_proj.weight"},
      .masked_lm_weight = "lm_head.dense.weight",
      .decoder = "lm_head.decoder",
  };
}

}  // namespace

constinit const FamilyParts kRoberta = with_encoder(encoder);
constinit const FamilyParts kRobertaPreLayerNorm = with_encoder(pre_norm_encoder);
constinit const FamilyParts kXlmRobertaXl = with_encoder(xl_encoder);

}  // namespace tamis::models
