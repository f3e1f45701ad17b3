// Megatron-BERT: BERT with the norms before each block.
// Source: transformers, models/megatron_bert/modeling_megatron_bert.py
#include "models/bert_encoder.h"
#include "models/pre_norm_encoder.h"

namespace tamis::models {

namespace {

constexpr PreNormPaths kPaths = {".attention.ln", ".ln", "encoder.ln", true};

graph::ValueId encoder(Builder& b) { return pre_norm_layers(b, bert_embedding_sum(b, {}), kPaths); }

}  // namespace

constinit const FamilyParts kMegatronBert = {
    .encoder = encoder,
    .classifier = bert_classifier,
    .pooler = bert_pooler,
    .masked_lm = bert_masked_lm,
    .classifier_weights = {"bert.pooler.dense.weight", "classifier.weight"},
    .masked_lm_weight = "cls.predictions.transform.dense.weight",
    .decoder = "cls.predictions.decoder",
};

}  // namespace tamis::models
