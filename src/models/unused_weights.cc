#include "models/unused_weights.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "models/trained_ranges.h"

namespace tamis::models {

namespace {

struct DroppedHead {
  std::string_view module;  // of the tensor, before its last dot
  HeadKind head;            // the answer that it would change
  std::string_view what;
  std::string_view accepted;
};
constexpr DroppedHead kDroppedHeads[] = {
    {"linear", HeadKind::kEmbedding, "ColBERT's projection to a vector for each token",
     "the tasks embed-multi (--multi) and rerank"},
    {"colbert_linear", HeadKind::kEmbedding, "ColBERT's projection to a vector for each token",
     "checkpoints that hold it in colbert_linear.pt"},
    {"sparse_linear", HeadKind::kEmbedding, "the weights of a sparse embedding",
     "checkpoints that hold them in sparse_linear.pt"},
    {"crf", HeadKind::kTokenClassification, "a CRF behind the labels of the tokens",
     "checkpoints without it"},
};

// Left behind by the family's own classes: what another of them reads.
constexpr std::string_view kUsual[] = {
    "pooler.",
    "cls.",
    "lm_head.",
    "lm_predictions.",
    "mask_predictions.",
    "predictions.",
    "sop_classifier.",
    "classifier.",
    "classification_head.",
    "pre_classifier.",
    "qa_outputs.",
    "vocab_transform.",
    "vocab_layer_norm.",
    "vocab_projector.",
    "generator_predictions.",
    "generator_lm_head.",
    "discriminator_predictions.",
    "head.",
    // Of a head whose last layer has this name, and T5's decoder where the encoder alone runs.
    "decoder.weight",
    "decoder.bias",
    "decoder.block.",
    "decoder.embed_tokens.",
    "decoder.final_layer_norm.",
    "dense.",
    "contact_head.",
    "score.",
    "final_logits_bias",
    "encoder.version",
};

bool is_usual(std::string_view name, std::string_view prefix) {
  for (const std::string_view buffer : {"position_ids", "token_type_ids", "inv_freq"}) {
    if (name.ends_with(buffer)) return true;
  }
  if (name.starts_with(prefix) && name.substr(prefix.size()).starts_with('.')) {
    name.remove_prefix(prefix.size() + 1);
  }
  return std::ranges::any_of(kUsual,
                             [name](std::string_view usual) { return name.starts_with(usual); });
}

void refuse_dropped(const Checkpoint& checkpoint, HeadKind head, std::string_view name) {
  for (const DroppedHead& row : kDroppedHeads) {
    if (row.head != head || name.substr(0, name.find('.')) != row.module) continue;
    fail(ErrorCode::kUnsupported, checkpoint.folder().string(), ": tensor ", json_quote(name),
         " is ", row.what, ", which ", head_name(head), " would leave out; accepted are ",
         row.accepted);
  }
}

}  // namespace

bool reads_all(const Checkpoint& checkpoint, std::string_view prefix,
               const std::set<std::string>& used) {
  return std::ranges::all_of(checkpoint.names(), [&](const std::string& name) {
    return used.contains(name) || is_usual(name, prefix);
  });
}

void check_unused_weights(const Checkpoint& checkpoint, std::string_view prefix, HeadKind head,
                          const std::set<std::string>& used) {
  constexpr size_t kNamed = 3;
  size_t count = 0;
  std::string names;
  for (const std::string& name : checkpoint.names()) {
    if (used.contains(name) || is_trained_range(name)) continue;
    refuse_dropped(checkpoint, head, name);
    if (is_usual(name, prefix)) continue;
    if (count++ < kNamed) names += cat(names.empty() ? "" : ", ", json_quote(name.substr(0, 200)));
  }
  if (count == 0) return;
  log(LogLevel::kWarning,
      cat(checkpoint.folder().string(), ": ", count,
          " tensors of the weights are not used: ", names, count > kNamed ? ", ..." : ""));
}

}  // namespace tamis::models
