#include "optimize/optimize.h"

#include <algorithm>
#include <limits>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "base/files/file_states.h"
#include "base/files/staged_folder.h"
#include "base/length_limit.h"
#include "formats/sentence_transformers.h"
#include "graph/mark_switches.h"
#include "model/bundle.h"
#include "model/calibration_rows.h"
#include "model/self_test.h"
#include "optimize/calibrate.h"
#include "optimize/report.h"
#include "quant/cost.h"

namespace tamis::api {

namespace fs = std::filesystem;

namespace {

/// A shape that the report times: batch x length.
struct ReportShape {
  int64_t batch;
  int64_t seq;
};
constexpr ReportShape kShapes[] = {{1, 16}, {1, 128}, {8, 128}};

void random_batch(const ReportShape& shape, const engine::BatchLimits& limits,
                  engine::BatchBuilder& batch) {
  const int64_t vocab = limits.vocab_size;
  std::mt19937 engine(7);
  const auto least = static_cast<int32_t>(std::min<int64_t>(1000, vocab / 2));
  std::uniform_int_distribution<int32_t> uniform(least, static_cast<int32_t>(vocab - 1));
  batch.clear();
  for (int64_t s = 0; s < shape.batch; ++s) {
    tasks::Sequence sequence;
    for (int64_t i = 0; i < shape.seq; ++i) sequence.ids.push_back(uniform(engine));
    engine::end_as_required(sequence.ids, limits);
    batch.append(sequence.view());
  }
}

// Both models in turns, so that a busy neighbor slows both.
LatencyRow time_shape(const ReportShape& shape, const LoadedModel& before, const LoadedModel& after,
                      double seconds) {
  engine::BatchBuilder batch;
  random_batch(shape, after.runner().info().limits, batch);
  engine::Outputs outputs;
  std::vector<double> ms[2];
  const LoadedModel* models[2] = {&before, &after};
  const Clock& clock = Clock::steady();
  for (const LoadedModel* model : models) model->runner().run(batch.batch(), outputs);
  const int64_t start = clock.now_ns();
  while (ms[0].size() < 3 || static_cast<double>(clock.now_ns() - start) < 2e9 * seconds) {
    for (size_t i = 0; i < 2; ++i) {
      const int64_t from = clock.now_ns();
      models[i]->runner().run(batch.batch(), outputs);
      ms[i].push_back(static_cast<double>(clock.now_ns() - from) * 1e-6);
    }
  }
  return {shape.batch, shape.seq, engine::summarize(ms[0]), engine::summarize(ms[1])};
}

// The kernel sets that the tolerance of the self-test is taken over.
std::vector<IsaSet> sets_to_compare() {
  std::vector<IsaSet> sets;
  for (const std::string_view name : {"reference", "avx2", "avx512"}) {
    try {
      sets.push_back(isas_up_to(name));
    } catch (const Error&) {
      continue;  // this CPU lacks it
    }
  }
  return sets;
}

// 4 times the largest difference between kernel sets; at least what one rounding of the largest
// number allows, for CPUs with a single set.
double self_test_tolerance(const fs::path& bundle, const ModelOptions& options,
                           const SelfTest& expected) {
  double largest = 0;
  for (const IsaSet isas : sets_to_compare()) {
    ModelOptions with = options;
    with.isas = isas;
    const auto model = LoadedModel::load({bundle, ModelKind::kBundle}, with);
    largest = std::max(largest, largest_difference(make_self_test(*model), expected));
  }
  double magnitude = 0;
  for (const SelfTestCase& item : expected.cases) {
    for (const float value : item.output) {
      magnitude = std::max(magnitude, std::abs(static_cast<double>(value)));
    }
  }
  const double floor = magnitude * 64 * std::numeric_limits<float>::epsilon();
  return std::max(4 * largest, floor);
}

class BundleWriter {
 public:
  BundleWriter(const fs::path& folder, const ModelPath& source) : folder_(folder) {
    const fs::path inner = read_sentence_transformer(source.folder).transformer_folder;
    checkpoint_ = inner.empty() ? source.folder : inner;
  }

  // Everything but the self-test, so that the bundle can be loaded.
  void write_model(const LoadedModel& model, const graph::Graph& graph,
                   const OptimizeReport& report) {
    write_graph(folder_, graph);
    names_ = {"graph.txt", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
              "quantization.json"};
    copy_if_there("config.json");
    // Resolved: what class and options beside a checkpoint's vocabulary decide is written in.
    write_file(folder_ / "tokenizer.json", model.tokenizer().to_json());
    write_file(folder_ / "tokenizer_config.json", model.tokenizer().config_json());
    write_file(folder_ / "quantization.json", quantization_record(report));
    write_manifest_file(report.manifest);
  }

  void write_self_test_file(const SelfTest& test, Manifest& manifest) {
    write_file(folder_ / "selftest.json", write_self_test(test));
    names_.emplace_back("selftest.json");
    manifest.files = record_files(folder_, names_);
    write_manifest_file(manifest);
  }

 private:
  // An .onnx file may have none.
  void copy_if_there(std::string_view name) {
    if (!file_exists(checkpoint_ / name)) return;
    write_file(folder_ / name, read_file(checkpoint_ / name));
    names_.emplace_back(name);
  }
  void write_manifest_file(const Manifest& manifest) {
    write_file(folder_ / "tamis.json", write_manifest(manifest));
  }

  fs::path folder_;
  fs::path checkpoint_;
  std::vector<std::string> names_;
};

int64_t folder_bytes(const fs::path& folder) {
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

constexpr double kMostSeconds = 3600;  // of a shape; NaN is outside too

void check_seconds(double seconds) {
  if (seconds >= 0 && seconds <= kMostSeconds) return;
  fail(ErrorCode::kInvalidArgument, seconds, " seconds for a shape: must be 0 to ", kMostSeconds);
}

// What optimize writes into a bundle, of every format.
bool is_bundle_file(const fs::directory_entry& entry) {
  const std::string end = entry.path().extension().string();
  return entry.is_regular_file() && (entry.path().filename() == "graph.txt" || end == ".json" ||
                                     end == ".html" || end == ".safetensors");
}

void check_paths(const ModelPath& path, const OptimizeOptions& options, const fs::path& bundle) {
  if (path.kind == ModelKind::kBundle) {
    fail(ErrorCode::kUnsupported, path.folder.string(),
         ": is a bundle already; optimize takes the checkpoint it was made of");
  }
  if (bundle.empty()) fail(ErrorCode::kInvalidArgument, "the bundle's path is empty");
  check_kept_apart(bundle, path.folder);
  if (!path.base.empty()) check_kept_apart(bundle, path.base);
  for (const std::string& file : {options.calibration_file, options.certify_on_file}) {
    if (!file.empty()) check_kept_apart(bundle, file);
  }
  if (!options.force) return;
  if (fs::is_directory(bundle) && !fs::is_empty(bundle) && !file_exists(bundle / "tamis.json")) {
    fail(ErrorCode::kInvalidArgument, bundle.string(),
         ": is no bundle; only a bundle or an empty folder is replaced");
  }
  check_replaceable(bundle, "optimize", is_bundle_file);
}

// What nobody looked at, so that a reader does not take it for good.
std::vector<std::string> unchecked_of(const OptimizeReport& report) {
  std::vector<std::string> list;
  if (report.choice) {
    list.push_back(cat("Texts unlike the ", report.choice->held_out,
                       " held out: other languages, domains or lengths may agree less."));
    if (!report.choice->row().evaluation.paired) {
      list.emplace_back(
          "Accuracy: the held-out texts have no labels; agreement with fp32 stands in "
          "for it.");
    }
    if (!report.choice->met || deciding_loss(report.choice->row().loss, report.choice->budget) >
                                   report.choice->budget.limit) {
      list.emplace_back("The budget is not kept.");
    }
  } else {
    list.emplace_back("Agreement on texts: only the self-test's were compared.");
  }
  if (report.choice && report.manifest.task == tasks::TaskKind::kEmbedAll) {
    list.emplace_back(
        "Sparse vectors and those of tokens: only the text's one vector was compared.");
  }
  if (report.simulated) {
    list.emplace_back("Speed of the integers: this scheme is simulated in float here.");
  }
  list.emplace_back("Other CPUs: times and prices are of one machine.");
  return list;
}

/// What the bundle is made of. A file that changes in the minutes of the work would leave a bundle
/// that is neither the old model's nor the new one's, or no longer that of the folder's contents.
class InputFiles {
 public:
  InputFiles(const ModelPath& path, const OptimizeOptions& options) {
    states_.emplace_back(path.folder);
    if (!path.base.empty()) states_.emplace_back(path.base);
    if (!options.calibration_file.empty()) states_.emplace_back(options.calibration_file);
    if (!options.certify_on_file.empty()) states_.emplace_back(options.certify_on_file);
  }

  void check() const {
    for (const FileStates& states : states_) {
      if (const auto changed = states.changed()) {
        fail(ErrorCode::kUnavailable, changed->string(),
             ": changed while the bundle was made; nothing was written, optimize again");
      }
    }
  }

 private:
  std::vector<FileStates> states_;
};

// A bundle has one graph and one tokenizer.
void refuse_router(const LoadedModel& model) {
  if (!model.routes_queries()) return;
  fail(ErrorCode::kUnsupported, model.folder().string(),
       ": a Router whose queries a StaticEmbedding reads is not built into bundles, which would "
       "lose that route; accepted is the folder itself, in fp32, bf16 or int8 with --precision, or "
       "one of a single route");
}

/// Loads, quantizes and chooses; the graph that the bundle gets.
class Optimization {
 public:
  Optimization(const ModelPath& path, const OptimizeOptions& options,
               const OptimizeProgress& progress)
      : options_(options), progress_(progress), load_(options.model) {
    automatic_ = !load_.precision.has_value();
    quantizes_ = automatic_ || *load_.precision == engine::Precision::kInt8;
    // Zero-shot asks of a classifier what a classifier is measured by.
    zero_shot_ = load_.task == tasks::TaskKind::kZeroShot;
    ModelOptions fp32 = load_;
    if (fp32.pool == nullptr) fp32.pool = std::make_shared<ThreadPool>(default_thread_count());
    load_.pool = fp32.pool;
    fp32.precision = engine::Precision::kFp32;
    fp32.warn_of_ranges = !quantizes_;
    if (zero_shot_) fp32.task = tasks::TaskKind::kClassify;
    stage("loading", 0);
    checkpoint_ = LoadedModel::load(path, fp32);
    refuse_router(*checkpoint_);
    // Where nothing can be quantized, a table can still be stored in fewer bytes.
    tables_alone_ = automatic_ && !options_.budget && !options_.certify && !certifies_on_a_file() &&
                    quant::list_quantizers(checkpoint_->marked_graph()).empty();
    if (tables_alone_) {
      load_.precision = engine::Precision::kFp32;
      automatic_ = quantizes_ = false;
    }
    report_.manifest = checkpoint_->manifest();
    report_.passes = checkpoint_->pass_reports();
    report_.checkpoint_bytes = count_constant_bytes(checkpoint_->graph());
    report_.checkpoint_packed_bytes = checkpoint_->runner().info().packed_bytes;
  }

  graph::Graph make_graph() {
    graph::Graph graph;
    if (quantizes_) {
      graph = quantized_graph();
    } else if (certifies_on_a_file()) {
      fail(ErrorCode::kInvalidArgument, options_.certify_on_file, ": to be certified on, but in ",
           engine::precision_name(*load_.precision),
           " nothing is measured; accepted are auto and "
           "int8");
    } else {
      // float32 is for those who want the checkpoint's bits.
      const bool exact = !tables_alone_ && *load_.precision == engine::Precision::kFp32;
      graph = checkpoint_->graph();
      report_.embeddings =
          store_tables(graph, options_.embeddings,
                       exact ? quant::EmbeddingStorage::kAsStored : quant::EmbeddingStorage::kHalf);
      report_.manifest.precision = *load_.precision;
      if (report_.manifest.precision == engine::Precision::kBf16) {
        graph::set_attention_arithmetic(graph, graph::FloatArithmetic::kBf16);
      }
    }
    if (zero_shot_) report_.manifest.task = tasks::TaskKind::kZeroShot;
    report_.manifest.embeddings = report_.embeddings.storage;
    report_.simulated = quant::needs_simulation(graph);
    report_.float_work = quant::float_work(graph);
    report_.quantizers = quant::list_quantizers(graph);
    return graph;
  }

  [[nodiscard]] const LoadedModel& checkpoint() const { return *checkpoint_; }
  [[nodiscard]] std::shared_ptr<const LoadedModel> shared_checkpoint() const { return checkpoint_; }
  [[nodiscard]] const ModelOptions& load() const { return load_; }
  [[nodiscard]] OptimizeReport& report() { return report_; }
  void stage(std::string_view name, double fraction) const {
    if (progress_) progress_(name, fraction);
  }

 private:
  [[nodiscard]] bool certifies_on_a_file() const { return !options_.certify_on_file.empty(); }

  graph::Graph quantized_graph() {
    const tasks::TaskKind task = checkpoint_->task();
    const tasks::Problem problem = checkpoint_->manifest().problem;
    Budget budget = options_.budget.value_or(default_budget(task, problem));
    budget.certify = budget.certify || options_.certify || certifies_on_a_file();
    check_budget(budget, task, problem);
    report_.scheme = name_of(quant::kSchemeForms, {load_.scheme, options_.quantize.tensorrt});
    if (options_.measure && quant::needs_simulation(checkpoint_->marked_graph())) {
      fail(ErrorCode::kInvalidArgument, "--measure: integers of scheme ", report_.scheme,
           ", as marked, are simulated in float here, whose time says nothing of theirs; leave it "
           "out");
    }
    const CalibrationRows rows =
        split_rows(*checkpoint_, {options_.calibration, options_.calibration_file},
                   {options_.certify_on, options_.certify_on_file});
    report_.calibration_source = rows.source;
    report_.calibrated_on = static_cast<int64_t>(rows.used.size());
    stage("running fp32", 0.02);
    HeldOut held_out(*checkpoint_, checkpoint_->runner(), rows.held_out, rows.held_source);
    require_known(held_out.compare_reference(), budget);
    // Of a model that was trained with its quantizers nothing is treated, and so its answers are
    // those of its training.
    std::optional<quant::EmbeddingStorage> asked = options_.embeddings;
    if (!asked && !checkpoint_->trained_ranges().empty()) {
      asked = quant::EmbeddingStorage::kAsStored;
    }
    std::optional<graph::Graph> in_float;
    if (!checkpoint_->trained_ranges().empty()) {
      in_float = checkpoint_->graph();
      (void)store_tables(*in_float, asked, quant::EmbeddingStorage::kAsStored);
    }
    StoredTables tables = choose_tables(
        checkpoint_->marked_graph(), asked,
        options_.budget ? std::optional<Budget>(budget) : std::nullopt,
        [&](const graph::Graph& graph) {
          return held_out.compare(*checkpoint_->make_runner(
              in_float ? *in_float : graph::without_marks(graph), engine::Precision::kFp32));
        });
    tables.in_float = std::move(in_float);
    report_.embeddings = tables.choice;
    Calibrated calibrated =
        calibrate(*checkpoint_, tables.marked, rows.used, options_.quantize,
                  [&](double done) { stage("calibrating", 0.05 + 0.55 * done); });
    report_.quantization = std::move(calibrated.quantized.report);
    ChooseOptions choose;
    choose.budget = budget;
    choose.search = automatic_;
    choose.measure = options_.measure;
    choose.keep_tables = asked.has_value();
    choose.progress = [&](double done) { stage("choosing", 0.6 + 0.25 * done); };
    report_.choice = choose_plan(*checkpoint_, tables, calibrated, held_out, choose);
    report_.choice->measured_on = rows.measured_on;
    report_.choice->own_texts = certifies_on_a_file();
    report_.manifest.precision = report_.choice->row().precision;
    return chosen_graph();
  }

  // What is said of tables and layers is said of the graph that is written.
  graph::Graph chosen_graph() {
    graph::Graph graph = std::move(report_.choice->graph);
    if (report_.choice->gave_up) {
      report_.embeddings = store_tables(graph, std::nullopt, quant::EmbeddingStorage::kAsStored);
      report_.embeddings.evaluation = report_.choice->row().evaluation;
    }
    quant::keep_written(*report_.quantization, graph);
    if (report_.choice->row().to_nearest) quant::keep_rounding_alone(*report_.quantization);
    return graph;
  }

  const OptimizeOptions& options_;
  const OptimizeProgress& progress_;
  ModelOptions load_;
  bool automatic_ = false;
  bool quantizes_ = false;
  bool tables_alone_ = false;
  bool zero_shot_ = false;
  std::shared_ptr<const LoadedModel> checkpoint_;
  OptimizeReport report_;
};

}  // namespace

void set_scheme(OptimizeOptions& options, std::string_view name) {
  const std::optional<quant::SchemeForm> form = value_named(quant::kSchemeForms, name);
  if (!form) {
    fail(ErrorCode::kInvalidArgument, "there is no scheme \"", name, "\"; accepted are ",
         names_in(quant::kSchemeForms, " and "));
  }
  options.quantize.tensorrt = form->tensorrt;
  options.model.scheme = form->scheme;
  options.model.whole_attention = form->tensorrt;
}

quant::EmbeddingStorage embeddings_option(std::string_view name) {
  const auto storage = quant::embedding_storage_from_name(name);
  if (!storage) {
    fail(ErrorCode::kInvalidArgument, "--embeddings ", name, ": must be fp32, fp16 or int8");
  }
  return *storage;
}

bool OptimizeReport::succeeded() const { return !choice || choice->met || !choice->decides; }

PlannedModel plan_model(const ModelPath& path, const OptimizeOptions& options,
                        const OptimizeProgress& progress) {
  Optimization work(path, options, progress);
  graph::Graph graph = work.make_graph();
  return {work.shared_checkpoint(), std::move(graph), std::move(work.report())};
}

OptimizeReport optimize(const ModelPath& path, const fs::path& bundle,
                        const OptimizeOptions& options, const OptimizeProgress& progress) {
  if (options.model.device.kind != device::DeviceKind::kCpu) {
    fail(ErrorCode::kUnsupported, "optimize runs on the CPU, not on ",
         device::device_name(options.model.device), "; its bundle runs on any device");
  }
  check_paths(path, options, bundle);
  check_seconds(options.seconds);
  const Clock& clock = Clock::steady();
  const int64_t start = clock.now_ns();
  const InputFiles inputs(path, options);
  // First, so that a destination that cannot be written is known before the work.
  StagedFolder staged(bundle, options.force);
  Optimization work(path, options, progress);
  const graph::Graph graph = work.make_graph();
  inputs.check();  // again below; here it spares the rest of the work
  OptimizeReport& report = work.report();

  work.stage("writing", 0.85);
  BundleWriter writer(staged.path(), path);
  writer.write_model(work.checkpoint(), graph, report);
  ModelOptions of_bundle = work.load();
  of_bundle.precision.reset();
  of_bundle.self_test = false;
  const auto made = LoadedModel::load({staged.path(), ModelKind::kBundle}, of_bundle);
  report.packed_bytes = made->runner().info().packed_bytes;

  work.stage("self-test", 0.88);
  SelfTest test = make_self_test(*made);
  test.tolerance = self_test_tolerance(staged.path(), of_bundle, test);
  report.self_test_tolerance = test.tolerance;
  report.largest_difference = largest_difference(make_self_test(work.checkpoint()), test);
  writer.write_self_test_file(test, report.manifest);

  work.stage("timing", 0.93);
  for (const ReportShape& shape : kShapes) {
    const ReportShape fitting{shape.batch, tighter_limit(shape.seq, made->manifest().max_length)};
    report.latency.push_back(time_shape(fitting, work.checkpoint(), *made, options.seconds));
  }
  report.unchecked = unchecked_of(report);
  report.seconds = 1e-9 * static_cast<double>(clock.now_ns() - start);
  report.bundle_bytes = folder_bytes(staged.path());
  write_file(staged.path() / "report.json", report_json(report));
  write_file(staged.path() / "report.html", report_html(report));
  inputs.check();
  staged.commit();
  work.stage("done", 1.0);
  return std::move(report);
}

}  // namespace tamis::api
