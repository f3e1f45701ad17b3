// The seam between a model and what executes it.
//
// Is: what an engine is asked for, what it says of itself, and how it runs. Is not: an engine
// (engines/); nothing above sees a plan, a step or a kernel. May use: graph, device.
#pragma once

#include <atomic>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/thread_pool.h"
#include "device/device.h"
#include "engine/outputs.h"
#include "engine/packed_batch.h"
#include "engine/precision.h"
#include "graph/graph.h"

namespace tamis::engine {

/// One result of a run.
struct EngineOutput {
  std::string name;
  RowUnit unit = RowUnit::kSequence;
  int64_t width = 0;  ///< float32 elements per row
};

/// An output that is made of those of an .onnx file.
struct OpaqueOutput {
  EngineOutput output;             ///< a width of 0: whatever the file's outputs have
  std::vector<std::string> parts;  ///< outputs of the file, [B, n] or [B, S, n], side by side
  /// Makes rows of tokens into those of sequences, the modes' results side by side; empty: the rows
  /// are those of `output` as they are.
  std::vector<Pooling> pooling = {};
};

/// An .onnx model that is run as it is, over padded batches: its inputs are input_ids,
/// attention_mask and token_type_ids, [B, S], or some of them.
struct OpaqueModel {
  std::filesystem::path path;  ///< the file, or what `bytes` are called
  std::vector<OpaqueOutput> outputs;
  BatchLimits limits;
  /// All of the model, if it is no file.
  std::shared_ptr<const std::string> bytes = nullptr;
  /// Answers are the same whatever a sequence is padded with; else those of one length alone are
  /// run together.
  bool masks_padding = true;
};

using EngineSource = std::variant<graph::Graph, OpaqueModel>;

/// Of the engine `onnxruntime`.
struct OnnxRuntimeOptions {
  std::filesystem::path library;  ///< empty: $TAMIS_ORT, else what the loader finds
  std::string provider = "cpu";   ///< cpu, cuda, tensorrt or openvino
};

struct EngineOptions {
  device::Device device;
  /// What the linear layers compute in where no marks are on; those with a row per sequence are
  /// fp32 in any.
  Precision precision = Precision::kFp32;
  /// Kernel sets that may be chosen from.
  IsaSet isas = detected_isas();
  /// Packs weights and runs batches; null: one of its own, of one thread.
  std::shared_ptr<ThreadPool> pool;
  /// Outputs to compute; empty: all. What only others need is left out.
  std::vector<std::string> outputs;
  /// Inner values, by name, given as further outputs of the same name.
  std::vector<std::string> taps;
  /// Runs all marks that are on in float, also those that integer kernels could run: operands go to
  /// integers and back, and integer weights are multiplied out.
  bool simulate = false;
  /// For a few rows once: float weights are laid out for the kernels while they run, a panel at a
  /// time in the level-2 cache, and not kept. Same bits. An engine may pass over it.
  bool once = false;
  /// A row of engines.inc; empty: the first that can.
  std::string engine;
  OnnxRuntimeOptions onnx_runtime;
};

/// A pool for EngineOptions that outlives the engine.
[[nodiscard]] inline std::shared_ptr<ThreadPool> borrow(ThreadPool& pool) {
  return {std::shared_ptr<void>(), &pool};
}

/// What an engine says of itself.
struct EngineInfo {
  std::string name;  ///< its row of engines.inc
  device::Device device;
  std::vector<EngineOutput> outputs;
  BatchLimits limits;
  int64_t memory_bytes = 0;  ///< of weights and tables, as the engine holds them
  int64_t packed_bytes = 0;  ///< of those, weights laid out for this machine
  int64_t steps = 0;         ///< kernel calls per block; 0: not known
  /// A batch costs as many tokens as its sequences times the longest (BatchCost).
  bool padded = false;
  /// A sequence's results have the same bits whatever rides with it.
  bool batch_invariant = true;
  int64_t suggested_batch_tokens = 0;  ///< enough to keep the device busy; 0: not known
};

/// How a run may end early. Looked at between blocks, and between steps of a block.
struct RunControl {
  const std::atomic<bool>* stop = nullptr;  ///< set: the run ends with Error{kCancelled}
  int64_t deadline_ns = 0;                  ///< on `clock`; past: Error{kDeadlineExceeded}; 0: none
  const Clock* clock = &Clock::steady();
  /// Called with (tokens done, tokens in all) from worker threads, one call at a time; must not
  /// throw.
  std::function<void(int64_t, int64_t)> progress;
};

/// A run that was submitted. Belongs to the session that gave it.
class Ticket {
 public:
  Ticket() = default;
  /// A run that is over, with its error if it failed.
  explicit Ticket(std::exception_ptr error) : error_(std::move(error)) {}
  /// The `number`-th run of a session that runs on its own.
  explicit Ticket(uint64_t number) : number_(number) {}

  [[nodiscard]] const std::exception_ptr& error() const { return error_; }
  [[nodiscard]] uint64_t number() const { return number_; }

 private:
  std::exception_ptr error_;
  uint64_t number_ = 0;
};

/// The state of one run at a time. Not thread-safe; create one Session per concurrent run. It keeps
/// its engine alive.
class Session {
 public:
  virtual ~Session() = default;

  /// Computes the engine's outputs for the batch. The results' bits do not depend on how many
  /// threads there are or, with EngineInfo::batch_invariant, what else rides in the batch. Throws
  /// Error: kInvalidArgument (check_batch), kCancelled, kDeadlineExceeded, kOutOfMemory.
  virtual void run(const PackedBatch& batch, Outputs& outputs, const RunControl& control = {}) = 0;

  /// Starts a run; batch, outputs and control stay as they are until wait(). A session of a device
  /// may have two in flight, so that one is copied while the other computes; this default runs at
  /// once. Throws nothing that run() would throw: wait() does.
  [[nodiscard]] virtual Ticket submit(const PackedBatch& batch, Outputs& outputs,
                                      const RunControl& control);
  /// Returns when the run is over; throws its error. Once per ticket, in the order of submit().
  virtual void wait(const Ticket& ticket);
};

/// Immutable and thread-safe.
class Engine {
 public:
  virtual ~Engine() = default;

  [[nodiscard]] const EngineInfo& info() const { return info_; }
  [[nodiscard]] virtual std::unique_ptr<Session> make_session() const = 0;
  /// Multiplications and additions of a run, for the share of the peak; 0: not known.
  [[nodiscard]] virtual double operations(const PackedBatch& batch) const;

 protected:
  explicit Engine(EngineInfo info) : info_(std::move(info)) {}

 private:
  EngineInfo info_;
};

/// One kind of engine.
struct EngineRow {
  std::string_view name;
  /// Why it cannot run the source; nothing: it can.
  std::optional<std::string> (*why_not)(const EngineSource& source, const EngineOptions& options);
  std::shared_ptr<const Engine> (*make)(EngineSource source, const EngineOptions& options);
};

/// The rows of engines/engines.inc, in order. engines/rows.cc defines it, so that this module knows
/// of no engine.
[[nodiscard]] std::span<const EngineRow> engine_rows();

/// The one place where options become an engine: the first row that can run the source. Of a
/// graph's constants those are kept that steps read; weights that were packed are let go of, and
/// the memory of mapped ones is given back. Throws Error: kUnsupported with every row's reason if
/// none can, or an op or dtype has no kernel; kNotFound for an unknown engine, output or tap;
/// kInvalidArgument for a graph that does not verify; kOutOfMemory.
[[nodiscard]] std::shared_ptr<const Engine> make_engine(EngineSource source,
                                                        const EngineOptions& options);

/// Keeps of the graph what the options want: its outputs, and taps as further ones. For engines.
/// Throws Error{kNotFound} for an output or tap that is not there.
void keep_wanted(graph::Graph& graph, const EngineOptions& options);

/// The name of the first mark that is on and that integer kernels do not run, with its reason: a
/// static scheme, or an operand that is no linear layer's. Nothing: integer kernels run all.
[[nodiscard]] std::optional<std::string> mark_beyond_integers(const graph::Graph& graph);

}  // namespace tamis::engine
