// Random ragged batches for a while, several callers at once: memory stays flat, and a batch that
// comes round again gets the same bits.
//
// Lasts TAMIS_SOAK_SECONDS (default 3); `make soak` sets ten minutes.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "base/clock.h"
#include "model/loaded_model.h"

namespace tamis::api {
namespace {

constexpr int kCallers = 2;
// More than the cores of a small machine, so that workers of a team wait for one that does not run.
constexpr int kThreads = 8;
#ifdef TAMIS_SANITIZED
constexpr bool kMemoryIsOurs = false;
#else
constexpr bool kMemoryIsOurs = true;
#endif
constexpr int64_t kMostSequences = 24;

double soak_seconds() {
  const char* set = std::getenv("TAMIS_SOAK_SECONDS");
  return set == nullptr ? 3.0 : std::atof(set);
}

// Bytes that were allocated and not freed. Sanitizers have an allocator of their own: 0 there.
int64_t allocated_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

// Bytes of anonymous memory that are resident: files' pages come and go as the system likes.
int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  int64_t shared = 0;
  statm >> total >> resident >> shared;
  return (resident - shared) * ::sysconf(_SC_PAGESIZE);
}

/// Batches drawn one after the other from a seed.
class Batches {
 public:
  Batches(const LoadedModel& model, uint32_t seed)
      : longest_(model.manifest().max_length),
        vocab_(model.runner().info().limits.vocab_size),
        engine_(seed) {}

  // All sequences as long as the model allows: nothing drawn later needs more memory.
  const engine::PackedBatch& largest() {
    start();
    for (int64_t s = 0; s < kMostSequences; ++s) append(longest_);
    return finish();
  }
  const engine::PackedBatch& next() {
    start();
    const int64_t sequences = uniform(1, kMostSequences);
    // Short batches are as common as long ones, and so is a single long one among short ones.
    const int64_t most = uniform(1, longest_);
    for (int64_t s = 0; s < sequences; ++s) append(uniform(1, most));
    return finish();
  }

 private:
  int64_t uniform(int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(engine_);
  }
  void start() { buffer_.clear(); }
  void append(int64_t length) {
    tasks::Sequence sequence;
    for (int64_t i = 0; i < length; ++i) {
      sequence.ids.push_back(static_cast<int32_t>(uniform(0, vocab_ - 1)));
    }
    buffer_.append(sequence.view());
  }
  const engine::PackedBatch& finish() {
    packed_ = buffer_.batch();
    return packed_;
  }

  int64_t longest_;
  int64_t vocab_;
  std::mt19937 engine_;
  engine::BatchBuilder buffer_;
  engine::PackedBatch packed_;
};

std::vector<float> values(const engine::Outputs& outputs) {
  const auto view = outputs.view(0).as<float>();
  return {view.begin(), view.end()};
}

using Models = std::vector<std::shared_ptr<const LoadedModel>>;

/// One caller, of models of its own in turn: an engine that two callers share makes its second
/// session whenever they first meet, which may be late.
class Caller {
 public:
  Caller(Models models, uint32_t seed) : models_(std::move(models)) {
    for (const auto& model : models_)
      turns_.push_back({model.get(), Batches(*model, seed), {}, {}});
    for (Turn& turn : turns_) {
      // Twice: the second call meets memory of its size.
      for (int i = 0; i < 2; ++i) turn.model->runner().run(turn.batches.largest(), turn.outputs);
      turn.model->runner().run(Batches(*turn.model, kProbe).next(), turn.outputs);
      turn.probe = values(turn.outputs);
    }
  }

  // One batch of each model; every sixteenth is the probe, whose answer is known.
  void round() {
    for (Turn& turn : turns_) {
      if (++batches_ % 16 != 0) {
        turn.model->runner().run(turn.batches.next(), turn.outputs);
        continue;
      }
      turn.model->runner().run(Batches(*turn.model, kProbe).next(), turn.outputs);
      const std::vector<float> again = values(turn.outputs);
      const bool same =
          again.size() == turn.probe.size() &&
          std::memcmp(again.data(), turn.probe.data(), again.size() * sizeof(float)) == 0;
      if (!same) ++different_;
    }
  }

  [[nodiscard]] int64_t batches() const { return batches_; }
  [[nodiscard]] int64_t different() const { return different_; }

 private:
  static constexpr uint32_t kProbe = 99;
  struct Turn {
    const LoadedModel* model;
    Batches batches;
    engine::Outputs outputs;
    std::vector<float> probe;
  };

  Models models_;
  std::vector<Turn> turns_;
  int64_t batches_ = 0;
  int64_t different_ = 0;
};

Models load_models(const std::shared_ptr<ThreadPool>& pool) {
  Models models;
  for (const auto precision :
       {engine::Precision::kFp32, engine::Precision::kBf16, engine::Precision::kInt8}) {
    for (const char* name : {"roberta-sequence-classification", "bert-base"}) {
      ModelOptions options;
      options.precision = precision;
      options.pool = pool;
      options.keep_graph = false;
      const auto folder = std::filesystem::path(TAMIS_TESTDATA) / "models" / name;
      models.push_back(LoadedModel::load({folder, ModelKind::kCheckpoint}, options));
    }
  }
  return models;
}

// Runs the callers side by side for so long.
void run_for(std::vector<Caller>& callers, double seconds) {
  const int64_t end = Clock::steady().now_ns() + static_cast<int64_t>(seconds * 1e9);
  std::vector<std::thread> threads;
  for (Caller& caller : callers) {
    threads.emplace_back([&caller, end] {
      do {
        caller.round();
      } while (Clock::steady().now_ns() < end);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Soak, MemoryStaysFlatAndAnswersStayTheSame) {
  const auto pool = std::make_shared<ThreadPool>(kThreads);
  std::vector<Caller> callers;
  for (int i = 0; i < kCallers; ++i) {
    const auto seed = static_cast<uint32_t>(i + 1);
    RecordProperty("seed", cat(seed));
    callers.emplace_back(load_models(pool), seed);
  }
  const double seconds = soak_seconds();
  // A sixth of the time settles the allocator and the threads' own arenas.
  run_for(callers, seconds / 6);
  const int64_t resident = resident_bytes();
  const int64_t allocated = allocated_bytes();
  run_for(callers, seconds);
  const int64_t grown = resident_bytes() - resident;
  const int64_t kept = allocated_bytes() - allocated;
  int64_t batches = 0;
  for (const Caller& caller : callers) {
    batches += caller.batches();
    EXPECT_EQ(caller.different(), 0) << "of the probes gave other bits";
  }
  EXPECT_GT(batches, static_cast<int64_t>(16 * kCallers));
  // Nothing is kept that a batch needed, but for what a thread's cache of free chunks holds at
  // most: seven of each of 64 sizes up to 1,040 bytes.
  constexpr int64_t kThreadCache = 7 * 64 * 1040 / 2;
  if (kMemoryIsOurs) {
    EXPECT_LE(kept, (kThreads + kCallers + 1) * kThreadCache) << "over " << batches << " batches";
    // What is free but was touched depends on where the allocator put the last answers.
    EXPECT_LE(grown, 16 << 20) << "over " << batches << " batches";
  }
  std::printf("soak: %lld batches, %lld bytes kept, %lld bytes grown\n",
              static_cast<long long>(batches), static_cast<long long>(kept),
              static_cast<long long>(grown));
}

}  // namespace
}  // namespace tamis::api
