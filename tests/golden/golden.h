// Recorded answers, and runs of a graph to hold against them.
//
// Is: golden.json.gz (schema in testdata/README.md) as structs, packing, running, tolerances. Is
// not: for library code. May use: models, engine, passes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "formats/hf_config.h"

namespace tamis::golden {

struct Recorded {
  std::vector<float> values;      ///< rows one behind the other
  double f64_maxdiff = 0;         ///< max |recorded - the same model in float64| of this case
  double f64_maxdiff_of_all = 0;  ///< the same over all cases of the file
};

struct Case {
  std::string text;
  bool has_prompt = false;  ///< sentence-transformers only: input_ids begin with a prompt
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;  ///< empty where the family has none
  std::vector<int32_t> logits_rows;     ///< masked-lm only
  std::map<std::string, Recorded> outputs;
};

struct Golden {
  std::string head;
  bool normalized = false;
  std::vector<Case> cases;
};

/// Throws Error as reading and parsing do.
[[nodiscard]] Golden read_golden(const std::filesystem::path& folder);

/// Folders below testdata/<root> with a golden.json.gz, relative to testdata, sorted.
[[nodiscard]] std::vector<std::string> golden_folders(const std::string& root);

/// The kernel sets that this CPU has, least first; of those that differ in float32.
[[nodiscard]] std::vector<Isa> host_isas();

/// The sizes of pools whose answers are compared for a kernel set. Eight threads are for the CPU's
/// last ones alone: on few cores they spend most of their time waiting for each other.
[[nodiscard]] std::vector<int> thread_counts(Isa isa);

/// A graph and the options of its engine, but for the pool.
struct Subject {
  graph::Graph graph;
  engine::EngineOptions options;
};

/// For that kernel set and what it contains.
[[nodiscard]] Subject make_subject(const graph::Graph& graph, Isa isa,
                                   engine::Precision precision = engine::Precision::kFp32);

/// A case's rows of each graph output.
using Result = std::map<std::string, std::vector<float>>;

/// Runs the cases as one ragged batch and cuts its outputs apart again.
[[nodiscard]] std::vector<Result> run_together(const Subject& subject, ThreadPool& pool,
                                               std::span<const Case> cases);
/// Runs each case as a batch of its own, all in one session.
[[nodiscard]] std::vector<Result> run_apart(const Subject& subject, ThreadPool& pool,
                                            std::span<const Case> cases);

/// Layers that a value passes one behind the other. One of BART's decoder attends twice, and counts
/// so.
[[nodiscard]] int64_t layers_of(const ModelConfig& config);

/// How far a float32 evaluation of a model may lie from the recorded one:
///
///   f64_maxdiff + f64_maxdiff_of_all + 4 u sqrt(roundings) magnitude,  u = 2^-24 (float32's eps/2)
///
/// First what the recorded side is known to be off by; then what the other side may be: it rounds
/// the same sums in another order, so what the recorded side shows over all cases (one case may
/// have a single value that by luck is exact). That is still an estimate from few values, hence the
/// last term: a value stands behind `roundings` additions, that is in each layer the terms of its
/// products (query, key or value; output; feed-forward: 3 hidden + intermediate; scores: head size;
/// context: tokens), 10 for residuals, norms and the activation, and 2 hidden for the head. Taken
/// as independent, their relative error has a standard deviation under u sqrt(roundings); four of
/// these.
[[nodiscard]] double tolerance(const ModelConfig& config, const Case& of, const Recorded& recorded);

/// The largest distance between two results of equal size; infinity for another size or a NaN.
[[nodiscard]] double max_difference(std::span<const float> left, std::span<const float> right);

/// True if sizes and all bits are equal.
[[nodiscard]] bool same_bits(const Result& left, const Result& right);

/// What GoogleTest takes as the name of a folder's tests.
[[nodiscard]] std::string test_name(const std::string& folder);

/// Rows of length 1, in double.
[[nodiscard]] std::vector<float> normalized(std::span<const float> row);

}  // namespace tamis::golden
