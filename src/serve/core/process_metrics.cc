#include "serve/core/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace tamis::serve {

namespace {

// The fields of proc(5)'s stat behind the name, which may hold blanks and parentheses: the first is
// number 3.
std::vector<std::string> stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream rest(line.substr(std::min(line.rfind(')') + 1, line.size())));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(std::move(field));
  return fields;
}

double boot_time_s() {
  std::ifstream file("/proc/stat");
  for (std::string key; file >> key;) {
    double value = 0;
    if (key == "btime" && file >> value) return value;
    file.ignore(1 << 20, '\n');
  }
  return 0;
}

double open_descriptors() {
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  int64_t count = -1;  // less the folder's own
  while (const dirent* item = readdir(folder)) count += item->d_name[0] != '.' ? 1 : 0;
  closedir(folder);
  return static_cast<double>(count);
}

double most_descriptors() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

std::vector<ProcessMetric> process_metrics() {
  const std::vector<std::string> fields = stat_fields();
  constexpr size_t kFirst = 3;
  const auto field = [&](size_t number) { return std::stod(fields[number - kFirst]); };
  constexpr size_t kUserTicks = 14;
  constexpr size_t kSystemTicks = 15;
  constexpr size_t kThreads = 20;
  constexpr size_t kStartTicks = 22;
  constexpr size_t kVirtualBytes = 23;
  constexpr size_t kResidentPages = 24;
  if (fields.size() <= kResidentPages - kFirst) return {};
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {
      {"process_cpu_seconds_total", "counter", (field(kUserTicks) + field(kSystemTicks)) / ticks},
      {"process_open_fds", "gauge", open_descriptors()},
      {"process_max_fds", "gauge", most_descriptors()},
      {"process_virtual_memory_bytes", "gauge", field(kVirtualBytes)},
      {"process_resident_memory_bytes", "gauge", field(kResidentPages) * page},
      {"process_start_time_seconds", "gauge", boot_time_s() + field(kStartTicks) / ticks},
      {"process_threads", "gauge", field(kThreads)},
  };
}

}  // namespace tamis::serve
