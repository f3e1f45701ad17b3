// tamis.json: what a bundle is.
//
// Is: the manifest's fields, written and read with limits. Is not: the other files of the folder
// (bundle.h). May use: tasks, formats.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/precision.h"
#include "quant/embedding_rows.h"
#include "tasks/task.h"

namespace tamis::api {

/// The version of the bundle format that this program writes; it reads all from 1 to this. Version
/// 1 has a graph.txt of version 1, with operands by their places.
inline constexpr int64_t kBundleVersion = 2;

struct FileRecord {
  int64_t bytes = 0;
  std::string sha256;
};

/// What the tasks and a reader must know of a model beside its graph and tokenizer.
struct Manifest {
  std::string family;
  tasks::TaskKind task = tasks::TaskKind::kEmbed;  ///< what the model was made for
  engine::Precision precision = engine::Precision::kFp32;
  quant::EmbeddingStorage embeddings = quant::EmbeddingStorage::kAsStored;  ///< of tables
  int64_t max_length = 0;
  /// No sequence may be longer, of texts or of ids: what an imported graph is known to be right
  /// for. 0: its tables alone limit it.
  int64_t max_tokens = 0;
  int64_t hidden_size = 0;
  int64_t output_size = 0;  ///< of an embedding as it is answered, or the number of logits
  int64_t parameters = 0;
  bool uses_type_ids = true;
  std::vector<std::string> labels;
  std::optional<int64_t> entailment_id;  ///< config.json's label2id; zero-shot checks it
  tasks::Problem problem = tasks::Problem::kUnknown;
  std::optional<Activation> cross_encoder_activation;
  std::optional<int32_t> empty_text_id;     ///< TaskModel's
  std::optional<int64_t> query_max_length;  ///< TaskModel's
  bool normalize = false;
  std::optional<int64_t> truncate_dim;
  bool do_lower_case = false;
  bool include_prompt = true;
  std::map<std::string, std::string> prompts;
  std::optional<std::string> default_prompt_name;
  TextTemplate pair_template = {};                         ///< tasks::TaskModel's
  bool sparse_log_twice = false;                           ///< TaskModel's
  std::optional<tasks::LateInteraction> late_interaction;  ///< likewise
  std::optional<tasks::SpanLabels> span_labels;            ///< likewise
  std::optional<std::string> similarity;  ///< sentence-transformers' similarity_fn_name
  std::map<std::string, FileRecord>
      files;  ///< by name; the reports, which hold timings, are not here
};

/// The same manifest gives the same bytes.
[[nodiscard]] std::string write_manifest(const Manifest& manifest);

/// Throws Error{kCorruptData} naming `source` and the key; kUnsupported for another format version.
[[nodiscard]] Manifest parse_manifest(std::string_view json, std::string_view source);

/// Whether the task reads no text without another: a question's context, or the document in a
/// reranker's template.
[[nodiscard]] bool needs_pair(const Manifest& manifest, tasks::TaskKind task);

/// A task's model of these fields; the tokenizer is the caller's to set.
[[nodiscard]] tasks::TaskModel task_model(const Manifest& manifest);

}  // namespace tamis::api
