#include "engines/cuda/lane.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace tamis::engines::cuda {

namespace {

// Above it launches cost nothing beside the work, and each size would keep a recording.
constexpr int64_t kMostRecordedTokens = 8192;
// Buckets of sequences, tokens and selected rows that are kept.
constexpr size_t kMostRecordings = 64;

// A batch may say more than its sequences have.
int64_t places_of(const engine::PackedBatch& batch, const engine::BatchLimits& limits) {
  int64_t places = std::min<int64_t>(batch.max_seqlen, limits.max_seqlen);
  for (const int32_t place : batch.position_ids) places = std::max<int64_t>(places, place + 1);
  return places;
}

}  // namespace

Lane::Lane(std::shared_ptr<const Plan> plan)
    : plan_(std::move(plan)), stream_(plan_->card()->device()) {}

Lane::~Lane() { abandon(); }

void Lane::abandon() noexcept {
  if (!busy_) return;
  busy_ = false;
  try {
    stream_.wait();
  } catch (const Error&) {  // a lost device runs nothing any more
  }
}

// For batches up to `extent`, and those that fitted before. If it fails there is room for none.
void Lane::make_room(const Extent& extent) {
  const Extent wanted = {std::max(reserved_.sequences, extent.sequences),
                         std::max(reserved_.tokens, extent.tokens),
                         std::max(reserved_.selected, extent.selected)};
  const auto& device = plan_->card()->device();
  plan_->layout(wanted, memory_);
  const size_t array_bytes = plan_->arrays().layout(wanted, array_offsets_);
  reserved_ = {};
  recorded_.clear();
  arena_ = {};
  arrays_ = {};
  if (const size_t free = device->free_bytes(); free < memory_.bytes + array_bytes) {
    fail(ErrorCode::kOutOfMemory, device->name(), ": a batch of ", extent.tokens, " tokens needs ",
         memory_.bytes + array_bytes, " bytes of device memory, ", free, " are free");
  }
  size_t output_bytes = 0;
  for (const PlanOutput& output : plan_->outputs()) {
    output_bytes += static_cast<size_t>(wanted.rows(output.symbol) * output.columns) * 4;
  }
  arena_ = device::cuda::DeviceBuffer(device, memory_.bytes);
  arrays_ = device::cuda::DeviceBuffer(device, array_bytes);
  host_arrays_ = device::cuda::PinnedBuffer(device, array_bytes);
  host_outputs_ = device::cuda::PinnedBuffer(device, output_bytes);
  reserved_ = wanted;
}

size_t Lane::reserve(const Extent& extent) {
  const bool fits = extent.sequences <= reserved_.sequences && extent.tokens <= reserved_.tokens &&
                    extent.selected <= reserved_.selected;
  if (!fits) make_room(extent);
  plan_->layout(extent, memory_);
  return plan_->arrays().layout(extent, array_offsets_);
}

void Lane::launch(const Extent& extent) {
  const auto start = [&] {
    plan_->launch(extent, memory_, arena_.data(), array_offsets_, arrays_.data(), stream_);
  };
  if (extent.tokens > kMostRecordedTokens) return start();
  const int64_t generation = plan_->generation();  // another session may raise it at any time
  const bool full = recorded_.size() >= kMostRecordings && !recorded_.contains(extent);
  if (generation_ != generation || full) recorded_.clear();
  generation_ = generation;
  std::unique_ptr<device::cuda::RecordedWork>& work = recorded_[extent];
  if (work == nullptr) {
    stream_.begin_recording();
    start();
    work = stream_.end_recording();
  }
  stream_.run(*work);
}

void Lane::start(const engine::PackedBatch& batch) {
  const Extent rows = extent_of(batch);
  const Extent bucket = rows.tokens > kMostRecordedTokens ? rows : bucket_of(rows);
  const size_t array_bytes = reserve(bucket);
  plan_->prepare(places_of(batch, plan_->limits()));
  plan_->arrays().fill(batch, bucket, array_offsets_, host_arrays_.data());
  busy_ = true;
  stream_.copy_to_device(arrays_.data(), host_arrays_.data(), array_bytes);
  launch(bucket);
  fetch_outputs(rows);
}

void Lane::fetch_outputs(const Extent& extent) {
  std::byte* to = host_outputs_.data();
  for (size_t i = 0; i < plan_->outputs().size(); ++i) {
    const PlanOutput& output = plan_->outputs()[i];
    const auto bytes = static_cast<size_t>(extent.rows(output.symbol) * output.columns) * 4;
    stream_.copy_to_host(to, arena_.data() + memory_.output_offsets[i], bytes);
    to += bytes;
  }
}

void Lane::finish(const engine::PackedBatch& batch, engine::Outputs& outputs) {
  stream_.wait();
  busy_ = false;
  const Extent extent = extent_of(batch);
  const std::byte* from = host_outputs_.data();
  outputs.truncate(plan_->outputs().size());
  for (size_t i = 0; i < plan_->outputs().size(); ++i) {
    const PlanOutput& output = plan_->outputs()[i];
    const int64_t rows = extent.rows(output.symbol);
    std::byte* to = outputs.prepare(i, output.name, rows, output.columns);
    const auto bytes = static_cast<size_t>(rows * output.columns) * 4;
    if (bytes > 0) std::memcpy(to, from, bytes);
    from += bytes;
  }
}

}  // namespace tamis::engines::cuda
