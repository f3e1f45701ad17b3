#include "serve/core/model_repository.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/files/staged_folder.h"
#include "base/log.h"

namespace tamis::serve {

namespace fs = std::filesystem;

std::string_view model_state_name(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return "LOADING";
    case ModelState::kReady:
      return "READY";
    case ModelState::kUnloading:
      return "UNLOADING";
    case ModelState::kUnavailable:
      return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

namespace {

const std::string kAnyName = "*";

// The number that a folder's or version's name is, 0 if it is none.
int64_t number_of(std::string_view name) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() && number > 0 ? number : 0;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == name.npos &&
         name.find('\\') == name.npos && name.find('\0') == name.npos && !is_stage_name(name);
}

[[noreturn]] void refuse_unknown(const std::string& name, const std::string& version) {
  if (version.empty()) {
    fail(ErrorCode::kNotFound, "Request for unknown model: '", name, "' is not found");
  }
  fail(ErrorCode::kNotFound, "Request for unknown model: '", name, "' version ", version,
       " is not found");
}

}  // namespace

ModelRepository::ModelRepository(RepositoryOptions options) : options_(std::move(options)) {}

ModelReaper::ModelReaper() : thread_([this] { work(); }) {}

ModelReaper::~ModelReaper() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ModelReaper::make_room(int64_t versions) {
  const std::lock_guard lock(mutex_);
  doomed_.reserve(static_cast<size_t>(versions) + doomed_.size());
}

void ModelReaper::take(ModelVersion* version) noexcept {
  {
    const std::lock_guard lock(mutex_);
    doomed_.push_back(version);
  }
  changed_.notify_all();
}

void ModelReaper::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !doomed_.empty(); });
    if (doomed_.empty()) return;
    ModelVersion* const version = doomed_.back();
    doomed_.pop_back();
    lock.unlock();
    delete version;
    lock.lock();
  }
}

void ModelRepository::drain() {
  const std::lock_guard lock(mutex_);
  for (auto& [name, entry] : entries_) {
    for (auto& [number, version] : entry.versions) version->batcher().drain();
  }
}

ModelRepository::~ModelRepository() {
  std::map<std::string, Entry> entries;
  {
    const std::lock_guard lock(mutex_);
    entries.swap(entries_);
  }
  entries.clear();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return live_ == 0; });
}

void ModelRepository::gone() {
  const std::lock_guard lock(mutex_);
  --live_;
  changed_.notify_all();
}

void ModelRepository::declare(const std::string& name, const std::string& source) {
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = entries_.try_emplace(name);
  if (!fresh) {
    fail(ErrorCode::kInvalidArgument, "two models are named ", name, "; name them NAME=MODEL");
  }
  at->second.source = source;
}

void ModelRepository::add(const std::string& name, std::unique_ptr<Servable> model) {
  ModelLease version = make(name, "1", std::move(model));
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = entries_.try_emplace(name);
  if (!fresh) fail(ErrorCode::kInvalidArgument, "two models are named ", name);
  at->second.added = true;
  at->second.state = ModelState::kReady;
  at->second.versions.emplace(1, std::move(version));
}

void ModelRepository::declare_folder() {
  settle_inside(options_.folder);
  std::error_code error;
  fs::directory_iterator items(options_.folder, error);
  if (error) {
    fail(ErrorCode::kNotFound, "--model-repository ", options_.folder.string(), ": ",
         error.message());
  }
  for (const fs::directory_entry& item : items) {
    const std::string name = item.path().filename().string();
    if (item.is_directory(error) && is_plain_name(name)) declare(name, "");
  }
}

ModelLease ModelRepository::make(const std::string& name, const std::string& version,
                                 std::unique_ptr<Servable> model) {
  BatcherOptions batcher = options_.batcher;
  const auto weight = options_.weights.find(name);
  if (weight != options_.weights.end()) batcher.weight = weight->second;
  auto made = std::make_unique<ModelVersion>(name, version, std::move(model), share_, batcher);
  {
    const std::lock_guard lock(mutex_);
    reaper_.make_room(live_ + 1);
    ++live_;
  }
  // Without the lock: if there is no memory for the lease, its end is told at once.
  return {made.release(), [this](ModelVersion* last) {
            reaper_.take(last);
            gone();
          }};
}

// Version number to MODEL: numbered folders, or the model's own folder as version 1.
std::map<int64_t, std::string> ModelRepository::sources_of(const std::string& name,
                                                           const std::string& source) const {
  if (!source.empty()) return {{1, source}};
  if (!is_plain_name(name) || options_.folder.empty()) refuse_unknown(name, "");
  const fs::path folder = settled_folder(options_.folder / name);
  std::error_code error;
  if (!fs::is_directory(folder, error)) refuse_unknown(name, "");
  std::map<int64_t, std::string> sources;
  for (const fs::directory_entry& item : fs::directory_iterator(folder, error)) {
    const int64_t number = number_of(item.path().filename().string());
    if (number > 0 && item.is_directory(error)) sources.emplace(number, item.path().string());
  }
  while (static_cast<int64_t>(sources.size()) > options_.versions) sources.erase(sources.begin());
  if (sources.empty()) sources.emplace(1, folder.string());
  return sources;
}

void ModelRepository::load(const std::string& name) {
  const std::lock_guard one_at_a_time(loading_);
  std::string source;
  {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(name);
    if (at != entries_.end()) {
      if (at->second.added) fail(ErrorCode::kUnsupported, name, ": a built-in model is not loaded");
      source = at->second.source;
    }
  }
  const std::map<int64_t, std::string> sources = sources_of(name, source);
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[name];
    if (entry.versions.empty()) {
      entry.state = ModelState::kLoading;
      entry.reason.clear();
    }
  }
  std::map<int64_t, ModelLease> fresh;
  try {
    for (const auto& [number, path] : sources) {
      const std::string version = cat(number);
      fresh.emplace(number, make(name, version, options_.load(name, path)));
    }
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[name];
    entry.reason = error.what();
    entry.failed = entry.versions.empty();
    if (entry.failed) entry.state = ModelState::kUnavailable;
    throw;
  }
  // `fresh` then holds the old versions, whose last requests keep them until they are answered.
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[name];
  entry.versions.swap(fresh);
  entry.state = ModelState::kReady;
  entry.reason.clear();
  entry.failed = false;
}

void ModelRepository::unload(const std::string& name) {
  const std::lock_guard one_at_a_time(loading_);
  std::map<int64_t, ModelLease> old;
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find(name);
  if (at == entries_.end()) refuse_unknown(name, "");
  old.swap(at->second.versions);
  for (auto& [number, version] : old) version->batcher().drain();
  at->second.state = ModelState::kUnavailable;
  at->second.reason = "unloaded";
  at->second.failed = false;
}

void ModelRepository::note(const std::string& name, const std::string& progress) {
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find(name);
  if (at == entries_.end() || at->second.state != ModelState::kLoading) return;
  at->second.reason = progress;
}

std::string ModelRepository::waiting_for() {
  if (ready()) return "";
  const std::lock_guard lock(mutex_);
  std::string text = "models are being loaded";
  for (const auto& [name, entry] : entries_) {
    if (entry.state == ModelState::kLoading && !entry.reason.empty()) {
      text += cat("; ", name, ": ", entry.reason);
    }
  }
  return text;
}

void ModelRepository::load_all() {
  std::vector<std::string> names;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : entries_) {
      if (!entry.added) names.push_back(name);
    }
    starting_ = true;
  }
  std::optional<Error> first;
  for (const std::string& name : names) {
    try {
      load(name);
    } catch (const std::exception& error) {
      const auto* const own = dynamic_cast<const Error*>(&error);
      const Error named(own == nullptr ? ErrorCode::kInternal : own->code(),
                        cat(name, ": ", error.what()));
      // The caller says the first: nothing is said twice.
      if (first) log(LogLevel::kError, named.what());
      if (!first) first = named;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    starting_ = false;
  }
  if (first) throw Error(*first);
}

bool ModelRepository::starting() {
  const std::lock_guard lock(mutex_);
  return starting_;
}

const std::string& ModelRepository::own_name(const std::string& name) const {
  const auto alias = options_.aliases.find(name);
  return alias == options_.aliases.end() || name == kAnyName ? name : alias->second;
}

std::string ModelRepository::fallback() const {
  const auto alias = options_.aliases.find(kAnyName);
  return alias == options_.aliases.end() ? "" : alias->second;
}

std::vector<std::string> ModelRepository::aliases_of(std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& [alias, own] : options_.aliases) {
    if (own == name && alias != kAnyName) names.push_back(alias);
  }
  return names;
}

ModelLease ModelRepository::find(const std::string& name, const std::string& version) {
  const std::lock_guard lock(mutex_);
  return find_locked(name, version);
}

ModelLease ModelRepository::find_locked(const std::string& name, const std::string& version) const {
  const auto at = entries_.find(own_name(name));
  if (at == entries_.end() || at->second.versions.empty()) return nullptr;
  if (version.empty()) return at->second.versions.rbegin()->second;
  const auto found = at->second.versions.find(number_of(version));
  return found == at->second.versions.end() ? nullptr : found->second;
}

ModelLease ModelRepository::lease(const std::string& name, const std::string& version) {
  const std::lock_guard lock(mutex_);
  if (ModelLease found = find_locked(name, version)) return found;
  const auto at = entries_.find(own_name(name));
  if (at == entries_.end() || !at->second.versions.empty()) refuse_unknown(name, version);
  const Entry& entry = at->second;
  fail(ErrorCode::kUnavailable, "Request for unknown model: '", name, "' is ",
       entry.state == ModelState::kLoading ? "loading" : "not loaded",
       entry.reason.empty() ? "" : ": ", entry.reason);
}

std::string ModelRepository::away(std::string_view name) {
  const std::string own = own_name(std::string(name));
  const std::lock_guard lock(mutex_);
  for (const auto& [key, entry] : entries_) {
    if (entry.versions.empty() && (key == own || (!name.empty() && entry.source == name))) {
      return key;
    }
  }
  return "";
}

std::vector<ModelLease> ModelRepository::loaded() {
  const std::lock_guard lock(mutex_);
  std::vector<ModelLease> newest;
  for (const auto& [name, entry] : entries_) {
    if (!entry.versions.empty()) newest.push_back(entry.versions.rbegin()->second);
  }
  return newest;
}

std::vector<ModelLease> ModelRepository::versions(const std::string& name) {
  const std::lock_guard lock(mutex_);
  std::vector<ModelLease> all;
  const auto at = entries_.find(own_name(name));
  if (at == entries_.end()) return all;
  for (const auto& [number, version] : at->second.versions) all.push_back(version);
  return all;
}

std::vector<IndexEntry> ModelRepository::index() {
  const std::lock_guard lock(mutex_);
  std::vector<IndexEntry> index;
  for (const auto& [name, entry] : entries_) {
    for (const auto& [number, version] : entry.versions) {
      index.push_back({name, cat(number), entry.state, entry.reason});
    }
    if (entry.versions.empty()) index.push_back({name, "", entry.state, entry.reason});
  }
  return index;
}

std::string ModelRepository::why_incomplete() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    if (entry.failed) return cat("model ", name, " could not be loaded: ", entry.reason);
  }
  return "";
}

bool ModelRepository::ready() {
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) return !options_.folder.empty();
  return std::none_of(entries_.begin(), entries_.end(),
                      [](const auto& item) { return item.second.state == ModelState::kLoading; });
}

}  // namespace tamis::serve
