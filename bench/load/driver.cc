#include "load/driver.h"

#include <sys/resource.h>
#include <algorithm>
#include <cmath>

namespace tamis::load {

namespace {

constexpr int64_t kMillisecond = 1'000'000;

double cpu_seconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Driver {
 public:
  Driver(Transport& transport, const LoadOptions& options)
      : transport_(transport), options_(options), starts_(static_cast<size_t>(options.slots)) {
    for (size_t slot = starts_.size(); slot-- > 0;) free_.push_back(slot);
    begin_ns_ = now_ns();
    measured_from_ns_ = begin_ns_ + options.warmup_ms * kMillisecond;
    end_ns_ = measured_from_ns_ + options.duration_ms * kMillisecond;
  }

  LoadFigures run() {
    bool measuring = false;
    double cpu = 0;
    while (!ended()) {
      if (!measuring && now_ns() >= measured_from_ns_) {
        measuring = true;
        cpu = cpu_seconds();
      }
      send_due();
      poll(std::min({end_ns_, next_send_ns(), measuring ? end_ns_ : measured_from_ns_}));
    }
    const int64_t ended_ns = std::min(end_ns_, now_ns());
    figures_.own_cpu_seconds = measuring ? cpu_seconds() - cpu : 0;
    figures_.seconds = static_cast<double>(ended_ns - measured_from_ns_) * 1e-9;
    if (options_.rate > 0 && options_.requests == 0) {
      const int64_t due = (end_ns_ - begin_ns_) / interval_ns();
      figures_.unsent = std::max<int64_t>(0, due - sent_);
    }
    const int64_t last = now_ns() + options_.grace_ms * kMillisecond;
    while (free_.size() < starts_.size() && now_ns() < last) poll(last);
    figures_.unanswered = static_cast<int64_t>(starts_.size() - free_.size());
    if (figures_.seconds > 0) {
      figures_.per_second = static_cast<double>(succeeded_in_time_) / figures_.seconds;
    }
    figures_.success = latency_of(success_ns_);
    figures_.refused = latency_of(refused_ns_);
    return figures_;
  }

 private:
  [[nodiscard]] bool all_sent() const {
    return options_.requests > 0 && sent_ >= options_.requests;
  }
  [[nodiscard]] bool ended() const {
    return now_ns() >= end_ns_ || (all_sent() && free_.size() == starts_.size());
  }
  [[nodiscard]] int64_t interval_ns() const { return 1'000'000'000 / options_.rate; }

  // Later than now only in the open loop, with a free slot.
  [[nodiscard]] int64_t next_send_ns() const {
    if (options_.rate == 0 || free_.empty() || all_sent()) return end_ns_;
    return begin_ns_ + sent_ * interval_ns();
  }

  void send_due() {
    while (!free_.empty() && !all_sent()) {
      const int64_t start = options_.rate == 0 ? now_ns() : next_send_ns();
      if (start > now_ns()) return;
      const size_t slot = free_.back();
      free_.pop_back();
      starts_[slot] = start;
      transport_.send(slot, static_cast<size_t>(sent_++ % options_.payloads));
    }
  }

  void poll(int64_t until_ns) {
    completions_.clear();
    transport_.poll(until_ns, completions_);
    const int64_t now = now_ns();
    for (const Completion& completion : completions_) {
      free_.push_back(completion.slot);
      figures_.statuses[completion.status] += 1;
      const int64_t start = starts_[completion.slot];
      const bool success = transport_.is_success(completion.status);
      if (success && now >= measured_from_ns_ && now < end_ns_) ++succeeded_in_time_;
      if (start < measured_from_ns_) continue;
      figures_.bytes += static_cast<int64_t>(completion.bytes);
      if (success) success_ns_.push_back(now - start);
      if (transport_.is_refusal(completion.status)) refused_ns_.push_back(now - start);
    }
  }

  Transport& transport_;
  LoadOptions options_;
  int64_t begin_ns_ = 0;
  int64_t measured_from_ns_ = 0;
  int64_t end_ns_ = 0;
  std::vector<int64_t> starts_;  ///< by slot
  std::vector<size_t> free_;
  int64_t sent_ = 0;
  int64_t succeeded_in_time_ = 0;
  std::vector<int64_t> success_ns_;
  std::vector<int64_t> refused_ns_;
  std::vector<Completion> completions_;
  LoadFigures figures_;
};

}  // namespace

Latency latency_of(std::vector<int64_t>& ns) {
  Latency latency;
  latency.count = static_cast<int64_t>(ns.size());
  if (ns.empty()) return latency;
  std::sort(ns.begin(), ns.end());
  const auto rank = [&](double share) {
    const auto at = static_cast<size_t>(std::ceil(share * static_cast<double>(ns.size())));
    return static_cast<double>(ns[std::max<size_t>(at, 1) - 1]) * 1e-6;
  };
  double sum = 0;
  for (const int64_t one : ns) sum += static_cast<double>(one);
  latency.mean = sum / static_cast<double>(ns.size()) * 1e-6;
  latency.p50 = rank(0.5);
  latency.p95 = rank(0.95);
  latency.p99 = rank(0.99);
  latency.max = rank(1);
  return latency;
}

LoadFigures run_load(Transport& transport, const LoadOptions& options) {
  return Driver(transport, options).run();
}

}  // namespace tamis::load
