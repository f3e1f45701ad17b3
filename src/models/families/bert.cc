// BERT (MiniLM, mBERT). Source: transformers, models/bert/modeling_bert.py
#include "models/bert_encoder.h"

namespace tamis::models {

namespace {

graph::ValueId encoder(Builder& b) { return bert_layers(b, bert_embeddings(b, {})); }

}  // namespace

constinit const FamilyParts kBert = {
    .encoder = encoder,
    .classifier = bert_classifier,
    .pooler = bert_pooler,
    .masked_lm = bert_masked_lm,
    .classifier_weights = {"bert.pooler.dense.weight", "classifier.weight"},
    .masked_lm_weight = "cls.predictions.transform.dense.weight",
    .decoder = "cls.predictions.decoder",
};

}  // namespace tamis::models
