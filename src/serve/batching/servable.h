// A model as the server sees it: texts to rows, rows to outputs, outputs to answers.
//
// Is: the seam between the core and what computes. Is not: a queue, a name or a version. May use:
// api, tasks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "hub/pull.h"
#include "model/int8_check.h"
#include "model/loaded_model.h"
#include "serve/batching/request.h"

namespace tamis::serve {

/// What the protocols say about a model.
struct ServableInfo {
  std::string source;  ///< the MODEL argument
  std::string family;
  std::string precision;
  tasks::TaskKind task = tasks::TaskKind::kEmbed;
  int64_t max_length = 0;
  int64_t output_size = 0;  ///< of an embedding, or the number of logits
  int64_t hidden_size = 0;
  int64_t weight_bytes = 0;
  std::vector<std::string> labels;
  bool reads_labels = false;  ///< what it looks for comes with the text (GLiNER)
  std::string pooling;        ///< of an embedding, "mean" for instance
  bool has_token_embeddings = false;
  bool checkpoint = false;                           ///< not optimized
  std::optional<api::Int8Agreement> int8_agreement;  ///< of int8 made while loading
  bool padded = false;                               ///< a batch costs its rows times the longest
  engine::BatchLimits limits;                        ///< of ids that come as they are
};

/// An output of a set: its name, row width, and whether rows are counted by token.
struct OutputInfo {
  std::string name;
  int64_t row_elements = 0;
  engine::RowUnit unit = engine::RowUnit::kSequence;
};

/// Thread-safe.
class Servable {
 public:
  virtual ~Servable() = default;
  [[nodiscard]] virtual const ServableInfo& info() const = 0;
  /// Null: the model has none, and takes rows only or texts as they are.
  [[nodiscard]] virtual const tasks::TaskModel* task_model() const = 0;
  /// Throws Error as tasks::encode.
  /// `most_tokens`: of all windows of the text; more are kInvalidArgument before they are made.
  [[nodiscard]] virtual tasks::Encoded encode(tasks::TaskInput input, tasks::TaskOptions options,
                                              int64_t most_tokens) const = 0;
  /// Throws kUnsupported if the model cannot do the task.
  virtual void check_task(tasks::TaskKind task) const = 0;
  /// Throws Error as tasks::decode.
  [[nodiscard]] virtual tasks::TaskResult decode(
      const tasks::Encoded& encoded, std::span<const tasks::OutputView> outputs) const = 0;
  /// The outputs of a set in the order run() gives them. Throws kUnsupported if the model has no
  /// such outputs. The first call for kTokens may take as long as loading does.
  [[nodiscard]] virtual std::vector<OutputInfo> outputs(OutputSet set) = 0;
  /// Throws Error as engine::Session::run.
  virtual void run(const engine::PackedBatch& batch, OutputSet set, engine::Outputs& outputs,
                   const engine::RunControl& control) = 0;
  /// Throws kInvalidArgument for a row that run() would refuse.
  virtual void check_row(const Row& row) const = 0;
  /// The position id of a sequence's first token.
  [[nodiscard]] virtual int32_t first_position() const = 0;
  /// engine::BatchLimits::counts_distances.
  [[nodiscard]] virtual bool counts_distances() const { return false; }
};

/// Loads a checkpoint or bundle, downloading it first if it must; runs its self-test and one
/// warm-up batch. Throws Error as api::resolve_model and LoadedModel::load.
[[nodiscard]] std::unique_ptr<Servable> load_servable(const std::string& model,
                                                      const api::ModelOptions& options,
                                                      const hub::PullOptions& pull = {});

/// Answers each text with a row of four numbers at no cost: for measuring the server itself.
[[nodiscard]] std::unique_ptr<Servable> make_identity_model();

}  // namespace tamis::serve
