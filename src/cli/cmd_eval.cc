#include "base/error.h"
#include "cli/command.h"
#include "device/device_option.h"
#include "optimize/evaluate.h"

namespace tamis::cli {

namespace {

// A head of one label ranks texts or scores them one by one: the rows say which. Nothing if they
// are for the task that the model was loaded for.
std::optional<tasks::TaskKind> task_of_rows(const api::LoadedModel& model,
                                            const std::vector<TextRow>& rows) {
  if (model.manifest().labels.size() != 1 || rows.empty()) return std::nullopt;
  const TextRow& row = rows.front();
  const bool alone = row.text && !row.text_pair;
  if (model.task() == tasks::TaskKind::kRerank && alone) return tasks::TaskKind::kClassify;
  if (model.task() == tasks::TaskKind::kClassify && row.query) return tasks::TaskKind::kRerank;
  return std::nullopt;
}

// --family and --adapter are for whichever of the two models is a checkpoint.
api::ModelOptions options_for(const api::ModelPath& path, const api::ModelOptions& load,
                              const std::optional<api::ModelPath>& other) {
  api::ModelOptions own = load;
  const bool for_other = path.kind != api::ModelKind::kCheckpoint && other &&
                         other->kind == api::ModelKind::kCheckpoint;
  if (for_other) own.family = own.adapter = "";
  return own;
}

// For the task that `load` names, else for what the rows ask for.
std::shared_ptr<const api::LoadedModel> load_for(const std::vector<TextRow>& rows,
                                                 const api::ModelPath& path,
                                                 api::ModelOptions load) {
  const bool named = load.task.has_value();
  std::shared_ptr<const api::LoadedModel> model = api::LoadedModel::load(path, load);
  if (const auto other_task = named ? std::nullopt : task_of_rows(*model, rows)) {
    load.task = other_task;
    model = api::LoadedModel::load(path, load);
  }
  return model;
}

// What is measured, and what it is held against: null if nothing is.
struct Pair {
  std::shared_ptr<const api::LoadedModel> model;
  std::shared_ptr<const api::LoadedModel> other;
};

Pair load_pair(const std::vector<TextRow>& rows, const std::string& path,
               const std::optional<std::string>& against, const CommonFlags& common,
               api::ModelOptions load) {
  const api::ModelPath found = find_model(path, common);
  std::optional<api::ModelPath> other;
  if (against) other = find_model(*against, common);
  Pair pair = {load_for(rows, found, options_for(found, load, other)), nullptr};
  if (!other) return pair;
  load.task = pair.model->task();
  load.precision.reset();
  load.engine.clear();
  pair.other = api::LoadedModel::load(*other, options_for(*other, load, found));
  return pair;
}

}  // namespace

int cmd_eval(const std::vector<std::string>& arguments) {
  Options options(
      "eval", "How right a model is on rows with the truth, and how far it agrees with another.",
      "tamis eval minilm.tamis --data pairs.tsv --against build/models/minilm");
  CommonFlags common;
  EngineFlags engine;
  std::string device = "cpu";
  std::string path;
  std::string data;
  std::string output = "-";
  std::optional<std::string> against;
  std::optional<std::string> task;
  std::optional<std::string> precision;
  api::ModelOptions load;
  api::EvaluateOptions evaluate;
  options.positional("MODEL", path, true,
                     "a Hugging Face folder, a hub id (org/name), or a bundle");
  options.option(
      "--data", data,
      "a .tsv, .jsonl, .parquet or .arrow file of rows with the truth; see docs/formats.md");
  options.option("--against", against,
                 "a model to compare with, text by text, on the engine that it has by default");
  options.option("--task", task,
                 "the task to measure (default: what the model and the rows are for)");
  options.option("--precision", precision, "fp32, or what the bundle was made with");
  add_device_option(options, device);
  options.option("--max-length", load.max_length, "longest input in tokens (default: the model's)");
  options.option("--max-batch-tokens", evaluate.max_batch_tokens, "most tokens in one run");
  options.option("--output", output, "where the figures go; - for standard output");
  engine.add_to(options);
  common.add_to(options);
  if (!options.parse(arguments)) return 0;

  if (data.empty()) fail(ErrorCode::kInvalidArgument, "give the rows to measure on: --data FILE");
  check_batch_tokens(evaluate.max_batch_tokens);
  if (task) load.task = task_flag(*task);
  if (precision) load.precision = api::precision_option(*precision);
  common.apply(load);
  load.device = device::device_from_name(device);
  load.pool = common.make_pool();
  load.keep_graph = false;
  engine.apply(load);
  const std::vector<TextRow> rows = read_text_data(data);
  const Pair pair = load_pair(rows, path, against, common, load);
  evaluate.source = data;
  Progress progress("evaluating", common.quiet);
  evaluate.progress = [&progress](double fraction) { progress.update(fraction); };
  const api::Evaluation result = api::evaluate(*pair.model, pair.other.get(), rows, evaluate);
  OutputSink sink(output);
  sink.write(common.json ? api::evaluation_json(result) + "\n" : api::evaluation_text(result));
  sink.finish();
  return 0;
}

}  // namespace tamis::cli
