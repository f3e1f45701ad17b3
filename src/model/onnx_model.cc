#include "model/onnx_model.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "formats/checkpoint.h"
#include "models/outside_graphs.h"
#include "onnx/import_onnx.h"

namespace tamis::api {

namespace fs = std::filesystem;
using models::HeadKind;
using onnx::OutputKind;

namespace {

constexpr std::string_view kFolder = "onnx";
// Where sentence-transformers puts a StaticEmbedding's table.
constexpr std::string_view kStaticFolder = "0_StaticEmbedding";
constexpr std::string_view kNames[] = {"model.onnx", "model_optimized.onnx",
                                       "model_quantized.onnx"};

bool has_weights(const fs::path& folder) {
  const std::vector<WeightNames> names = weight_names();
  return std::any_of(names.begin(), names.end(), [&folder](const WeightNames& name) {
    return file_exists(folder / name.file) || file_exists(folder / name.index);
  });
}

std::vector<fs::path> onnx_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const fs::path& place : {folder, folder / kFolder}) {
    for (const auto& entry : fs::directory_iterator(place, ignored)) {
      if (entry.path().extension() == ".onnx") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

HeadKind head_of(OutputKind output) {
  switch (output) {
    case OutputKind::kTokenEmbeddings:
    case OutputKind::kSentenceEmbedding:
      return HeadKind::kEmbedding;
    case OutputKind::kSequenceLogits:
      return HeadKind::kSequenceClassification;
    case OutputKind::kTokenLogits:
      return HeadKind::kTokenClassification;
    case OutputKind::kSpanLogits:
      return HeadKind::kQuestionAnswering;
    case OutputKind::kVocabularyLogits:
      return HeadKind::kMaskedLM;
  }
  return HeadKind::kEmbedding;
}

// What the file answers; two columns for each token are spans where that was asked for.
HeadKind head_of(const onnx::ImportedModel& imported, const models::BuildOptions& options,
                 const fs::path& file) {
  const HeadKind is = head_of(imported.output);
  if (!options.head || *options.head == is) return is;
  const bool spans = imported.output == OutputKind::kTokenLogits && imported.output_size == 2 &&
                     *options.head == HeadKind::kQuestionAnswering;
  if (spans) return *options.head;
  fail(ErrorCode::kUnsupported, file.string(), ": was exported for ", models::head_name(is),
       ", not for ", models::head_name(*options.head));
}

// Names of the classes that the logits' columns stand for.
std::vector<std::string> labels_of(const std::optional<ModelConfig>& config, int64_t columns,
                                   const fs::path& file) {
  std::vector<std::string> labels;
  if (config && !config->id2label.empty()) labels = config->id2label;
  if (!labels.empty() && static_cast<int64_t>(labels.size()) != columns) {
    fail(ErrorCode::kCorruptData, file.string(), ": logits of ", columns,
         " columns, but config.json beside it names ", labels.size(), " labels");
  }
  for (int64_t i = static_cast<int64_t>(labels.size()); i < columns; ++i) {
    labels.push_back(cat("LABEL_", i));
  }
  return labels;
}

void check_config(const ModelConfig& config, const onnx::ImportedModel& imported,
                  const fs::path& file) {
  const auto differs = [&file](std::string_view key, int64_t wanted, int64_t found) {
    if (wanted == 0 || found == 0 || wanted == found) return;
    fail(ErrorCode::kCorruptData, file.string(), ": ", key, " is ", found, " in the file, but ",
         wanted, " in config.json beside it");
  };
  differs("vocab_size", config.vocab_size, imported.vocab_size);
  differs("hidden_size", config.hidden_size, imported.hidden_size);
}

void warn_of_scales(const onnx::ImportedModel& imported, const fs::path& file) {
  if (imported.activation_scales == 0) return;
  log(LogLevel::kWarning,
      cat(file.string(), ": ", imported.activation_scales,
          " static scales of activations are left out; its weights are what the integers stand "
          "for, and `--precision int8` finds activations' ranges at run time"));
}

void add_embedding(models::BuiltModel& built, onnx::ImportedModel& imported,
                   const models::BuildOptions& options) {
  built.normalize = imported.unit_length;
  if (options.sentence_transformer) built.truncate_dim = options.sentence_transformer->truncate_dim;
  if (imported.output == OutputKind::kSentenceEmbedding) return;
  const SentenceTransformerConfig pooling =
      options.sentence_transformer.value_or(SentenceTransformerConfig{});
  const graph::ValueId hidden = imported.graph.outputs().front().value;
  const graph::ValueId sentence = models::add_sentence_embedding(imported.graph, hidden, pooling);
  imported.graph.add_output(models::kSentenceEmbedding, sentence);
  built.normalize = pooling.normalize;
  built.output_size = imported.graph.value(sentence).shape[1].size;
}

// Whether the file itself scores the next word, as `export` writes it.
bool has_score(const models::BuiltModel& built, const models::BuildOptions& options) {
  return options.sentence_transformer && options.sentence_transformer->logit_score &&
         built.head == HeadKind::kSequenceClassification && built.output_size == 1;
}

onnx::ImportOptions import_options(const std::optional<ModelConfig>& config,
                                   const models::BuildOptions& options) {
  onnx::ImportOptions own;
  if (config) own.prefix = models::encoder_prefix(config->model_type);
  if (!options.project) return own;
  own.multiply = [&options](const onnx::ConstantProduct& p) {
    const models::Projection one{p.m, p.n, p.k, p.x, p.w, nullptr, p.y};
    options.project(one);
  };
  return own;
}

}  // namespace

std::optional<fs::path> find_onnx_file(const fs::path& folder) {
  if (has_weights(folder) || has_weights(folder / kStaticFolder)) return std::nullopt;
  for (const std::string_view name : kNames) {
    for (const fs::path& place : {folder, folder / kFolder}) {
      if (file_exists(place / name)) return place / name;
    }
  }
  const std::vector<fs::path> files = onnx_files(folder);
  if (files.empty()) return std::nullopt;
  if (files.size() == 1) return files[0];
  fail(ErrorCode::kInvalidArgument, folder.string(), ": ", files.size(), " .onnx files (",
       files[0].filename().string(), ", ", files[1].filename().string(),
       ", ...), none called model.onnx; name one of them");
}

fs::path onnx_model_folder(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const bool own = file_exists(folder / "config.json") || file_exists(folder / "tokenizer.json");
  return !own && folder.filename() == kFolder ? folder.parent_path() : folder;
}

void refuse_modules(const models::BuildOptions& options, const fs::path& file) {
  const auto& modules = options.sentence_transformer;
  if (modules && modules->logit_score) {
    fail(
        ErrorCode::kUnsupported, file.string(),
        ": modules.json beside it scores the next word, which is built from a checkpoint's weights "
        "alone");
  }
  if (modules && modules->setfit) {
    fail(ErrorCode::kUnsupported, file.string(), ": ", kSetFitHead,
         " beside it is SetFit's, which is built behind a checkpoint's weights alone");
  }
  if (!modules || (!modules->sparse && !modules->late_interaction)) return;
  fail(ErrorCode::kUnsupported, file.string(), ": modules.json beside it is for ",
       models::head_name(modules->sparse ? HeadKind::kSparseEmbedding : HeadKind::kMultiVector),
       ", which is built from a checkpoint's weights alone");
}

OutputKind output_of(HeadKind head, bool has_modules) {
  switch (head) {
    case HeadKind::kEmbedding:
      return has_modules ? OutputKind::kSentenceEmbedding : OutputKind::kTokenEmbeddings;
    case HeadKind::kSequenceClassification:
      return OutputKind::kSequenceLogits;
    case HeadKind::kTokenClassification:
      return OutputKind::kTokenLogits;
    case HeadKind::kQuestionAnswering:
      return OutputKind::kSpanLogits;
    case HeadKind::kMaskedLM:
      return OutputKind::kVocabularyLogits;
    case HeadKind::kSparseEmbedding:
    case HeadKind::kMultiVector:
    case HeadKind::kAllEmbeddings:
    case HeadKind::kSpanLabels:
      fail(ErrorCode::kUnsupported, "ONNX: a model for ", models::head_name(head),
           " has no form that other programs know; accepted are models for the other tasks");
  }
  return OutputKind::kTokenEmbeddings;
}

void add_config(SourceModel& model, const std::optional<ModelConfig>& config,
                const fs::path& file) {
  models::BuiltModel& built = model.built;
  if (built.head == HeadKind::kSequenceClassification ||
      built.head == HeadKind::kTokenClassification) {
    built.labels = labels_of(config, built.output_size, file);
    if (config) built.entailment_id = config->entailment_id;
    if (config) built.problem_type = config->problem_type;
  }
  if (config) model.cross_encoder_activation = config->cross_encoder_activation;
}

SourceModel read_onnx_model(const fs::path& file, const fs::path& folder,
                            const models::BuildOptions& options) {
  std::optional<ModelConfig> config;
  if (file_exists(folder / "config.json")) config = ModelConfig::read(folder / "config.json");
  onnx::ImportedModel imported =
      onnx::import_onnx(onnx::read_onnx(file), file.string(), import_options(config, options));
  if (config) check_config(*config, imported, file);
  warn_of_scales(imported, file);

  SourceModel model;
  models::BuiltModel& built = model.built;
  built.family = config ? config->model_type : "onnx";
  built.head = head_of(imported, options, file);
  built.vocab_size = imported.vocab_size;
  built.hidden_size = imported.hidden_size;
  built.type_vocab_size = imported.type_vocab_size;
  // Rotary positions have no table to read it from.
  built.max_positions = imported.max_positions == 0 && config ? models::max_positions(*config)
                                                              : imported.max_positions;
  built.max_tokens = imported.max_positions;
  built.output_size = imported.output_size;
  const bool scores = has_score(built, options);
  if (!scores) refuse_modules(options, file);
  // The one score is none of the classes that config.json has.
  if (scores && config && !config->id2label.empty()) config->id2label.resize(1);
  if (built.head == HeadKind::kEmbedding) add_embedding(built, imported, options);
  add_config(model, config, file);
  built.graph = std::move(imported.graph);
  graph::verify(built.graph);
  return model;
}

}  // namespace tamis::api
