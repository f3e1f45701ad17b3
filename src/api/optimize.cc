#include "api/optimize.h"

#include <algorithm>
#include <limits>
#include <random>

#include "api/bundle.h"
#include "api/calibrate.h"
#include "api/calibration_texts.h"
#include "api/report.h"
#include "api/self_test.h"
#include "base/error.h"
#include "base/file.h"
#include "formats/sentence_transformers.h"

namespace tamis::api {

namespace fs = std::filesystem;

namespace {

/// A shape that the report times: batch x length.
struct ReportShape {
  int64_t batch;
  int64_t seq;
};
constexpr ReportShape kShapes[] = {{1, 16}, {1, 128}, {8, 128}};

// What a tokenizer needs beside tokenizer.json: lengths, sides, the roles of special tokens.
constexpr std::string_view kTokenizerExtras[] = {"tokenizer_config.json",
                                                 "special_tokens_map.json"};

void random_batch(const ReportShape& shape, int64_t vocab, BatchBuffer& batch) {
  std::mt19937 engine(7);
  const auto least = static_cast<int32_t>(std::min<int64_t>(1000, vocab / 2));
  std::uniform_int_distribution<int32_t> uniform(least, static_cast<int32_t>(vocab - 1));
  batch.clear();
  for (int64_t s = 0; s < shape.batch; ++s) {
    tasks::Sequence sequence;
    for (int64_t i = 0; i < shape.seq; ++i) sequence.ids.push_back(uniform(engine));
    batch.append(sequence);
  }
}

// Both models in turns, so that a busy neighbour slows both.
LatencyRow time_shape(const ReportShape& shape, const LoadedModel& before, const LoadedModel& after,
                      double seconds) {
  BatchBuffer batch;
  random_batch(shape, after.engine().plan().limits().vocab_size, batch);
  runtime::Outputs outputs;
  std::vector<double> ms[2];
  const LoadedModel* models[2] = {&before, &after};
  const Clock& clock = Clock::steady();
  for (const LoadedModel* model : models) model->engine().run(batch.packed(), outputs);
  const int64_t start = clock.now_ns();
  while (ms[0].size() < 3 || static_cast<double>(clock.now_ns() - start) < 2e9 * seconds) {
    for (size_t i = 0; i < 2; ++i) {
      const int64_t from = clock.now_ns();
      models[i]->engine().run(batch.packed(), outputs);
      ms[i].push_back(static_cast<double>(clock.now_ns() - from) * 1e-6);
    }
  }
  return {shape.batch, shape.seq, runtime::summarise(ms[0]), runtime::summarise(ms[1])};
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
  void write_model(const LoadedModel& model, const graph::Graph& graph) {
    write_graph(folder_, graph);
    names_ = {"graph.txt", "model.safetensors", "config.json", "tokenizer.json",
              "quantization.json"};
    copy("config.json");
    write_file(folder_ / "tokenizer.json", model.tokenizer().to_json());
    for (const std::string_view name : kTokenizerExtras) {
      if (!file_exists(checkpoint_ / name)) continue;
      copy(name);
      names_.emplace_back(name);
    }
    write_file(folder_ / "quantization.json",
               quantization_record(graph, model.manifest().precision));
    write_manifest_file(model.manifest());
  }

  void write_self_test_file(const SelfTest& test, Manifest& manifest) {
    write_file(folder_ / "selftest.json", write_self_test(test));
    names_.emplace_back("selftest.json");
    manifest.files = record_files(folder_, names_);
    write_manifest_file(manifest);
  }

 private:
  void copy(std::string_view name) { write_file(folder_ / name, read_file(checkpoint_ / name)); }
  void write_manifest_file(const Manifest& manifest) {
    write_file(folder_ / "tamis.json", write_manifest(manifest));
  }

  fs::path folder_;
  fs::path checkpoint_;
  std::vector<std::string> names_;
};

std::vector<TextRow> built_in_texts() {
  std::vector<TextRow> rows;
  for (const std::string_view text : calibration_texts()) {
    TextRow row;
    row.text = std::string(text);
    row.line = static_cast<int64_t>(rows.size()) + 1;
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Texts to calibrate on, and texts to measure on.
struct CalibrationSplit {
  std::vector<TextRow> used;
  std::vector<TextRow> held_out;
};

// Every second text is held out; a single one serves as both.
CalibrationSplit split(const std::vector<TextRow>& rows) {
  CalibrationSplit parts;
  for (size_t i = 0; i < rows.size(); ++i) {
    (i % 2 == 0 ? parts.used : parts.held_out).push_back(rows[i]);
  }
  if (parts.held_out.empty()) parts.held_out = parts.used;
  // Agreement needs no truth, and the labels of a file need not fit this model.
  for (TextRow& row : parts.held_out) {
    row.label.reset();
    row.labels.clear();
    row.score.reset();
    row.answers.clear();
    row.has_answers = false;
  }
  return parts;
}

// Sentences cannot show what a head does that asks for a question, a query or a mask.
bool measurable(tasks::TaskKind task, const std::vector<TextRow>& rows) {
  const bool plain = std::all_of(rows.begin(), rows.end(),
                                 [](const TextRow& row) { return row.text.has_value(); });
  switch (task) {
    case tasks::TaskKind::kEmbed:
    case tasks::TaskKind::kClassify:
    case tasks::TaskKind::kNer:
      return plain;
    case tasks::TaskKind::kRerank:
    case tasks::TaskKind::kQa:
      return !plain;
    case tasks::TaskKind::kFillMask:
    case tasks::TaskKind::kZeroShot:
      return false;
  }
  return false;
}

int64_t folder_bytes(const fs::path& folder) {
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

void check_paths(const ModelPath& path, const fs::path& bundle, bool force) {
  if (path.kind == ModelKind::kBundle) {
    fail(ErrorCode::kUnsupported, path.folder.string(),
         ": is a bundle already; optimize takes the checkpoint it was made of");
  }
  if (fs::is_directory(bundle) && !fs::is_empty(bundle) && !file_exists(bundle / "tamis.json") &&
      force) {
    fail(ErrorCode::kInvalidArgument, bundle.string(),
         ": is no bundle; only a bundle or an empty folder is replaced");
  }
}

/// A bundle beside the checkpoint it was made of.
struct Comparison {
  const ModelPath& checkpoint;
  const ModelOptions& load;
  const LoadedModel& made;
  const std::vector<TextRow>& held_out;
  const SelfTest& test;
  double seconds;
};

// Difference, agreement and time against the checkpoint in fp32.
void compare_with_fp32(const Comparison& of, OptimizeReport& report) {
  ModelOptions fp32 = of.load;
  fp32.precision = "fp32";
  const auto plain = LoadedModel::load(of.checkpoint, fp32);
  report.largest_difference = largest_difference(make_self_test(*plain), of.test);
  if (report.quantization && measurable(of.made.task(), of.held_out)) {
    EvaluateOptions how;
    how.source = report.calibration_source;
    report.agreement = evaluate(of.made, plain.get(), of.held_out, how).against;
  }
  const int64_t longest = of.made.manifest().max_length;
  for (const ReportShape& shape : kShapes) {
    const ReportShape fitting{shape.batch, std::min(shape.seq, longest)};
    report.latency.push_back(time_shape(fitting, *plain, of.made, of.seconds));
  }
}

}  // namespace

OptimizeReport optimize(const ModelPath& path, const fs::path& bundle,
                        const OptimizeOptions& options, const OptimizeProgress& progress) {
  const auto report_stage = [&progress](std::string_view stage, double fraction) {
    if (progress) progress(stage, fraction);
  };
  check_paths(path, bundle, options.force);
  // First, so that a destination that cannot be written is known before the work.
  StagedFolder staged(bundle, options.force);
  ModelOptions load = options.model;
  if (load.pool == nullptr) load.pool = std::make_shared<ThreadPool>(default_thread_count());

  report_stage("loading", 0.0);
  const auto model = LoadedModel::load(path, load);
  OptimizeReport report;
  report.manifest = model->manifest();
  report.passes = model->pass_reports();
  report.checkpoint_bytes = count_constant_bytes(model->graph());

  graph::Graph graph = model->graph();
  CalibrationSplit texts;
  if (model->manifest().precision == "int8") {
    texts = split(options.calibration.empty() ? built_in_texts() : options.calibration);
    report.calibration_source = options.calibration.empty() ? "built-in texts" : "--calibration";
    quant::Quantized quantized = calibrate(
        *model, texts.used, [&](double done) { report_stage("calibrating", 0.05 + 0.55 * done); });
    graph = std::move(quantized.graph);
    report.quantization = std::move(quantized.report);
  }

  report_stage("writing", 0.6);
  BundleWriter writer(staged.path(), path);
  writer.write_model(*model, graph);
  ModelOptions of_bundle = load;
  of_bundle.self_test = false;
  const auto made = LoadedModel::load({staged.path(), ModelKind::kBundle}, of_bundle);
  report.packed_bytes = static_cast<int64_t>(made->engine().plan().packed_bytes());

  report_stage("self-test", 0.7);
  SelfTest test = make_self_test(*made);
  test.tolerance = self_test_tolerance(staged.path(), of_bundle, test);
  writer.write_self_test_file(test, report.manifest);

  report_stage("timing", 0.8);
  const Comparison comparison{path, load, *made, texts.held_out, test, options.seconds};
  compare_with_fp32(comparison, report);
  report.bundle_bytes = folder_bytes(staged.path());
  write_file(staged.path() / "report.json", report_json(report));
  write_file(staged.path() / "report.html", report_html(report));
  staged.commit();
  report_stage("done", 1.0);
  return report;
}

}  // namespace tamis::api
