#include "base/files/staged_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/files/stage_registry.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kInfix = ".tmp-";
constexpr std::string_view kPattern = "XXXXXX";
constexpr std::string_view kAside = ".old";
constexpr auto kAbandonedAge = std::chrono::hours(24);
// The two renames of a writer that lives take milliseconds.
constexpr auto kWriterWait = std::chrono::seconds(5);
constexpr auto kPoll = std::chrono::milliseconds(5);

[[noreturn]] void fail_unavailable(const fs::path& path, std::string_view what) {
  const std::string why = errno_text();
  fail(ErrorCode::kUnavailable, path.string(), ": ", what, ": ", why);
}

fs::path parent_of(const fs::path& path) {
  return path.parent_path().empty() ? fs::path(".") : path.parent_path();
}

// Without a slash at its end, links followed, so that the names beside it are those of the folder.
fs::path plain(fs::path path) {
  if (path.filename().empty()) path = path.parent_path();
  std::error_code error;
  if (fs::is_symlink(path, error)) {
    const fs::path target = fs::canonical(path, error);
    if (!error) return target;
  }
  return path;
}

Descriptor open_folder(const fs::path& folder) {
  return Descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool lock(const Descriptor& folder) {
  return folder && ::flock(folder.get(), LOCK_EX | LOCK_NB) == 0;
}

// Files alone, each and the folder untouched for a day: what a killed writer leaves. Anything else
// under such a name is not ours to remove.
bool looks_abandoned(const fs::path& stage) {
  std::error_code error;
  const auto oldest = fs::file_time_type::clock::now() - kAbandonedAge;
  if (fs::last_write_time(stage, error) > oldest || error) return false;
  fs::directory_iterator items(stage, error);
  if (error) return false;
  for (const fs::directory_iterator end; items != end; items.increment(error)) {
    if (error || items->symlink_status(error).type() != fs::file_type::regular) return false;
    if (items->last_write_time(error) > oldest || error) return false;
  }
  return !error;
}

// What stages of `destination` left beside it: the stages, or what they moved aside.
std::vector<fs::path> leftovers(const fs::path& destination, bool aside) {
  std::vector<fs::path> found;
  std::error_code error;
  const std::string begin = destination.filename().string() + std::string(kInfix);
  const size_t size = begin.size() + kPattern.size() + (aside ? kAside.size() : 0);
  fs::directory_iterator items(parent_of(destination), error);
  for (const fs::directory_iterator end; !error && items != end; items.increment(error)) {
    const std::string item = items->path().filename().string();
    if (item.size() == size && item.starts_with(begin) && is_stage_name(item)) {
      found.push_back(items->path());
    }
  }
  return found;
}

fs::path stage_of(const fs::path& aside) {
  std::string stage = aside.string();
  stage.resize(stage.size() - kAside.size());
  return stage;
}

void remove_abandoned(const fs::path& destination) {
  std::error_code ignored;
  for (const fs::path& stage : leftovers(destination, false)) {
    const Descriptor folder = open_folder(stage);
    if (lock(folder) && looks_abandoned(stage)) fs::remove_all(stage, ignored);
  }
  for (const fs::path& aside : leftovers(destination, true)) {
    // Its writer may be between its renames; the lock is on the stage.
    const Descriptor stage = open_folder(stage_of(aside));
    if ((stage && !lock(stage)) || !fs::exists(destination, ignored)) continue;
    if (looks_abandoned(aside)) fs::remove_all(aside, ignored);
  }
}

bool is_not_supported() { return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP; }

void sync_files(const fs::path& folder, const Descriptor& descriptor) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && !entry.is_symlink()) {
      sync_files(entry.path(), open_folder(entry.path()));
    }
    if (!entry.is_regular_file()) continue;
    const Descriptor file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) fail_unavailable(entry.path(), "cannot be opened");
    write_through(file.get(), entry.path());
  }
  write_through(descriptor.get(), folder);
}

int rename_with(const fs::path& from, const fs::path& to, unsigned flags) {
  return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags);
}

// Renames unless something lies at `to`; rename(2) replaces an empty folder at most.
int rename_to_free_name(const fs::path& from, const fs::path& to) {
  const int done = rename_with(from, to, RENAME_NOREPLACE);
  return done != 0 && is_not_supported() ? ::rename(from.c_str(), to.c_str()) : done;
}

bool wait_for_writer(const fs::path& stage, const fs::path& folder) {
  const Descriptor descriptor = open_folder(stage);
  if (!descriptor) return true;
  const auto until = std::chrono::steady_clock::now() + kWriterWait;
  std::error_code error;
  while (!fs::exists(folder, error)) {
    if (lock(descriptor)) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

}  // namespace

bool is_stage_name(std::string_view name) {
  if (name.ends_with(kAside)) name.remove_suffix(kAside.size());
  if (name.size() <= kInfix.size() + kPattern.size()) return false;
  const std::string_view random = name.substr(name.size() - kPattern.size());
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return random.find_first_not_of(kLetters) == random.npos &&
         name.substr(0, name.size() - kPattern.size()).ends_with(kInfix);
}

fs::path settled_folder(const fs::path& folder) {
  std::error_code error;
  const fs::path wanted = plain(folder);
  if (wanted.filename().empty() || fs::exists(wanted, error)) return folder;
  for (const fs::path& aside : leftovers(wanted, true)) {
    const bool writer_is_gone = wait_for_writer(stage_of(aside), wanted);
    if (fs::exists(wanted, error)) return folder;
    if (writer_is_gone && rename_to_free_name(aside, wanted) == 0) return folder;
    if (fs::exists(wanted, error)) return folder;
    if (fs::exists(aside, error)) return aside;
  }
  return folder;
}

void settle_inside(const fs::path& parent) {
  std::vector<fs::path> missing;
  std::error_code error;
  fs::directory_iterator items(parent, error);
  for (const fs::directory_iterator end; !error && items != end; items.increment(error)) {
    std::string item = items->path().filename().string();
    if (!item.ends_with(kAside) || !is_stage_name(item)) continue;
    item.resize(item.size() - kAside.size() - kPattern.size() - kInfix.size());
    missing.push_back(parent / item);
  }
  for (const fs::path& folder : missing) (void)settled_folder(folder);
}

void check_kept_apart(const fs::path& destination, const fs::path& input) {
  std::error_code error;
  const fs::path from = fs::weakly_canonical(fs::absolute(input), error);
  const fs::path to = fs::weakly_canonical(fs::absolute(destination), error);
  const fs::path way = from.lexically_relative(to.filename().empty() ? to.parent_path() : to);
  if (way.empty() || *way.begin() == "..") return;
  fail(ErrorCode::kInvalidArgument, destination.string(), ": is or holds ", input.string(),
       ", which is read; what is written must go elsewhere");
}

void check_replaceable(const fs::path& destination, std::string_view writer,
                       const std::function<bool(const fs::directory_entry&)>& is_own) {
  std::error_code error;
  fs::directory_iterator items(destination, error);
  for (const fs::directory_iterator end; !error && items != end; items.increment(error)) {
    if (is_own(*items)) continue;
    fail(ErrorCode::kInvalidArgument, destination.string(), ": holds ",
         items->path().filename().string(), ", which ", writer,
         " does not write and would remove; only a folder of its own files is replaced");
  }
}

StagedFolder::StagedFolder(fs::path destination, bool replace)
    : destination_(plain(std::move(destination))),
      parent_(parent_of(destination_)),
      replace_(replace) {
  std::error_code error;
  (void)settled_folder(destination_);
  if (fs::exists(destination_, error)) {
    if (!fs::is_directory(destination_, error)) {
      fail(ErrorCode::kInvalidArgument, destination_.string(), ": exists and is not a folder");
    }
    if (!replace_ && !fs::is_empty(destination_, error)) {
      fail(ErrorCode::kInvalidArgument, destination_.string(),
           ": exists already; give another folder or --force to replace it");
    }
  }
  fs::create_directories(parent_, error);
  remove_abandoned(destination_);
  make_stage();
}

void StagedFolder::make_stage() {
  std::string pattern = (parent_ / destination_.filename()).string();
  pattern.append(kInfix).append(kPattern);
  // Its name is registered before it exists: a signal finds it or nothing.
  const SignalPause pause;
  if (::mkdtemp(pattern.data()) == nullptr) {
    fail_unavailable(parent_, "cannot create a folder here");
  }
  stage_ = pattern;
  register_stage(stage_);
  lock_ = open_folder(stage_);
  // A file system without locks: then no reader takes the lock for free either.
  (void)lock(lock_);
  ::chmod(stage_.c_str(), 0755);
}

StagedFolder::~StagedFolder() { remove_stage(); }

void StagedFolder::commit() {
  sync_files(stage_, lock_);
  std::error_code error;
  const bool there = fs::exists(destination_, error);
  if (there && !fs::is_directory(destination_, error)) {
    fail(ErrorCode::kInvalidArgument, destination_.string(), ": is not a folder any more");
  }
  if (there && !replace_ && !fs::is_empty(destination_, error)) {
    fail(ErrorCode::kInvalidArgument, destination_.string(),
         ": was made by another process meanwhile; give another folder or --force to replace it");
  }
  const Descriptor parent(::open(parent_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) fail_unavailable(parent_, "cannot be opened");
  const fs::path stage = stage_;
  const Placed placed = there ? exchange() : place_new();
  try {
    write_through(parent.get(), parent_);
  } catch (...) {
    take_back(placed, stage);
    throw;
  }
  // Behind the line above: the old folder goes when the new one is sure to stay.
  remove_stage();
}

// The new folder bears `stage` again, and goes with it.
void StagedFolder::take_back(Placed placed, const fs::path& stage) {
  const SignalPause pause;
  switch (placed) {
    case Placed::kNew:
      (void)rename_to_free_name(destination_, stage);
      break;
    case Placed::kExchanged:
      (void)rename_with(stage, destination_, RENAME_EXCHANGE);
      return;
    case Placed::kMoved:
      (void)::rename(destination_.c_str(), stage.c_str());
      (void)rename_to_free_name(stage_, destination_);
      unregister_stage(stage_);
      break;
  }
  stage_ = stage;
  register_stage(stage_);
}

void StagedFolder::remove_stage() {
  if (stage_.empty()) return;
  std::error_code ignored;
  fs::remove_all(stage_, ignored);
  unregister_stage(stage_);
  stage_.clear();
}

StagedFolder::Placed StagedFolder::place_new() {
  if (rename_to_free_name(stage_, destination_) != 0) {
    fail_unavailable(destination_, "cannot be put in place");
  }
  unregister_stage(stage_);
  stage_.clear();
  return Placed::kNew;
}

StagedFolder::Placed StagedFolder::exchange() {
  if (rename_with(stage_, destination_, RENAME_EXCHANGE) == 0) {
    return Placed::kExchanged;  // the stage's name now bears the old folder
  }
  if (!is_not_supported()) fail_unavailable(destination_, "cannot be replaced");
  move_twice();
  return Placed::kMoved;
}

void StagedFolder::move_twice() {
  const fs::path aside = stage_.string() + std::string(kAside);
  const SignalPause pause;
  if (::rename(destination_.c_str(), aside.c_str()) != 0) {
    fail_unavailable(destination_, "cannot be replaced");
  }
  if (::rename(stage_.c_str(), destination_.c_str()) != 0) {
    const int why = errno;
    (void)rename_to_free_name(aside, destination_);
    errno = why;
    fail_unavailable(destination_, "cannot be put in place");
  }
  unregister_stage(stage_);
  stage_ = aside;
  register_stage(stage_);
}

}  // namespace tamis
