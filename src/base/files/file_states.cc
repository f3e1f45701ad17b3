#include "base/files/file_states.h"

#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <system_error>

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kEndings[] = {".json",  ".txt",       ".model",   ".safetensors", ".bin",
                                         ".onnx",  ".onnx_data", ".data",    ".pt",          ".pkl",
                                         ".jinja", ".codes",     ".metadata"};

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

bool can_be_part(const fs::path& file) {
  return std::find(std::begin(kEndings), std::end(kEndings), file.extension().string()) !=
         std::end(kEndings);
}

}  // namespace

FileStates::FileStates(const fs::path& folder_or_file) { add_all(folder_or_file); }

void FileStates::add_all(const fs::path& folder_or_file) {
  std::error_code ignored;
  if (!fs::is_directory(folder_or_file, ignored)) {
    add(folder_or_file);
    return;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_or_file, ignored)) {
    if (can_be_part(entry.path())) add(entry.path());
    if (!entry.is_directory(ignored)) continue;
    for (const fs::directory_entry& inner : fs::directory_iterator(entry.path(), ignored)) {
      if (can_be_part(inner.path())) add(inner.path());
    }
  }
}

std::optional<FileStates::State> FileStates::state_of(const fs::path& file) {
  struct stat status = {};
  if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return State{status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
               nanoseconds(status.st_ctim)};
}

void FileStates::add(const fs::path& file) {
  if (const auto state = state_of(file)) states_.emplace(file, *state);
}

std::optional<fs::path> FileStates::changed() const {
  for (const auto& [file, state] : states_) {
    if (state_of(file) != state) return file;
  }
  return std::nullopt;
}

}  // namespace tamis
