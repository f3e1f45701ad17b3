#include "cli/command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tasks/task_json.h"

namespace tamis::cli {

namespace fs = std::filesystem;

void CommonFlags::add_to(Options& options) {
  options.option("--threads", threads,
                 "worker threads (default: physical cores, affinity and CPU quota permitting)");
  options.option("--isa", isa, "force a kernel set: reference, avx2, avx512, ...");
  options.flag("--json", json, "print JSON");
  options.flag("--quiet", quiet, "no progress, no hints");
}

std::shared_ptr<ThreadPool> CommonFlags::make_pool() const {
  const int64_t count = threads.value_or(default_thread_count());
  if (count < 1 || count > 1024) {
    fail(ErrorCode::kInvalidArgument, "--threads ", count, ": must lie in 1..1024");
  }
  return std::make_shared<ThreadPool>(static_cast<int>(count));
}

IsaSet CommonFlags::isas() const { return isa ? isas_up_to(*isa) : detected_isas(); }

void ModelFlags::add_to(Options& options) {
  options.positional("MODEL", model, true, "a Hugging Face folder, a cached hub id, or a bundle");
  options.option("--input", input, "a .txt, .tsv or .jsonl file of inputs; - for standard input");
  options.option("--output", output, "where results go; - for standard output");
  options.option("--precision", precision, "fp32, bf16 or int8; a bundle runs as it was made");
  options.option("--max-length", max_length, "longest input in tokens (default: the model's)");
  options.option("--max-batch-tokens", max_batch_tokens, "most tokens in one run");
  common.add_to(options);
}

api::ModelOptions ModelFlags::model_options(tasks::TaskKind task) const {
  check_batch_tokens(max_batch_tokens);
  api::ModelOptions options;
  options.task = task;
  options.max_length = max_length;
  options.isas = common.isas();
  options.pool = common.make_pool();
  options.precision = precision;
  options.keep_graph = false;
  return options;
}

struct OutputSink::Impl {
  std::string path;
  fs::path staging;
  std::FILE* file = nullptr;

  [[noreturn]] void refuse() const {
    fail(ErrorCode::kUnavailable, path == "-" ? "standard output" : path, ": cannot be written");
  }
};

OutputSink::OutputSink(std::string path) : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(path);
  if (impl_->path == "-") {
    impl_->file = stdout;
    return;
  }
  std::error_code ignored;
  // A device or a pipe is written in place; a file appears whole.
  const bool special =
      fs::exists(impl_->path, ignored) && !fs::is_regular_file(impl_->path, ignored);
  impl_->staging = special ? fs::path(impl_->path) : fs::path(impl_->path + ".tmp");
  impl_->file = std::fopen(impl_->staging.c_str(), "wb");
  if (impl_->file == nullptr) impl_->refuse();
}

OutputSink::~OutputSink() {
  if (impl_->file == nullptr || impl_->file == stdout) return;
  std::fclose(impl_->file);
  std::error_code ignored;
  if (impl_->staging != impl_->path) fs::remove(impl_->staging, ignored);
}

void OutputSink::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), impl_->file) != bytes.size()) impl_->refuse();
}

void OutputSink::write_line(std::string_view line) {
  write(line);
  write("\n");
}

void OutputSink::finish() {
  if (std::fflush(impl_->file) != 0) impl_->refuse();
  if (impl_->file == stdout) return;
  const bool closed = std::fclose(impl_->file) == 0;
  impl_->file = nullptr;
  std::error_code error;
  if (closed && impl_->staging != impl_->path) fs::rename(impl_->staging, impl_->path, error);
  if (!closed || error) impl_->refuse();
}

namespace {

constexpr std::string_view kStandardInput = "standard input";

// Lines of JSON objects if the first line is one, else lines of text.
std::vector<TextRow> read_standard_input() {
  const std::string bytes((std::istreambuf_iterator<char>(std::cin)), {});
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  const bool json = first != bytes.npos && bytes[first] == '{';
  return parse_text_data(bytes, json ? TextFormat::kJsonl : TextFormat::kTxt, kStandardInput);
}

}  // namespace

std::vector<TextRow> read_rows(const std::optional<std::string>& input,
                               const std::vector<std::string>& texts) {
  if (input && !texts.empty()) {
    fail(ErrorCode::kInvalidArgument, "give texts or --input, not both");
  }
  if (input) return *input == "-" ? read_standard_input() : read_text_data(*input);
  std::vector<TextRow> rows;
  for (const std::string& text : texts) {
    TextRow row;
    row.text = text;
    rows.push_back(std::move(row));
  }
  if (rows.empty()) fail(ErrorCode::kInvalidArgument, "no input; give texts or --input FILE");
  return rows;
}

Progress::Progress(std::string label, bool quiet)
    : label_(std::move(label)),
      shown_(!quiet && ::isatty(STDERR_FILENO) == 1),
      start_ns_(Clock::steady().now_ns()) {}

Progress::~Progress() {
  if (shown_ && last_percent_ >= 0) std::fputs("\r\033[K", stderr);
}

void Progress::update(double fraction, std::string_view stage) {
  fraction = std::clamp(fraction, 0.0, 1.0);
  const int percent = static_cast<int>(fraction * 100);
  if (!shown_ || percent == last_percent_) return;
  last_percent_ = percent;
  const double gone = 1e-9 * static_cast<double>(Clock::steady().now_ns() - start_ns_);
  const std::string bar(static_cast<size_t>(percent) / 4, '#');
  std::fprintf(stderr, "\r\033[K%s [%-25s] %3d%%",
               stage.empty() ? label_.c_str() : std::string(stage).c_str(), bar.c_str(), percent);
  // The first hundredths say little about the rest.
  if (percent >= 3) std::fprintf(stderr, ", about %.0f s left", gone * (1 - fraction) / fraction);
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

std::string place_of(const std::optional<std::string>& input, const TextRow& row) {
  if (!input || row.line == 0) return "";
  return cat(*input == "-" ? kStandardInput : *input, ":", row.line);
}

tasks::TaskInput text_input(const TextRow& row, std::string_view place) {
  if (!row.text) {
    fail(ErrorCode::kInvalidArgument, place, place.empty() ? "" : ": ",
         "this command needs a \"text\"");
  }
  tasks::TaskInput input;
  input.text = *row.text;
  input.pair = row.text_pair;
  return input;
}

void TaskInputs::add(tasks::TaskInput item, std::string place) {
  items.push_back(std::move(item));
  places.push_back(std::move(place));
}

TaskInputs read_text_inputs(const std::optional<std::string>& input,
                            const std::vector<std::string>& texts) {
  TaskInputs inputs;
  for (const TextRow& row : read_rows(input, texts)) {
    std::string place = place_of(input, row);
    tasks::TaskInput item = text_input(row, place);
    inputs.add(std::move(item), std::move(place));
  }
  return inputs;
}

namespace {

// The whole chunk was refused: finds the input that is to blame, and says so.
[[noreturn]] void blame(const api::LoadedModel& model, const TaskInputs& inputs, size_t begin,
                        size_t end, const tasks::TaskOptions& options, const Error& error) {
  for (size_t i = begin; i < end; ++i) {
    try {
      (void)model.encode(inputs.items[i], options);
    } catch (const Error& own) {
      if (inputs.places[i].empty()) throw;
      fail(own.code(), inputs.places[i], ": ", own.what());
    }
  }
  throw error;
}

}  // namespace

void run_task(const api::LoadedModel& model, const ModelFlags& flags, const TaskInputs& inputs,
              const tasks::TaskOptions& options,
              const std::function<void(size_t, const tasks::TaskResult&)>& consume) {
  // Large enough to fill batches and keep all tokenizer threads busy, small enough to stream.
  constexpr size_t kChunk = 512;
  Progress progress("running", flags.common.quiet);
  const size_t count = inputs.items.size();
  for (size_t begin = 0; begin < count; begin += kChunk) {
    const size_t end = std::min(count, begin + kChunk);
    const std::vector<tasks::TaskInput> chunk(
        inputs.items.begin() + static_cast<std::ptrdiff_t>(begin),
        inputs.items.begin() + static_cast<std::ptrdiff_t>(end));
    std::vector<tasks::TaskResult> results;
    try {
      results = model.run(chunk, options, flags.max_batch_tokens);
    } catch (const Error& error) {
      blame(model, inputs, begin, end, options, error);
    }
    for (size_t i = 0; i < results.size(); ++i) consume(begin + i, results[i]);
    progress.update(static_cast<double>(end) / static_cast<double>(count));
  }
}

int run_task_to_json(const ModelFlags& flags, const TaskInputs& inputs,
                     const tasks::TaskOptions& options) {
  const auto model = api::LoadedModel::load(api::resolve_model(flags.model),
                                            flags.model_options(tasks::kind_of(options)));
  OutputSink sink(flags.output);
  run_task(*model, flags, inputs, options, [&](size_t, const tasks::TaskResult& result) {
    sink.write_line(tasks::to_json(result));
  });
  sink.finish();
  return 0;
}

}  // namespace tamis::cli
