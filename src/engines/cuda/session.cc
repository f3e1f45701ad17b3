#include "engines/cuda/session.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::engines::cuda {

using engine::Outputs;
using engine::PackedBatch;
using engine::RunControl;
using engine::Ticket;

namespace {

constexpr size_t kLanes = 2;

void look(const RunControl& control) {
  if (control.stop != nullptr && control.stop->load(std::memory_order_relaxed)) {
    fail(ErrorCode::kCancelled, "run: cancelled");
  }
  if (control.deadline_ns != 0 && control.clock->now_ns() >= control.deadline_ns) {
    fail(ErrorCode::kDeadlineExceeded, "run: past its deadline");
  }
}

}  // namespace

Lane& Session::free_lane() {
  for (const auto& lane : lanes_) {
    if (!lane->busy()) return *lane;
  }
  if (lanes_.size() < kLanes) {
    lanes_.push_back(std::make_unique<Lane>(plan_));
    return *lanes_.back();
  }
  const auto oldest = std::ranges::find(pending_, false, &Pending::over);
  TAMIS_CHECK(oldest != pending_.end());
  finish(*oldest);
  return *oldest->lane;
}

void Session::finish(Pending& pending) {
  pending.over = true;
  try {
    pending.lane->finish(*pending.batch, *pending.outputs);
    look(*pending.control);
    if (pending.control->progress) {
      pending.control->progress(pending.batch->tokens(), pending.batch->tokens());
    }
  } catch (...) {
    pending.lane->abandon();
    pending.error = std::current_exception();
  }
}

Ticket Session::submit(const PackedBatch& batch, Outputs& outputs, const RunControl& control) {
  try {
    check_batch(batch, plan_->limits());
    look(control);
    Lane& lane = free_lane();
    try {
      lane.start(batch);
    } catch (...) {
      lane.abandon();
      throw;
    }
    pending_.push_back({++submitted_, &lane, &batch, &outputs, &control, false, nullptr});
  } catch (...) {
    return Ticket(std::current_exception());
  }
  return Ticket(submitted_);
}

void Session::wait(const Ticket& ticket) {
  if (ticket.error() != nullptr) std::rethrow_exception(ticket.error());
  const auto found = std::ranges::find(pending_, ticket.number(), &Pending::number);
  TAMIS_CHECK(found != pending_.end());
  if (!found->over) finish(*found);
  const std::exception_ptr error = found->error;
  pending_.erase(found);
  if (error != nullptr) std::rethrow_exception(error);
}

void Session::run(const PackedBatch& batch, Outputs& outputs, const RunControl& control) {
  wait(submit(batch, outputs, control));
}

}  // namespace tamis::engines::cuda
