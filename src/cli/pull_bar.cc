#include "cli/pull_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/error.h"
#include "base/plain_text.h"

namespace tamis::cli {

namespace {

// Ten times a second is as fast as anybody reads.
constexpr int64_t kRedrawNs = 100'000'000;

double rate_of(const hub::PullProgress& now, int64_t first_bytes, double gone_s) {
  return gone_s > 0 ? static_cast<double>(now.done_bytes - first_bytes) / gone_s : 0;
}

double fraction_of(const hub::PullProgress& now) {
  if (now.total_bytes <= 0) return 0;
  const auto fraction = static_cast<double>(now.done_bytes) / static_cast<double>(now.total_bytes);
  return std::clamp(fraction, 0.0, 1.0);
}

}  // namespace

std::string byte_count(double bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  for (; bytes >= 999.5 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1000;
  char text[32];
  std::snprintf(text, sizeof(text), unit > 0 && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes,
                kUnits[unit]);
  return text;
}

PullBar::PullBar(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

PullBar::~PullBar() {
  if (terminal_ && drawn_ns_ != 0) std::fputs("\r\033[K", stderr);
}

hub::PullOptions PullBar::options(hub::Parts parts) {
  hub::PullOptions options;
  options.parts = parts;
  if (!quiet_) options.progress = [this](const hub::PullProgress& now) { update(now); };
  return options;
}

void PullBar::update(const hub::PullProgress& now) {
  const int64_t now_ns = Clock::steady().now_ns();
  if (start_ns_ == 0) {
    start_ns_ = now_ns;
    first_bytes_ = now.done_bytes;
  }
  const double gone_s = 1e-9 * static_cast<double>(now_ns - start_ns_);
  if (now.waiting && !said_waiting_) {
    said_waiting_ = true;
    std::fprintf(stderr, "%stamis: %s: waiting for another process, which downloads %s\n",
                 terminal_ ? "\r\033[K" : "", plain_text(now.model).c_str(),
                 plain_text(now.file).c_str());
  }
  if (!terminal_) {
    write_line(now, gone_s);
  } else if (now_ns - drawn_ns_ >= kRedrawNs) {
    drawn_ns_ = now_ns;
    draw(now, gone_s);
  }
}

void PullBar::draw(const hub::PullProgress& now, double gone_s) {
  const double fraction = fraction_of(now);
  const double rate = rate_of(now, first_bytes_, gone_s);
  const std::string bar(static_cast<size_t>(fraction * 25), '#');
  std::fprintf(stderr, "\r\033[K%s [%-25s] %3.0f%% of %s", plain_text(now.file).c_str(),
               bar.c_str(), 100 * fraction,
               byte_count(static_cast<double>(now.total_bytes)).c_str());
  // The first second says little about the rest.
  if (gone_s >= 1 && rate > 0) {
    std::fprintf(stderr, ", %s/s, about %.0f s left", byte_count(rate).c_str(),
                 static_cast<double>(now.total_bytes - now.done_bytes) / rate);
  }
  std::fflush(stderr);
}

void PullBar::write_line(const hub::PullProgress& now, double gone_s) {
  const auto tenths = static_cast<int64_t>(fraction_of(now) * 10);
  if (tenths <= tenths_) return;
  tenths_ = tenths;
  std::string rate;
  if (gone_s >= 1) rate = cat(", ", byte_count(rate_of(now, first_bytes_, gone_s)), "/s");
  std::fprintf(stderr, "tamis: downloading %s: %lld %% of %s%s\n", plain_text(now.model).c_str(),
               static_cast<long long>(100 * fraction_of(now)),
               byte_count(static_cast<double>(now.total_bytes)).c_str(), rate.c_str());
}

}  // namespace tamis::cli
