// A model in an .onnx file: which file, and what config and pooling beside it add.
//
// Is: Optimum's, transformers.js' and fastembed's layouts, and BuiltModel of such a file. Is not:
// the import itself (onnx/), or the tokenizer. May use: models, onnx.
#pragma once

#include <filesystem>
#include <optional>

#include "base/activation.h"
#include "engine/engine.h"
#include "formats/hf_config.h"
#include "models/models.h"
#include "onnx/import_onnx.h"

namespace tamis::api {

/// The .onnx file that a folder without other weights means: model.onnx, model_optimized.onnx or
/// model_quantized.onnx in it or in its `onnx` folder, in this order, or the only one that lies
/// there. Nothing: there is none, or there are other weights. Throws Error{kInvalidArgument} naming
/// the files if there are several, none of them called so.
[[nodiscard]] std::optional<std::filesystem::path> find_onnx_file(
    const std::filesystem::path& folder);

/// Where config.json and the tokenizer of a file lie: its folder, or the one above `onnx`.
[[nodiscard]] std::filesystem::path onnx_model_folder(const std::filesystem::path& file);

/// A model as its files give it, without its tokenizer.
struct SourceModel {
  models::BuiltModel built;
  std::optional<Activation> cross_encoder_activation;  ///< config.json's
  /// What ONNX Runtime runs in place of the graph; nothing: the graph is what runs.
  std::optional<engine::OpaqueModel> opaque = std::nullopt;
};

/// Adds what config.json says of the answer: labels, the problem, a cross-encoder's activation.
/// Throws Error{kCorruptData} if it names another number of labels than the file's logits have.
void add_config(SourceModel& model, const std::optional<ModelConfig>& config,
                const std::filesystem::path& file);

/// Throws Error{kUnsupported} for modules beside a file that would make more of its outputs than
/// one vector, or score the next word.
void refuse_modules(const models::BuildOptions& options, const std::filesystem::path& file);

/// What a file of a model with that head answers: where sentence-transformers' modules are beside
/// it, their embedding, else the encoder's rows.
[[nodiscard]] onnx::OutputKind output_of(models::HeadKind head, bool has_modules);

/// The graph of the file, with labels and head by config.json in `folder` if that is there, and
/// with pooling by `options` unless the file itself has an output sentence_embedding. Logs what
/// the import leaves out. Throws Error as onnx::read_onnx() and onnx::import_onnx() do;
/// kUnsupported if options.head is not what the file answers; kCorruptData if config.json
/// contradicts the file.
[[nodiscard]] SourceModel read_onnx_model(const std::filesystem::path& file,
                                          const std::filesystem::path& folder,
                                          const models::BuildOptions& options);

}  // namespace tamis::api
