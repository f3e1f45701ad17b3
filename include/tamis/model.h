// A Hugging Face encoder, or a bundle made of one, that answers.
//
//   const tamis::Model model = tamis::Model::load("build/models/minilm");
//   const std::vector<tamis::EmbedResult> vectors = model.embed({"A text.", "Another one."});
#pragma once

#include <tamis/error.h>
#include <tamis/input_error.h>
#include <tamis/options.h>
#include <tamis/results.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

/// How a model is loaded. Empty and 0 stand for the default.
struct LoadOptions {
  /// "embed", "classify", "rerank", "ner", "qa", "fill-mask", "zero-shot", "embed-sparse",
  /// "embed-multi", "embed-all"; default: what the model was made for.
  std::string task;
  int threads = 0;         ///< default: physical cores, affinity mask and CPU quota permitting
  std::string isa;         ///< force a kernel set: "reference", "avx2", "avx512", ...
  std::string precision;   ///< default: fp32 for a checkpoint, a bundle as it was made
  int64_t max_length = 0;  ///< longest input in tokens; default: the model's own
  std::string device;      ///< "cpu", "cuda" or "cuda:N"; default: cpu
};

/// What a loaded model is.
struct ModelInfo {
  std::string family;  ///< config.json's model_type
  std::string task;
  std::string precision;
  int64_t parameters = 0;
  int64_t max_length = 0;   ///< tokens, special ones included
  int64_t hidden_size = 0;  ///< of a token embedding
  int64_t output_size = 0;  ///< of an embedding, or the number of logits
  std::vector<std::string> labels;
  std::vector<std::string> prompt_names;
  std::vector<std::string> prompts;  ///< their texts
  std::string default_prompt_name;   ///< "" if there is none
  /// Of a cross-encoder's scores: "sigmoid", "none", "tanh", ...; "" if the model names none.
  std::string score_activation;
  int64_t truncate_dim = 0;  ///< floats of an embedding that its modules leave; 0: all
  /// By which vectors are compared: sentence-transformers' similarity_fn_name; "" if not named.
  std::string similarity;
  /// An input of answer() or classify() must have `pair`: a question answerer, or a reranker that
  /// reads query and document in one text.
  bool needs_pair = false;
};

/// A text as tokens.
struct Tokens {
  std::vector<int32_t> ids;
  std::vector<std::string> tokens;
  /// [start, end) in code points of the text; {0, 0} for tokens that were added.
  std::vector<std::pair<int32_t, int32_t>> offsets;
};

/// Token ids as the model's tokenizer gives them, special tokens included.
struct TokenIds {
  std::vector<int32_t> ids;
  std::vector<int32_t> type_ids = {};  ///< segments, as many as ids; empty: 0 everywhere
};

/// Rows of one width, one behind the other.
struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<float> values;  ///< rows * columns

  [[nodiscard]] const float* row(int64_t i) const { return values.data() + i * columns; }
};

/// ColBERT's score of a document for a query: the sum, over the query's vectors, of the greatest
/// product with one of the document's; 0 for a document without any. Throws kInvalidArgument if
/// their columns differ.
[[nodiscard]] float max_sim(const EmbedMultiResult& query, const EmbedMultiResult& document);

/// Thread-safe: const calls may run at once; each takes the idle threads of the model's pool.
/// Answers do not depend on what else runs, nor on what stands beside a text in a call.
///
/// Calls throw Error: kInvalidArgument (a text that is not UTF-8, an option out of range),
/// kUnsupported (the model cannot do the task). What is wrong with one input alone is an
/// InputError, which names it.
class Model {
 public:
  /// `model`: a Hugging Face folder, a hub id in the local cache, an .onnx file, or a bundle.
  /// Throws Error: kNotFound, kCorruptData, kUnsupported, kInvalidArgument, kOutOfMemory.
  [[nodiscard]] static Model load(const std::string& model, const LoadOptions& options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  [[nodiscard]] ModelInfo info() const;

  [[nodiscard]] std::vector<EmbedResult> embed(const std::vector<std::string>& texts,
                                               const EmbedOptions& options = {}) const;
  /// As embed(): one row a text.
  [[nodiscard]] Matrix embed_matrix(const std::vector<std::string>& texts,
                                    const EmbedOptions& options = {}) const;
  /// As embed_matrix(), into the caller's memory, which has room for `size` floats. Throws
  /// kInvalidArgument if that is not texts.size() * embedding_size(options).
  void embed_into(const std::vector<std::string>& texts, const EmbedOptions& options, float* out,
                  size_t size) const;
  /// Floats of an embedding: `dimensions` if given, else info().output_size. Throws
  /// kInvalidArgument if they are fewer than one; what is too many is told with a text.
  [[nodiscard]] int64_t embedding_size(const EmbedOptions& options = {}) const;
  /// Weights of the vocabulary's tokens (SPLADE, BGE-M3); loaded for "embed-sparse" or "embed-all".
  [[nodiscard]] std::vector<EmbedSparseResult> embed_sparse(
      const std::vector<std::string>& texts, const EmbedSparseOptions& options = {}) const;
  /// A vector for each token (ColBERT, BGE-M3), to be compared by max_sim(); loaded for
  /// "embed-multi" or "embed-all".
  [[nodiscard]] std::vector<EmbedMultiResult> embed_multi(
      const std::vector<std::string>& texts, const EmbedMultiOptions& options = {}) const;
  /// All three in one run (BGE-M3); loaded for "embed-all".
  [[nodiscard]] std::vector<EmbedAllResult> embed_all(const std::vector<std::string>& texts,
                                                      const EmbedAllOptions& options = {}) const;
  [[nodiscard]] std::vector<ClassifyResult> classify(const std::vector<TaskInput>& inputs,
                                                     const ClassifyOptions& options = {}) const;
  [[nodiscard]] RerankResult rerank(const std::string& query, const std::vector<std::string>& texts,
                                    const RerankOptions& options = {}) const;
  /// rerank()'s score of each pair, whose `text` is the query, in the order of the pairs. `top_k`
  /// is kInvalidArgument.
  [[nodiscard]] std::vector<float> score(const std::vector<TaskInput>& pairs,
                                         const RerankOptions& options = {}) const;
  [[nodiscard]] std::vector<NerResult> ner(const std::vector<std::string>& texts,
                                           const NerOptions& options = {}) const;
  [[nodiscard]] QaResult answer(const std::string& question, const std::string& context,
                                const QaOptions& options = {}) const;
  /// Several at once; `text` is the question, `pair` the context.
  [[nodiscard]] std::vector<QaResult> answer(const std::vector<TaskInput>& inputs,
                                             const QaOptions& options = {}) const;
  [[nodiscard]] std::vector<FillMaskResult> fill_mask(const std::vector<std::string>& texts,
                                                      const FillMaskOptions& options = {}) const;
  [[nodiscard]] std::vector<ZeroShotResult> zero_shot(const std::vector<std::string>& texts,
                                                      const std::vector<std::string>& labels,
                                                      const ZeroShotOptions& options = {}) const;
  [[nodiscard]] Tokens tokenize(const std::string& text) const;
  /// What the model itself gives, before any task reads it: the pooled row of an embedder as it is,
  /// the logits of a classifier (a row an input), those of each token of a token classifier or a
  /// question answerer (a row a token, inputs one behind the other), or of a masked-word model; of
  /// "embed-all" the first.
  /// Throws kInvalidArgument naming the input for ids that the model does not have, an empty or too
  /// long input, or type ids that are not as many as the ids.
  [[nodiscard]] Matrix run(const std::vector<TokenIds>& inputs) const;

 private:
  struct Impl;
  explicit Model(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace tamis
