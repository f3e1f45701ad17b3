// Times models in turns, shape by shape, and checks that what was timed computed the right thing.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>

#include "base/error.h"
#include "base/json.h"
#include "base/plain_text.h"
#include "cli/command.h"
#include "device/device_option.h"
#include "engine/timing.h"
#include "kernels/cpu/peak/peak.h"
#include "math/finite.h"
#include "model/span_labels.h"
#include "optimize/fit_costs.h"

namespace tamis::cli {

namespace {

struct BenchFlags {
  CommonFlags common;
  EngineFlags engine;
  std::vector<std::string> engines;
  std::vector<std::string> models;
  std::vector<std::string> shapes;
  std::optional<std::string> input;
  std::optional<std::string> task;
  std::optional<std::string> precision;
  std::string device = "cpu";
  bool ragged = false;
  bool no_peak = false;
  bool fit_costs = false;
  int64_t max_batch = 32;
  int64_t seconds = 3;
};

/// One batch to time: drawn ids, or texts as the models' tokenizers cut them.
struct Workload {
  int64_t batch = 0;
  int64_t seq = 0;  ///< the longest sequence
  bool ragged = false;
  std::vector<int32_t> lengths;
};

/// One line of the table.
struct Row {
  std::string model;
  engine::Precision precision = engine::Precision::kFp32;
  Workload workload;
  engine::TimingStats stats;
  int64_t tokens = 0;
  int64_t longest = 0;
  double tokens_per_s = 0;
  double operations = 0;  ///< of a call
  double share_of_peak = 0;
};

/// A model under test with its batch.
struct Contestant {
  std::string name;
  std::shared_ptr<const api::LoadedModel> model;
  engine::BatchBuilder batch;
  engine::Outputs outputs;
  std::vector<double> milliseconds;
};

Workload parse_shape(const std::string& text, bool ragged) {
  Workload work;
  work.ragged = ragged;
  char rest = 0;
  long long batch = 0;
  long long seq = 0;
  if (std::sscanf(text.c_str(), "%lldx%lld%c", &batch, &seq, &rest) != 2 || batch < 1 || seq < 1 ||
      batch > 65536 || seq > 65536 || batch * seq > (1 << 24)) {
    fail(ErrorCode::kInvalidArgument, "--shape ", text,
         ": must be BATCHxLENGTH, as 32x128, of at most 16 million tokens");
  }
  work.batch = batch;
  work.seq = seq;
  // Lengths uniform in 8..S, the same at every run.
  std::mt19937 engine(20240607);
  std::uniform_int_distribution<int32_t> uniform(static_cast<int32_t>(std::min<int64_t>(8, seq)),
                                                 static_cast<int32_t>(seq));
  for (int64_t i = 0; i < batch; ++i) {
    work.lengths.push_back(ragged ? uniform(engine) : static_cast<int32_t>(seq));
  }
  return work;
}

// Any words will do for speed; the first thousand ids are skipped, where special tokens lie.
void draw_ids(const Workload& work, Contestant& contestant) {
  // A file that runs as it is may not say how many words it knows.
  const engine::BatchLimits& limits = contestant.model->runner().info().limits;
  const int64_t vocab = std::max<int64_t>(2, limits.vocab_size);
  std::mt19937 engine(7);
  std::uniform_int_distribution<int32_t> uniform(
      static_cast<int32_t>(std::min<int64_t>(1000, vocab / 2)), static_cast<int32_t>(vocab - 1));
  contestant.batch.clear();
  for (const int32_t length : work.lengths) {
    tasks::Sequence sequence;
    for (int32_t i = 0; i < length; ++i) sequence.ids.push_back(uniform(engine));
    engine::end_as_required(sequence.ids, limits);
    const auto& labels = contestant.model->task_model().span_labels;
    if (labels) api::draw_labels(*labels, sequence);
    contestant.batch.append(sequence.view());
  }
}

Workload encode_rows(std::span<const TextRow> rows, Contestant& contestant) {
  Workload work;
  work.batch = static_cast<int64_t>(rows.size());
  contestant.batch.clear();
  for (const TextRow& row : rows) {
    const tasks::Encoded encoded =
        contestant.model->encode(text_input(row, ""), api::usual_options(*contestant.model));
    if (encoded.sequences.empty()) {
      fail(ErrorCode::kUnsupported, contestant.name, ": a text of --input is looked up in a table ",
           "and runs through no graph; accepted are models that read their documents");
    }
    for (const tasks::Sequence& sequence : encoded.sequences) {
      contestant.batch.append(sequence.view());
      work.seq = std::max(work.seq, sequence.size());
    }
  }
  work.ragged = true;
  return work;
}

void time_in_turns(std::vector<Contestant>& contestants, int64_t seconds) {
  constexpr int kWarmUps = 2;
  constexpr size_t kLeastRuns = 5;
  const Clock& clock = Clock::steady();
  const auto call = [](Contestant& contestant) {
    contestant.model->runner().run(contestant.batch.batch(), contestant.outputs);
  };
  for (Contestant& contestant : contestants) {
    contestant.milliseconds.clear();
    for (int i = 0; i < kWarmUps; ++i) call(contestant);
  }
  const int64_t budget_ns = seconds * 1'000'000'000 * static_cast<int64_t>(contestants.size());
  const int64_t start = clock.now_ns();
  while (contestants[0].milliseconds.size() < kLeastRuns || clock.now_ns() - start < budget_ns) {
    for (Contestant& contestant : contestants) {
      const int64_t before = clock.now_ns();
      call(contestant);
      contestant.milliseconds.push_back(static_cast<double>(clock.now_ns() - before) * 1e-6);
    }
  }
}

// The same bits; of an engine whose rows depend on the batch, as near as activations in 8 bits with
// a range for the whole batch leave them.
bool same_rows(std::span<const float> part, std::span<const float> alone, bool batch_invariant) {
  if (part.size() != alone.size()) return false;
  if (batch_invariant) return std::memcmp(part.data(), alone.data(), part.size_bytes()) == 0;
  float most = 0;
  float off = 0;
  for (size_t i = 0; i < alone.size(); ++i) {
    most = std::max(most, std::abs(alone[i]));
    off = std::max(off, std::abs(part[i] - alone[i]));
  }
  constexpr float kShare = 0.1F;
  return off <= kShare * most;
}

// The batch's first and last sequence once more, alone: the same bits, and finite. What is wrong,
// null if nothing is.
const char* fault_of(Contestant& contestant) {
  const engine::PackedBatch batch = contestant.batch.batch();
  const engine::RowMap rows(batch);
  const std::vector<engine::EngineOutput>& outputs = contestant.model->runner().info().outputs;
  for (const int64_t s : {int64_t{0}, batch.sequences() - 1}) {
    const engine::RowRange tokens = rows.rows(engine::RowUnit::kToken, s, s + 1);
    const engine::RowRange selected = rows.rows(engine::RowUnit::kSelectedToken, s, s + 1);
    const auto begin = static_cast<size_t>(tokens.begin);
    const auto count = static_cast<size_t>(tokens.count);
    engine::SequenceView sequence;
    sequence.ids = batch.input_ids.subspan(begin, count);
    if (!batch.token_type_ids.empty()) {
      sequence.type_ids = batch.token_type_ids.subspan(begin, count);
    }
    if (!batch.key_lengths.empty()) sequence.keys = batch.key_lengths[static_cast<size_t>(s)];
    if (!batch.unpooled.empty()) sequence.unpooled = batch.unpooled[static_cast<size_t>(s)];
    std::vector<int32_t> chosen;
    if (!batch.selected_tokens.empty()) {
      for (const int32_t token : batch.selected_tokens.subspan(
               static_cast<size_t>(selected.begin), static_cast<size_t>(selected.count))) {
        chosen.push_back(token - static_cast<int32_t>(begin));
      }
      sequence.selected = chosen;
    }
    engine::BatchBuilder one;
    one.append(sequence);
    engine::Outputs single;
    contestant.model->runner().run(one.batch(), single);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const engine::RowRange range = rows.rows(outputs[i].unit, s, s + 1);
      const int64_t width = outputs[i].width;
      const auto part = contestant.outputs.view(i).as<float>().subspan(
          static_cast<size_t>(range.begin * width), static_cast<size_t>(range.count * width));
      const auto alone = single.view(i).as<float>();
      if (!math::all_finite(alone) || !math::all_finite(part)) {
        return "an output is not finite (NaN or infinity)";
      }
      if (!same_rows(part, alone, contestant.model->runner().info().batch_invariant)) {
        return "the batch's outputs differ from a single run's";
      }
    }
  }
  return nullptr;
}

Row make_row(const Contestant& contestant, const Workload& work, const kernels::Peak& peak) {
  Row row;
  row.model = contestant.name;
  row.precision = contestant.model->manifest().precision;
  row.workload = work;
  row.stats = engine::summarize(contestant.milliseconds);
  row.tokens = contestant.batch.tokens();
  row.longest = contestant.batch.longest();
  const double seconds = row.stats.median_ms * 1e-3;
  row.tokens_per_s = static_cast<double>(row.tokens) / seconds;
  row.operations = contestant.model->runner().engine().operations(contestant.batch.batch());
  const double of_type = row.precision == engine::Precision::kInt8   ? peak.int8_gops
                         : row.precision == engine::Precision::kBf16 ? peak.bf16_gflops
                                                                     : peak.fp32_gflops;
  row.share_of_peak = of_type > 0 ? row.operations / seconds / (of_type * 1e9) : 0;
  return row;
}

void print_json(const std::vector<Row>& rows, const kernels::Peak& peak, int threads) {
  JsonWriter json;
  json.begin_object().member("cpu", cpu_model()).member("threads", threads);
  json.key("peak").begin_object().member("fp32_gflops", peak.fp32_gflops);
  json.member("bf16_gflops", peak.bf16_gflops).member("int8_gops", peak.int8_gops).end_object();
  json.key("rows").begin_array();
  for (const Row& row : rows) {
    json.begin_object()
        .member("model", row.model)
        .member("precision", engine::precision_name(row.precision));
    json.member("batch", row.workload.batch).member("seq", row.workload.seq);
    json.member("ragged", row.workload.ragged).member("tokens", row.tokens);
    json.member("longest", row.longest).member("runs", row.stats.runs);
    json.member("mean_ms", row.stats.mean_ms).member("sd_ms", row.stats.sd_ms);
    json.member("min_ms", row.stats.min_ms).member("max_ms", row.stats.max_ms);
    json.member("median_ms", row.stats.median_ms).member("p95_ms", row.stats.p95_ms);
    json.member("p99_ms", row.stats.p99_ms).member("tokens_per_s", row.tokens_per_s);
    json.member("operations", row.operations);
    json.member("share_of_peak", row.share_of_peak).end_object();
  }
  json.end_array().end_object();
  std::puts(json.str().c_str());
}

void print_table(const std::vector<Row>& rows, const kernels::Peak& peak, int threads) {
  std::printf(
      "%s, %d threads; measured peak: fp32 %.0f GFLOP/s, bf16 %.0f GFLOP/s, int8 %.0f GOP/s\n",
      cpu_model().c_str(), threads, peak.fp32_gflops, peak.bf16_gflops, peak.int8_gops);
  std::printf("%-28s %-5s %10s %9s %9s %9s %9s %9s %9s %9s %11s %6s\n", "model", "prec", "shape",
              "median", "mean", "sd", "min", "max", "p95", "p99", "tokens/s", "peak");
  for (const Row& row : rows) {
    const std::string shape =
        cat(row.workload.batch, "x", row.workload.seq, row.workload.ragged ? "r" : "");
    std::printf("%-28s %-5s %10s %9.3f %9.3f %9.3f %9.3f %9.3f %9.3f %9.3f %11.0f %5.1f%%\n",
                plain_text(row.model).c_str(),
                std::string(engine::precision_name(row.precision)).c_str(), shape.c_str(),
                row.stats.median_ms, row.stats.mean_ms, row.stats.sd_ms, row.stats.min_ms,
                row.stats.max_ms, row.stats.p95_ms, row.stats.p99_ms, row.tokens_per_s,
                100 * row.share_of_peak);
  }
  std::printf("milliseconds a call; a shape is batch x length, r: ragged\n");
}

std::vector<Contestant> load_models(const BenchFlags& flags,
                                    const std::shared_ptr<ThreadPool>& pool) {
  // Each model on each engine that is named, else on its own.
  const std::vector<std::string> engines =
      flags.engines.empty() ? std::vector<std::string>{""} : flags.engines;
  std::vector<Contestant> contestants(flags.models.size() * engines.size());
  for (size_t i = 0; i < contestants.size(); ++i) {
    const std::string& name = flags.models[i / engines.size()];
    const std::string& engine = engines[i % engines.size()];
    api::ModelOptions options;
    flags.engine.apply(options);
    options.engine = engine;
    if (flags.task) options.task = task_flag(*flags.task);
    flags.common.apply(options);
    options.pool = pool;
    options.device = device::device_from_name(flags.device);
    if (flags.precision) options.precision = api::precision_option(*flags.precision);
    options.tokenizer = flags.input.has_value();
    options.keep_graph = false;
    contestants[i].name = engine.empty() ? name : cat(name, " [", engine, "]");
    contestants[i].model = api::LoadedModel::load(find_model(name, flags.common), options);
  }
  return contestants;
}

class Bench {
 public:
  Bench(const BenchFlags& flags, std::vector<Contestant> contestants, kernels::Peak peak)
      : flags_(flags), contestants_(std::move(contestants)), peak_(peak) {}

  void run_shape(const std::string& shape) {
    const Workload work = parse_shape(shape, flags_.ragged);
    for (Contestant& contestant : contestants_) draw_ids(work, contestant);
    run(std::vector<Workload>(contestants_.size(), work));
  }

  // All rows of the file, in batches of at most --max-batch rows; each batch is timed.
  void run_file(std::span<const TextRow> rows) {
    const auto step = static_cast<size_t>(flags_.max_batch);
    for (size_t begin = 0; begin < rows.size(); begin += step) {
      const auto part = rows.subspan(begin, std::min(step, rows.size() - begin));
      std::vector<Workload> works;
      for (Contestant& contestant : contestants_) works.push_back(encode_rows(part, contestant));
      run(works);
    }
  }

  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] bool all_right() const { return all_right_; }

 private:
  void run(const std::vector<Workload>& works) {
    time_in_turns(contestants_, flags_.seconds);
    for (size_t i = 0; i < contestants_.size(); ++i) {
      rows_.push_back(make_row(contestants_[i], works[i], peak_));
      const char* const fault = fault_of(contestants_[i]);
      if (fault == nullptr) continue;
      std::fprintf(stderr, "tamis: %s: %s\n", plain_text(contestants_[i].name).c_str(), fault);
      all_right_ = false;
    }
  }

  const BenchFlags& flags_;
  std::vector<Contestant> contestants_;
  kernels::Peak peak_;
  std::vector<Row> rows_;
  bool all_right_ = true;
};

void check_flags(const BenchFlags& flags) {
  if (flags.fit_costs != flags.models.empty()) {
    fail(ErrorCode::kInvalidArgument,
         flags.fit_costs ? "--fit-costs times kernels by themselves: it takes no MODEL"
                         : "MODEL is missing; see bench --help");
  }
  if (flags.max_batch < 1 || flags.seconds < 0 || flags.seconds > 3600) {
    fail(ErrorCode::kInvalidArgument, "--max-batch must be at least 1, --seconds in 0..3600");
  }
  if (flags.input && !flags.shapes.empty()) {
    fail(ErrorCode::kInvalidArgument, "give --shape or --input, not both");
  }
}

void print_costs() {
  api::fit_costs({}, [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  });
}

}  // namespace

int cmd_bench(const std::vector<std::string>& arguments) {
  Options options("bench", "Times models in turns, shape by shape; exit 1 if an output is wrong.",
                  "tamis bench build/models/minilm --shape 1x16 --shape 32x128\n"
                  "  tamis bench model.onnx --engine cpu --engine onnxruntime --ort "
                  "libonnxruntime.so.1.22.0");
  BenchFlags flags;
  options.positional("MODEL", flags.models, false, "models to time side by side");
  options.option("--shape", flags.shapes, "BATCHxLENGTH (repeatable; default 1x16 1x128 32x128)");
  options.flag("--ragged", flags.ragged, "lengths uniform in 8..LENGTH, the same at every run");
  options.option("--input", flags.input, "time the texts of a file instead of drawn ids");
  options.option("--max-batch", flags.max_batch, "texts a batch with --input");
  options.option("--task", flags.task, "the head to run (default: the model's own)");
  add_device_option(options, flags.device);
  options.option("--precision", flags.precision,
                 "fp32, bf16 or int8; a bundle runs as it was made");
  options.option("--engine", flags.engines,
                 cat(engine_names(), " (repeatable: each model on each, in turns)"));
  flags.engine.add_to(options, false);
  options.flag("--no-peak", flags.no_peak, "do not measure the peak (three seconds)");
  options.option("--seconds", flags.seconds, "time to spend a model and shape");
  options.flag("--fit-costs", flags.fit_costs,
               "print this CPU's cost table for src/quant/costs instead (half a minute; no MODEL)");
  flags.common.add_to(options);
  if (!options.parse(arguments)) return 0;

  check_flags(flags);
  if (flags.fit_costs) {
    print_costs();
    return 0;
  }
  if (flags.shapes.empty()) flags.shapes = {"1x16", "1x128", "32x128"};
  const auto pool = flags.common.make_pool();
  std::vector<Contestant> contestants = load_models(flags, pool);
  // A share of this CPU's peak says nothing of another device.
  const bool no_peak = flags.no_peak || flags.device != "cpu";
  const kernels::Peak peak =
      no_peak ? kernels::Peak{} : kernels::measure_peak(flags.common.isas(), *pool);
  Bench bench(flags, std::move(contestants), peak);
  if (flags.input) {
    const std::vector<TextRow> rows = read_rows(flags.input, {});
    bench.run_file(rows);
  } else {
    for (const std::string& shape : flags.shapes) bench.run_shape(shape);
  }
  if (flags.common.json) {
    print_json(bench.rows(), peak, pool->threads());
  } else {
    print_table(bench.rows(), peak, pool->threads());
  }
  return bench.all_right() ? 0 : 1;
}

}  // namespace tamis::cli
