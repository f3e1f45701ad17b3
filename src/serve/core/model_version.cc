#include "serve/core/model_version.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/length_limit.h"

namespace tamis::serve {

namespace {

uint64_t next_serial() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

// Tokens a second of a batch of the usual size: rows of 64 tokens up to the budget.
double warm_up(Servable& model, const BatcherOptions& options) {
  const int64_t length = tighter_limit(64, model.info().max_length);
  const int64_t rows = std::clamp<int64_t>(options.budget.tokens / length, 1, 16);
  // Id 0 is a token of every vocabulary.
  std::vector<int32_t> ids(static_cast<size_t>(length), 0);
  engine::end_as_required(ids, model.info().limits);
  engine::BatchBuilder batch;
  for (int64_t i = 0; i < rows; ++i) batch.append({ids, {}, {}, {}});
  engine::Outputs outputs;
  int64_t best = 0;
  for (int i = 0; i < 2; ++i) {
    const int64_t started = Clock::steady().now_ns();
    model.run(batch.batch(), OutputSet::kTask, outputs, {});
    const int64_t ran = std::max<int64_t>(Clock::steady().now_ns() - started, 1);
    best = best == 0 ? ran : std::min(best, ran);
  }
  return static_cast<double>(rows * length) * 1e9 / static_cast<double>(best);
}

}  // namespace

ModelVersion::ModelVersion(std::string name, std::string version, std::unique_ptr<Servable> model,
                           CoreShare& share, BatcherOptions options)
    : name_(std::move(name)),
      version_(std::move(version)),
      serial_(next_serial()),
      model_(std::move(model)) {
  loaded_at_s_ = std::chrono::duration_cast<std::chrono::seconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count();
  options.budget.padded = model_->info().padded;
  const double rate = warm_up(*model_, options);
  auto report = std::move(options.report);
  options.report = [this, report](const BatchReport& batch) {
    stats_.add_batch(batch.rows, batch.run_ns);
    if (report) report(batch);
  };
  batcher_ = std::make_unique<Batcher>(*model_, share, std::move(options));
  batcher_->set_rate(rate);
}

}  // namespace tamis::serve
