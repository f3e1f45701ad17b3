#include "model/task_heads.h"

#include <algorithm>

#include "base/file.h"
#include "model/late_interaction.h"
#include "quant/gemm.h"

namespace tamis::api {

using models::HeadKind;
using tasks::TaskKind;

namespace {

// Where texts are compared by vectors of tokens, rerank reads these and no pairs.
bool ranks_by_vectors(const SentenceTransformerConfig& sentence,
                      const std::filesystem::path& weights) {
  return sentence.late_interaction || is_colbert(weights) ||
         file_exists(weights / "colbert_linear.pt");
}

// The dense vector of BGE-M3, whose trainer writes no modules.json: FlagEmbedding's defaults, the
// first token at unit length.
std::optional<SentenceTransformerConfig> dense_of_m3(const SentenceTransformerConfig& sentence,
                                                     const std::filesystem::path& weights) {
  const bool m3 = !sentence.has_modules && file_exists(weights / "sparse_linear.pt") &&
                  file_exists(weights / "colbert_linear.pt");
  if (!m3) return std::nullopt;
  SentenceTransformerConfig dense = sentence;
  dense.has_modules = true;
  dense.pooling.emplace().modes = {Pooling::kCls};
  dense.normalize = true;
  return dense;
}

// By the engine's own GEMM.
void multiply(const models::Projection& p, ThreadPool& pool) {
  for (int64_t row = 0; row < p.m; ++row) {
    float* y = p.y + row * p.n;
    p.bias == nullptr ? std::fill_n(y, p.n, 0.0f) : std::copy_n(p.bias, p.n, y);
  }
  quant::gemm_add({p.m, p.n, p.k, p.x, p.k, p.w, p.k, p.y, p.n}, pool);
}

}  // namespace

models::BuildOptions build_options(const std::optional<TaskKind>& task,
                                   const SentenceTransformerConfig& sentence,
                                   const std::filesystem::path& weights,
                                   const std::shared_ptr<ThreadPool>& pool) {
  models::BuildOptions build;
  build.project = [pool](const models::Projection& projection) { multiply(projection, *pool); };
  if (sentence.is_cross_encoder) build.head = HeadKind::kSequenceClassification;
  if (task) build.head = head_of(*task);
  if (task == TaskKind::kRerank && ranks_by_vectors(sentence, weights)) {
    build.head = HeadKind::kMultiVector;
  }
  if (sentence.has_modules) build.sentence_transformer = sentence;
  if (!task || task == TaskKind::kEmbed || task == TaskKind::kEmbedAll) {
    if (auto dense = dense_of_m3(sentence, weights)) build.sentence_transformer = std::move(dense);
  }
  if (build.head && *build.head != HeadKind::kEmbedding && models::is_embedding(*build.head)) {
    build.token_heads = read_token_heads(weights);
  }
  return build;
}

// A head of one label that is no regression scores pairs: that is how cross-encoders are saved.
TaskKind task_of(const models::BuiltModel& model, bool is_cross_encoder) {
  switch (model.head) {
    case HeadKind::kEmbedding:
      return TaskKind::kEmbed;
    case HeadKind::kSequenceClassification:
      return model.labels.size() == 1 &&
                     (is_cross_encoder || model.problem_type != ProblemType::kRegression)
                 ? TaskKind::kRerank
                 : TaskKind::kClassify;
    case HeadKind::kTokenClassification:
      return TaskKind::kNer;
    case HeadKind::kQuestionAnswering:
      return TaskKind::kQa;
    case HeadKind::kMaskedLM:
      return TaskKind::kFillMask;
    case HeadKind::kSparseEmbedding:
      return TaskKind::kEmbedSparse;
    case HeadKind::kMultiVector:
      return TaskKind::kEmbedMulti;
    case HeadKind::kAllEmbeddings:
      return TaskKind::kEmbedAll;
    case HeadKind::kSpanLabels:
      return TaskKind::kNer;
  }
  return TaskKind::kEmbed;
}

HeadKind head_of(TaskKind task) {
  switch (task) {
    case TaskKind::kEmbed:
      return HeadKind::kEmbedding;
    case TaskKind::kClassify:
    case TaskKind::kRerank:
    case TaskKind::kZeroShot:
      return HeadKind::kSequenceClassification;
    case TaskKind::kNer:
      return HeadKind::kTokenClassification;
    case TaskKind::kQa:
      return HeadKind::kQuestionAnswering;
    case TaskKind::kFillMask:
      return HeadKind::kMaskedLM;
    case TaskKind::kEmbedSparse:
      return HeadKind::kSparseEmbedding;
    case TaskKind::kEmbedMulti:
      return HeadKind::kMultiVector;
    case TaskKind::kEmbedAll:
      return HeadKind::kAllEmbeddings;
  }
  return HeadKind::kEmbedding;
}

bool is_output_unit(TaskKind task, engine::RowUnit unit) {
  switch (task) {
    case TaskKind::kEmbed:
    case TaskKind::kClassify:
    case TaskKind::kRerank:
    case TaskKind::kZeroShot:
    case TaskKind::kEmbedAll:
      return unit == engine::RowUnit::kSequence;
    case TaskKind::kQa:
    case TaskKind::kEmbedMulti:
      return unit == engine::RowUnit::kToken;
    case TaskKind::kNer:  // of selected tokens where labels come with the text
      return unit != engine::RowUnit::kSequence;
    case TaskKind::kFillMask:
      return unit == engine::RowUnit::kSelectedToken;
    case TaskKind::kEmbedSparse:
      return unit != engine::RowUnit::kSelectedToken;
  }
  return false;
}

}  // namespace tamis::api
