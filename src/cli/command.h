// What every command shares: its signature, the common flags, running a task.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inputs.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/table_output.h"
#include "model/loaded_model.h"

namespace tamis::cli {

/// A row of commands.inc. `run` gets the arguments behind the command's name and returns the exit
/// status: 0, or 1 if a check failed; everything else is an Error.
struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(const std::vector<std::string>& arguments);
};

/// --threads, --isa, --revision, --family, --adapter, --json, --quiet: every command has them.
struct CommonFlags {
  std::optional<int64_t> threads;
  std::optional<std::string> isa;
  std::optional<std::string> revision;
  std::optional<std::string> family;
  std::optional<std::string> adapter;
  bool json = false;
  bool quiet = false;

  void add_to(Options& options);
  /// Throws kInvalidArgument for a thread count below 1 or above 1024.
  [[nodiscard]] std::shared_ptr<ThreadPool> make_pool() const;
  [[nodiscard]] IsaSet isas() const;
  /// Kernel set, family and adapter.
  void apply(api::ModelOptions& options) const;
  /// `model` with --revision behind it. Throws kInvalidArgument if it names one itself, or is a
  /// folder.
  [[nodiscard]] std::string with_revision(const std::string& model) const;
};

/// --engine, --ort, --ort-provider: what executes a model.
struct EngineFlags {
  std::optional<std::string> engine;
  std::optional<std::string> library;
  std::string provider = "cpu";

  /// Without --engine for a command that takes several.
  void add_to(Options& options, bool with_engine = true);
  void apply(api::ModelOptions& options) const;
};

/// The rows of engines.inc, comma-separated, for help.
[[nodiscard]] std::string engine_names();

/// What a MODEL argument means; downloads it if it must, with a bar.
[[nodiscard]] api::ModelPath find_model(const std::string& model, const CommonFlags& common,
                                        hub::Parts parts = hub::Parts::kModel);

/// Adds --device, as device::device_from_name() reads it.
void add_device_option(Options& options, std::string& device);

/// Flags of commands that run a model on texts.
struct ModelFlags {
  CommonFlags common;
  std::string model;
  std::optional<std::string> input;
  std::string output = "-";
  std::optional<std::string> precision;
  std::string device = "cpu";
  int64_t max_length = 0;
  int64_t max_batch_tokens = 16384;
  bool resume = false;
  /// The options that were given and may change a result.
  std::function<std::string()> given;

  void add_to(Options& options);
  [[nodiscard]] api::ModelOptions model_options(tasks::TaskKind task) const;
};

/// A bar on standard error if that is a terminal and nobody asked for quiet; else nothing.
class Progress {
 public:
  Progress(std::string label, bool quiet);
  ~Progress();
  /// With an estimate of the time left, from the time gone; `stage` stands in for the label if it
  /// is not empty.
  void update(double fraction, std::string_view stage = {});
  /// The same for things that are counted, with how many a second: `done` of `all`, the first
  /// `before` of them done before this began.
  void count(int64_t done, int64_t all, int64_t before);

 private:
  void draw(double fraction, std::string_view label, const std::string& behind);

  std::string label_;
  bool shown_;
  bool drawn_ = false;
  int64_t start_ns_;
  int64_t last_ns_ = 0;
  int last_percent_ = -1;
};

/// How results are written.
struct ResultForm {
  std::string header;  ///< before all of them
  /// A result's bytes, or its row of `table`.
  std::function<std::string(const tasks::TaskResult& result)> print;
  std::optional<TableForm> table = {};
};

/// Runs the task on the inputs in chunks, in order, and writes each result to --output; with
/// --resume behind those that a killed run left. An input that cannot be run is named by its place.
/// Memory does not grow with the number of inputs. The exit status.
int run_task(const api::LoadedModel& model, const ModelFlags& flags, InputReader& inputs,
             const tasks::TaskOptions& options, const ResultForm& form);

/// run_task with one JSON line a result, or a table of the same members. Throws kInvalidArgument
/// for an --output that holds vectors alone (.npy).
int run_task_to_json(const ModelFlags& flags, InputReader&& inputs,
                     const tasks::TaskOptions& options);

/// The value of --task. Throws kInvalidArgument naming the known tasks.
[[nodiscard]] tasks::TaskKind task_flag(const std::string& name);

/// Throws kInvalidArgument for less than 1.
void check_batch_tokens(int64_t max_batch_tokens);

}  // namespace tamis::cli
