// What a family's file supplies.
//
// Is: a table of functions that append the family's nodes. Is not: the choice between families
// (build_model.cc). May use: graph, formats.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/hf_config.h"
#include "graph/graph.h"
#include "models/weights.h"

namespace tamis::models {

class Builder;

/// A family without a head has null in its place.
struct FamilyParts {
  /// Appends the encoder; the last hidden state [T, hidden].
  graph::ValueId (*encoder)(Builder&);
  /// Appends what the family's own class embeds by to hidden [T, hidden], [B, n]; null: nothing, so
  /// that mean pooling is taken where no module of sentence-transformers says otherwise.
  graph::ValueId (*embedding)(Builder&, graph::ValueId hidden) = nullptr;
  /// Appends the sequence classification head to hidden [T, hidden]; logits [B, num_labels].
  graph::ValueId (*classifier)(Builder&, graph::ValueId hidden) = nullptr;
  /// Appends the encoder's own pooler to hidden [T, hidden]: transformers' pooler_output
  /// [B, hidden]; null for families without one.
  graph::ValueId (*pooler)(Builder&, graph::ValueId hidden) = nullptr;
  /// Appends the head of masked words to hidden [S, hidden]; logits [S, vocab].
  graph::ValueId (*masked_lm)(Builder&, graph::ValueId hidden) = nullptr;
  /// Appends what stands before the last layer of the heads for tokens, [T, hidden] of both; null:
  /// nothing.
  graph::ValueId (*token_head)(Builder&, graph::ValueId hidden) = nullptr;
  /// Appends what the class does to the logits of question answering, [T, 2] of both; null:
  /// nothing.
  graph::ValueId (*answers)(Builder&, graph::ValueId logits) = nullptr;
  /// Tokens of the longest sequence; null: max_position_embeddings.
  int64_t (*max_positions)(const ModelConfig&) = nullptr;
  /// Tensors by which a checkpoint shows that it has the head.
  std::array<std::string_view, 2> classifier_weights = {};
  std::string_view masked_lm_weight = {};
  /// The last layer's module of the head for tokens.
  std::string_view token_classifier = "classifier";
  /// The last layer's module of the head for question answering; "": there is none.
  std::string_view question_answering = "qa_outputs";
  /// The module whose weight is tied to the word embeddings.
  std::string_view decoder = {};
  /// Names that older checkpoints have for parts of the class's parameter names.
  std::span<const Respelling> spellings = {};
};

struct Family {
  std::string_view model_type;
  std::string_view prefix;  ///< of the encoder's modules in classes that have a head
  const FamilyParts* parts;
};

extern const FamilyParts kBert;
extern const FamilyParts kDistilBert;
extern const FamilyParts kRoberta;
extern const FamilyParts kAlbert;
extern const FamilyParts kElectra;
extern const FamilyParts kMpnet;
extern const FamilyParts kDeberta;
extern const FamilyParts kDebertaV2;
extern const FamilyParts kErnie;
extern const FamilyParts kMegatronBert;
extern const FamilyParts kRobertaPreLayerNorm;
extern const FamilyParts kXlmRobertaXl;
extern const FamilyParts kDpr;
extern const FamilyParts kModernBert;
extern const FamilyParts kNomicBert;
extern const FamilyParts kGte;
extern const FamilyParts kEuroBert;
extern const FamilyParts kNeoBert;
extern const FamilyParts kJinaBert;
extern const FamilyParts kJinaV3;
extern const FamilyParts kEsm;
extern const FamilyParts kLlama;
extern const FamilyParts kMistral;
extern const FamilyParts kQwen2;
extern const FamilyParts kQwen3;
extern const FamilyParts kGemma3;
extern const FamilyParts kT5;
extern const FamilyParts kT5Classes;
extern const FamilyParts kBart;
extern const FamilyParts kLongformer;
extern const FamilyParts kBigBird;

}  // namespace tamis::models
