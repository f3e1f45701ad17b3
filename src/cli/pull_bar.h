// How a download is shown: a bar on a terminal, a line for each tenth elsewhere.
//
// Is: bytes, rate and time left on standard error. Is not: the download. May use: hub.
#pragma once

#include <cstdint>
#include <string>

#include "hub/pull.h"

namespace tamis::cli {

/// Shows nothing before bytes come, and nothing at all if `quiet`.
class PullBar {
 public:
  explicit PullBar(bool quiet);
  ~PullBar();
  PullBar(const PullBar&) = delete;
  PullBar& operator=(const PullBar&) = delete;

  /// They hold this bar, and report to it.
  [[nodiscard]] hub::PullOptions options(hub::Parts parts);

 private:
  void update(const hub::PullProgress& now);
  void draw(const hub::PullProgress& now, double gone_s);
  void write_line(const hub::PullProgress& now, double gone_s);

  bool quiet_;
  bool terminal_;
  int64_t start_ns_ = 0;
  int64_t drawn_ns_ = 0;
  int64_t first_bytes_ = 0;
  int64_t tenths_ = -1;
  bool said_waiting_ = false;
};

/// "12.3 MB", by thousands, as the Hub's own pages count.
[[nodiscard]] std::string byte_count(double bytes);

}  // namespace tamis::cli
