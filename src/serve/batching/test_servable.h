// A model made by hand for this module's tests: its answers say which tokens came, and it can be
// told to fail, to wait, and to take time on a clock of the test's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "serve/batching/servable.h"

namespace tamis::serve {

/// Rows answer {first token, number of tokens}. A row whose first token is kPoison fails its batch.
class TestServable final : public Servable {
 public:
  static constexpr int32_t kPoison = 666;

  TestServable() {
    info_.source = "test";
    info_.family = "test";
    info_.precision = "fp32";
    info_.output_size = 2;
  }

  /// Batches wait until open() is called.
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  /// Waits until a batch runs (and, if closed, waits).
  void wait_until_running() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return running_; });
  }
  /// First tokens of the rows of each batch that has run.
  std::vector<std::vector<int32_t>> batches() {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

  const ServableInfo& info() const override { return info_; }
  const tasks::TaskModel* task_model() const override { return nullptr; }
  tasks::Encoded encode(tasks::TaskInput input, tasks::TaskOptions options,
                        int64_t) const override {
    tasks::Encoded encoded;
    tasks::Sequence sequence;
    for (const char c : input.text) sequence.ids.push_back(static_cast<uint8_t>(c));
    if (sequence.ids.empty()) fail(ErrorCode::kInvalidArgument, "a text has no tokens");
    encoded.sequences.push_back(std::move(sequence));
    encoded.windows.emplace_back();
    encoded.input = std::move(input);
    encoded.options = std::move(options);
    return encoded;
  }
  tasks::TaskResult decode(const tasks::Encoded&,
                           std::span<const tasks::OutputView> outputs) const override {
    const auto row = outputs.front().tensor.as<float>();
    return tasks::EmbedResult{{row.begin(), row.end()}};
  }
  void check_task(tasks::TaskKind) const override {}
  std::vector<OutputInfo> outputs(OutputSet set) override {
    if (set == OutputSet::kTokens) fail(ErrorCode::kUnsupported, "no token embeddings");
    return {{"sentence_embedding", 2, engine::RowUnit::kSequence}};
  }
  void run(const engine::PackedBatch& batch, OutputSet, engine::Outputs& outputs,
           const engine::RunControl&) override {
    std::vector<int32_t> firsts;
    std::byte* out = outputs.prepare(0, "sentence_embedding", batch.sequences(), 2);
    outputs.truncate(1);
    for (int64_t r = 0; r < batch.sequences(); ++r) {
      const auto begin = static_cast<size_t>(batch.cu_seqlens[static_cast<size_t>(r)]);
      const auto end = static_cast<size_t>(batch.cu_seqlens[static_cast<size_t>(r) + 1]);
      firsts.push_back(batch.input_ids[begin]);
      const float row[2] = {static_cast<float>(batch.input_ids[begin]),
                            static_cast<float>(end - begin)};
      std::memcpy(out + static_cast<size_t>(r) * sizeof(row), row, sizeof(row));
    }
    std::unique_lock lock(mutex_);
    running_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    running_ = false;
    batches_.push_back(firsts);
    for (const int32_t first : firsts) {
      if (first == kPoison) fail(ErrorCode::kInternal, "poison");
    }
  }
  void check_row(const Row& row) const override {
    if (row.sequence.ids.empty()) fail(ErrorCode::kInvalidArgument, "a row has no tokens");
  }
  int32_t first_position() const override { return 0; }

 private:
  ServableInfo info_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  bool running_ = false;
  std::vector<std::vector<int32_t>> batches_;
};

}  // namespace tamis::serve
