#include "cli/command.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "base/clock.h"
#include "base/error.h"
#include "base/sha256.h"
#include "base/thread_limit.h"
#include "cli/pull_bar.h"
#include "cli/resumable_output.h"
#include "device/device_option.h"
#include "model/input_error.h"
#include "tasks/task_json.h"

namespace tamis::cli {

void CommonFlags::add_to(Options& options) {
  options.option("--threads", threads,
                 "worker threads (default: physical cores, affinity and CPU quota permitting)");
  options.option("--isa", isa, "force a kernel set: reference, avx2, avx512, amx, ...");
  options.option("--revision", revision, "the branch, tag or commit of a hub id (default: main)");
  options.option("--family", family, "read a checkpoint whose model_type is unknown as this one");
  options.option("--adapter", adapter, "apply the LoRA adapter in this folder of the checkpoint");
  options.flag("--json", json, "print JSON");
  options.flag("--quiet", quiet, "no progress, no hints");
}

std::shared_ptr<ThreadPool> CommonFlags::make_pool() const {
  const int64_t count = threads.value_or(default_thread_count());
  if (count < 1 || count > kMostThreads) {
    fail(ErrorCode::kInvalidArgument, "--threads ", count, ": must lie in 1..", kMostThreads);
  }
  return std::make_shared<ThreadPool>(static_cast<int>(count));
}

IsaSet CommonFlags::isas() const { return isa ? isas_up_to(*isa) : detected_isas(); }

void CommonFlags::apply(api::ModelOptions& options) const {
  options.isas = isas();
  options.family = family.value_or("");
  options.adapter = adapter.value_or("");
}

std::string CommonFlags::with_revision(const std::string& model) const {
  if (!revision) return model;
  std::error_code ignored;
  if (std::filesystem::exists(model, ignored)) {
    fail(ErrorCode::kInvalidArgument, "--revision ", *revision, ": \"", model,
         "\" is a folder here; accepted with it is the id of a model on the Hugging Face Hub");
  }
  if (model.find('@') != model.npos) {
    fail(ErrorCode::kInvalidArgument, "--revision ", *revision, ": \"", model,
         "\" names a revision itself");
  }
  return cat(model, "@", *revision);
}

std::string engine_names() {
  std::string names;
  for (const engine::EngineRow& row : engine::engine_rows()) {
    names += cat(names.empty() ? "" : ", ", row.name);
  }
  return names;
}

void EngineFlags::add_to(Options& options, bool with_engine) {
  if (with_engine) {
    options.option("--engine", engine,
                   cat(engine_names(), " (default: cpu; for an .onnx file that is not understood ",
                       "onnxruntime)"));
  }
  options.option("--ort", library, "the shared library of ONNX Runtime (default: the loader's)");
  options.option("--ort-provider", provider, "cpu, cuda, tensorrt or openvino, as far as it has");
}

void EngineFlags::apply(api::ModelOptions& options) const {
  if (engine) options.engine = *engine;
  if (library) options.onnx_runtime.library = *library;
  options.onnx_runtime.provider = provider;
  options.run_whole = true;
}

api::ModelPath find_model(const std::string& model, const CommonFlags& common, hub::Parts parts) {
  PullBar bar(common.quiet);
  return api::resolve_model(common.with_revision(model), bar.options(parts));
}

void add_device_option(Options& options, std::string& device) {
  options.option("--device", device, "cpu, cuda or cuda:N: what runs the model");
}

void ModelFlags::add_to(Options& options) {
  options.positional("MODEL", model, true,
                     "a Hugging Face folder, a hub id (org/name), or a bundle");
  options.option("--input", input,
                 "a .txt, .tsv or .jsonl file of inputs, or .parquet or .arrow where they are "
                 "built in; - for standard input");
  options.option(
      "--output", output,
      "where results go: JSON lines, or by its end .parquet or .arrow; - for standard output");
  options.flag("--resume", resume,
               "keep what a killed run left of --output FILE, and go on behind it");
  options.option("--precision", precision, "fp32, bf16 or int8; a bundle runs as it was made");
  add_device_option(options, device);
  options.option("--max-length", max_length, "longest input in tokens (default: the model's)");
  options.option("--max-batch-tokens", max_batch_tokens, "most tokens in one run");
  common.add_to(options);
  given = [&options] {
    // Inputs are compared by themselves; the others change no byte of a result.
    constexpr std::string_view kLeftOut[] = {"--input",   "--output", "--resume",
                                             "--threads", "--quiet",  "--max-batch-tokens"};
    return options.given_but(kLeftOut);
  };
}

api::ModelOptions ModelFlags::model_options(tasks::TaskKind task) const {
  check_batch_tokens(max_batch_tokens);
  api::ModelOptions options;
  options.task = task;
  options.max_length = max_length;
  common.apply(options);
  options.pool = common.make_pool();
  options.device = device::device_from_name(device);
  if (precision) options.precision = api::precision_option(*precision);
  options.keep_graph = false;
  return options;
}

namespace {

std::string time_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole < 120) return cat(whole, " s");
  if (whole < 7200) return cat((whole + 59) / 60, " min");
  return cat((whole + 3599) / 3600, " h");
}

}  // namespace

Progress::Progress(std::string label, bool quiet)
    : label_(std::move(label)),
      shown_(!quiet && ::isatty(STDERR_FILENO) == 1),
      start_ns_(Clock::steady().now_ns()) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::update(double fraction, std::string_view stage) {
  fraction = std::clamp(fraction, 0.0, 1.0);
  const int percent = static_cast<int>(fraction * 100);
  if (!shown_ || percent == last_percent_) return;
  last_percent_ = percent;
  const double gone = 1e-9 * static_cast<double>(Clock::steady().now_ns() - start_ns_);
  // The first hundredths say little about the rest.
  draw(fraction, stage.empty() ? label_ : stage,
       percent < 3 ? "" : cat(", about ", time_text(gone * (1 - fraction) / fraction), " left"));
}

void Progress::count(int64_t done, int64_t all, int64_t before) {
  constexpr int64_t kNsBetween = 200'000'000;
  const int64_t now = Clock::steady().now_ns();
  if (!shown_ || now - last_ns_ < kNsBetween) return;
  last_ns_ = now;
  const double rate =
      static_cast<double>(done - before) / (1e-9 * static_cast<double>(now - start_ns_));
  std::string behind = cat(" ", done, " of ", all);
  if (rate > 0) {
    behind += cat(", ", static_cast<int64_t>(std::lround(rate)), "/s, about ",
                  time_text(static_cast<double>(all - done) / rate), " left");
  }
  draw(static_cast<double>(done) / static_cast<double>(std::max<int64_t>(all, 1)), label_, behind);
}

void Progress::draw(double fraction, std::string_view label, const std::string& behind) {
  drawn_ = true;
  const int percent = static_cast<int>(fraction * 100);
  const std::string bar(static_cast<size_t>(percent) / 4, '#');
  std::fprintf(stderr, "\r\033[K%.*s [%-25s] %3d%%%s", static_cast<int>(label.size()), label.data(),
               bar.c_str(), percent, behind.c_str());
  std::fflush(stderr);
}

tasks::TaskKind task_flag(const std::string& name) {
  const auto task = tasks::task_from_name(name);
  if (!task) {
    fail(ErrorCode::kInvalidArgument, "--task ", name, ": unknown; known are ",
         tasks::known_tasks());
  }
  return *task;
}

void check_batch_tokens(int64_t max_batch_tokens) {
  if (max_batch_tokens < 1) {
    fail(ErrorCode::kInvalidArgument, "--max-batch-tokens ", max_batch_tokens,
         ": must be at least 1");
  }
}

namespace {

std::vector<tasks::TaskResult> run_chunk(const api::LoadedModel& model, const ModelFlags& flags,
                                         const tasks::TaskOptions& options, TaskInputs chunk) {
  try {
    return model.run(std::move(chunk.items), options, flags.max_batch_tokens);
  } catch (const api::InputError& error) {
    const std::string& place = chunk.places[error.input()];
    if (place.empty()) throw;
    fail(error.code(), place, ": ", error.reason());
  }
}

// Where --resume goes on; what is there must be what this run would have written.
std::unique_ptr<ResumableOutput> resume_output(const api::LoadedModel& model,
                                               const ModelFlags& flags, InputReader& inputs,
                                               const tasks::TaskOptions& options,
                                               const ResultForm& form) {
  constexpr int64_t kCompared = 4;
  auto output = std::make_unique<ResumableOutput>(
      flags.output, ResumableOutput::MadeFrom{inputs.sha256(), sha256_of(flags.given())},
      form.table
          ? [table = *form.table](const std::filesystem::path& rows,
                                  const std::string& file) { write_table(rows, file, table); }
          : ResumableOutput::Make());
  if (output->rows() == 0) return output;
  if (output->rows() > inputs.count()) {
    fail(ErrorCode::kCorruptData, flags.output, ".partial.json: answers ", output->rows(),
         " inputs of ", inputs.count());
  }
  std::string beginning = form.header;
  const int64_t compared = std::min(kCompared, output->rows());
  for (const tasks::TaskResult& result :
       run_chunk(model, flags, options, inputs.next(static_cast<size_t>(compared)))) {
    beginning += form.print(result);
  }
  output->check_beginning(beginning);
  inputs.skip(output->rows() - compared);
  return output;
}

}  // namespace

int run_task(const api::LoadedModel& model, const ModelFlags& flags, InputReader& inputs,
             const tasks::TaskOptions& options, const ResultForm& form) {
  // Large enough to fill batches and keep all tokenizer threads busy, small enough to stream.
  constexpr size_t kChunk = 512;
  std::unique_ptr<Sink> sink;
  int64_t done = 0;
  if (flags.resume) {
    auto resumed = resume_output(model, flags, inputs, options, form);
    done = resumed->rows();
    sink = std::move(resumed);
  } else {
    sink = open_output(flags.output, form.table);
  }
  if (done == 0 && !form.header.empty()) sink->write(form.header);
  Progress progress("running", flags.common.quiet);
  const int64_t before = done;
  for (;;) {
    TaskInputs chunk = inputs.next(kChunk);
    if (chunk.items.empty()) break;
    for (const tasks::TaskResult& result : run_chunk(model, flags, options, std::move(chunk))) {
      sink->write(form.print(result));
      ++done;
    }
    sink->rows_done(done);
    progress.count(done, inputs.count(), before);
  }
  sink->finish();
  return 0;
}

int run_task_to_json(const ModelFlags& flags, InputReader&& inputs,
                     const tasks::TaskOptions& options) {
  auto table = lines_or_table(flags.output, result_schema(options));
  const auto model = api::LoadedModel::load(find_model(flags.model, flags.common),
                                            flags.model_options(tasks::kind_of(options)));
  const auto print = [](const tasks::TaskResult& result) { return tasks::to_json(result) + "\n"; };
  return run_task(*model, flags, inputs, options, {"", print, std::move(table)});
}

}  // namespace tamis::cli
