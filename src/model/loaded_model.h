// A model ready to answer: graph, tokenizer and engine, from a checkpoint or a bundle.
//
// Is: what the public Model, optimize, bench and the server share. Is not: public. May use: models,
// passes, engine, tasks.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cpu.h"
#include "base/files/file_states.h"
#include "formats/sentence_transformers.h"
#include "graph/graph.h"
#include "model/manifest.h"
#include "model/model_path.h"
#include "model/onnx_model.h"
#include "model/runner.h"
#include "model/task_heads.h"
#include "models/models.h"
#include "passes/pipeline.h"
#include "quant/marks.h"
#include "tasks/task.h"
#include "tokenizer/tokenizer.h"

namespace tamis::api {

struct Int8Agreement;

struct ModelOptions {
  /// The task to be done; nothing: what the model was made for.
  std::optional<tasks::TaskKind> task;
  /// Tokens; 0: the model's own limit, and never above its position table.
  int64_t max_length = 0;
  /// A model_type to read a checkpoint as whose own is not built; "": its own.
  std::string family;
  /// A folder of the checkpoint with a PEFT adapter to apply; "": the adapter beside its weights.
  std::string adapter;
  IsaSet isas = detected_isas();
  /// What runs the model.
  device::Device device;
  /// Nothing: fp32 for a checkpoint, a bundle as it was made.
  std::optional<engine::Precision> precision;
  /// Shared by the models of a process; null: one of its own, of default_thread_count().
  std::shared_ptr<ThreadPool> pool;
  /// Quantizers of attention are on, where that can be whole (quant::enable_whole_attention); for
  /// int8 made of a checkpoint, as are the globs.
  bool whole_attention = false;
  /// Quantizers to turn on, then off, by glob.
  std::vector<std::string> enable;
  std::vector<std::string> disable;
  /// Of the activations of int8 made of a checkpoint; static ones need calibration to run.
  quant::Scheme scheme = quant::Scheme::kNative;
  /// Passes to leave out. A bundle has been through all but those that run when it is loaded.
  std::vector<std::string> skip_passes;
  /// False: encode() cannot be used; for work on token ids.
  bool tokenizer = true;
  /// False: graph() cannot be used, and weights are let go of as soon as they are packed. What
  /// else is asked of them is kept (GraphFacts).
  bool keep_graph = true;
  /// False: a bundle is not held against its own self-test (milliseconds) before it is handed out.
  bool self_test = true;
  /// False: int8 made of a checkpoint is not held against float (int8_check.h).
  bool check_int8 = true;
  /// False: no warning that ranges of quantizers are not used by a float plan.
  bool warn_of_ranges = true;
  /// A row of engines.inc; empty: the first that can. On "onnxruntime" an .onnx file runs as it is,
  /// and a checkpoint as the file that export writes of it; bundles do not.
  std::string engine;
  engine::OnnxRuntimeOptions onnx_runtime;
  /// An .onnx file that is not understood runs whole on ONNX Runtime, if its library is at hand.
  bool run_whole = false;
  /// Called with a checkpoint's or an .onnx file's model as it was built, before marks and passes:
  /// once, or again where the files changed meanwhile.
  std::function<void(const models::BuiltModel& built)> see_built = nullptr;
};

/// "--family NAME" or "--adapter NAME", whichever the options have; "" for neither.
[[nodiscard]] std::string override_flag(const ModelOptions& options);

/// Throws Error{kInvalidArgument} for a family or an adapter of what is no checkpoint.
void check_overrides(const ModelPath& path, const ModelOptions& options);

/// What is asked of a graph when it may be gone.
struct GraphFacts {
  std::vector<std::string> outputs;  ///< all that the model has
  std::string pooling;               ///< of its embedding, "mean" for instance
  int64_t constant_bytes = 0;        ///< count_constant_bytes()
};

/// Immutable and thread-safe.
class LoadedModel {
 public:
  /// Throws Error as the readers, builders and make_engine() do; kUnsupported for a task that the
  /// model cannot do.
  [[nodiscard]] static std::shared_ptr<const LoadedModel> load(const ModelPath& path,
                                                               const ModelOptions& options);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] bool is_bundle() const { return is_bundle_; }
  /// ONNX Runtime runs it: there is no graph(), and no other plan of it.
  [[nodiscard]] bool is_opaque() const { return opaque_.has_value(); }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  [[nodiscard]] tasks::TaskKind task() const { return task_; }
  /// All outputs that the model has, fused if passes ran; the engine has only the task's.
  /// With ModelOptions::keep_graph alone.
  [[nodiscard]] const graph::Graph& graph() const { return graph_; }
  /// Of graph(), whether it is kept or not; empty for an opaque model.
  [[nodiscard]] const GraphFacts& facts() const { return facts_; }
  /// graph() of a checkpoint with the marks on that int8 would have on.
  [[nodiscard]] const graph::Graph& marked_graph() const { return marked_graph_; }
  /// The quantizers' ranges that the checkpoint was saved with; mostly empty.
  [[nodiscard]] const graph::TrainedRanges& trained_ranges() const { return trained_ranges_; }
  [[nodiscard]] const std::vector<passes::PassReport>& pass_reports() const { return reports_; }
  /// False for work on token ids alone: ModelOptions::tokenizer, and .onnx files without one.
  [[nodiscard]] bool has_tokenizer() const { return tokenizer_ != nullptr; }
  /// Throws Error{kUnsupported} if there is none.
  [[nodiscard]] const tokenizer::Tokenizer& tokenizer() const;
  [[nodiscard]] const tasks::TaskModel& task_model() const { return task_model_; }
  /// Whether a model of its own reads queries (a Router of sentence-transformers).
  [[nodiscard]] bool routes_queries() const { return queries_ != nullptr; }
  [[nodiscard]] Runner& runner() const { return *runner_; }

  /// Another graph of this model (its quantization another) on an engine of its own: same task,
  /// kernel sets and pool.
  [[nodiscard]] std::unique_ptr<Runner> make_runner(graph::Graph graph,
                                                    engine::Precision precision) const;
  /// This model once more, giving `outputs`, which may be others than the task's. Without
  /// ModelOptions::keep_graph its files are read again: kUnavailable, naming the file, if one
  /// changed since the model was loaded.
  [[nodiscard]] std::unique_ptr<Runner> make_runner(std::vector<std::string> outputs) const;
  /// What make_runner() runs: only the task's output, through the passes of loading.
  [[nodiscard]] graph::Graph load_graph(graph::Graph graph,
                                        std::vector<passes::PassReport>* reports = nullptr) const;
  [[nodiscard]] IsaSet isas() const { return isas_; }
  /// Of int8 made of a checkpoint while it was loaded; null for all others, and where nothing could
  /// be compared.
  [[nodiscard]] const Int8Agreement* int8_agreement() const { return int8_agreement_.get(); }

  /// `most_tokens` as tasks::encode.
  [[nodiscard]] tasks::Encoded encode(tasks::TaskInput input, tasks::TaskOptions options,
                                      int64_t most_tokens = 0) const;
  /// Throws kUnsupported if the model was loaded for a task with another head.
  void check_task(tasks::TaskKind asked) const;
  /// Encodes in parallel, runs and decodes; answers in the order of the inputs.
  [[nodiscard]] std::vector<tasks::TaskResult> run(std::vector<tasks::TaskInput> inputs,
                                                   const tasks::TaskOptions& options,
                                                   int64_t max_batch_tokens,
                                                   const engine::RunControl& control = {}) const;

 private:
  LoadedModel() = default;
  [[nodiscard]] static std::shared_ptr<const LoadedModel> load_once(const ModelPath& path,
                                                                    const ModelOptions& options,
                                                                    const FileStates& files);
  /// Fills everything but what finish() makes.
  void read(const ModelPath& path, const ModelOptions& options);
  [[nodiscard]] graph::Graph read_graph_again() const;
  [[nodiscard]] SourceModel read_source(const ModelPath& path, const std::filesystem::path& weights,
                                        const models::BuildOptions& build,
                                        const ModelOptions& options);
  /// Of a checkpoint or an .onnx file.
  void load_checkpoint(const ModelPath& path, const ModelOptions& options);
  void load_modules(const ModelPath& path, const SentenceTransformerConfig& sentence,
                    const ModelOptions& options);
  /// The model of a Router's queries: a table that needs none of the options but the tokenizer.
  [[nodiscard]] static std::shared_ptr<const LoadedModel> load_queries(
      const SentenceTransformerConfig& sentence, const ModelOptions& options);
  void set_query_route();
  /// Of queries that are looked up in a table, where documents have another limit.
  void set_query_length(const SentenceTransformerConfig& sentence, const ModelOptions& options);
  /// Both limits at most `asked`; 0: as they are.
  void limit_length(int64_t asked);
  void warn_of_ranges() const;
  /// Marks, passes and precision of a checkpoint's graph.
  void prepare_graph(graph::Graph graph, const ModelOptions& options);
  void load_tokenizer(const std::filesystem::path& folder,
                      const SentenceTransformerConfig& sentence, bool required);
  void load_bundle(const std::filesystem::path& folder, const ModelOptions& options);
  void finish(const ModelOptions& options);
  void make_engine_of(graph::Graph graph, const ModelOptions& options);
  void start_opaque();
  [[nodiscard]] std::unique_ptr<Runner> start(engine::EngineSource source,
                                              engine::Precision precision,
                                              std::vector<std::string> outputs) const;

  std::filesystem::path folder_;
  bool is_bundle_ = false;
  Manifest manifest_;
  tasks::TaskKind task_ = tasks::TaskKind::kEmbed;
  graph::Graph graph_;
  graph::Graph marked_graph_;
  GraphFacts facts_;
  /// How to read the graph again where it is not kept.
  struct Source {
    ModelPath path;
    ModelOptions options;
    FileStates files;
  };
  std::optional<Source> source_;
  graph::TrainedRanges trained_ranges_;
  std::optional<engine::OpaqueModel> opaque_;
  std::string not_understood_;  // why the file runs whole where nobody asked for that
  std::string engine_;
  engine::OnnxRuntimeOptions onnx_runtime_;
  std::vector<passes::PassReport> reports_;
  IsaSet isas_;
  device::Device device_;
  std::vector<std::string> skip_passes_;
  std::shared_ptr<ThreadPool> pool_;
  std::unique_ptr<const tokenizer::Tokenizer> tokenizer_;
  tasks::TaskModel task_model_;
  std::shared_ptr<const LoadedModel> queries_;                 // of a Router
  tasks::TextSide unnamed_side_ = tasks::TextSide::kDocument;  // of a Router
  std::unique_ptr<Runner> runner_;
  std::shared_ptr<const Int8Agreement> int8_agreement_;
};

/// Reads the value of --precision. Throws Error{kInvalidArgument} naming what it may be.
[[nodiscard]] engine::Precision precision_option(std::string_view name);

/// Elements of all constants of a graph, each tensor once.
[[nodiscard]] int64_t count_parameters(const graph::Graph& graph);
/// Bytes of all constants of a graph, each tensor once.
[[nodiscard]] int64_t count_constant_bytes(const graph::Graph& graph);

}  // namespace tamis::api
