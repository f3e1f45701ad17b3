// The models that the server knows by name: which versions are loaded, loading and unloading.
//
// Is: names, versions, states; swaps versions under traffic. Is not: requests (core). May use:
// model_version.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "serve/core/model_version.h"

namespace tamis::serve {

enum class ModelState : uint8_t { kLoading, kReady, kUnloading, kUnavailable };
/// "LOADING", "READY", "UNLOADING", "UNAVAILABLE".
[[nodiscard]] std::string_view model_state_name(ModelState state);

struct IndexEntry {
  std::string name;
  std::string version;  ///< empty: none is known
  ModelState state = ModelState::kUnavailable;
  std::string reason;
};

struct RepositoryOptions {
  /// How a model of that name is made of its MODEL argument; load_servable() unless a test replaces
  /// it.
  std::function<std::unique_ptr<Servable>(const std::string& name, const std::string& model)> load;
  BatcherOptions batcher;
  /// Share of the cores by name; 1 for the others.
  std::map<std::string, double> weights;
  /// A folder with a folder a model; empty: none.
  std::filesystem::path folder;
  /// How many of a model's numbered versions are loaded, newest first.
  int64_t versions = 1;
  /// Other names of models, to their own. "*" stands for every name that no model has.
  std::map<std::string, std::string> aliases;
};

/// Ends versions on a thread of its own: whoever lets go of the last lease may be the version's
/// thread, which cannot end itself. Thread-safe.
class ModelReaper {
 public:
  ModelReaper();
  /// Ends what it has taken.
  ~ModelReaper();
  ModelReaper(const ModelReaper&) = delete;
  ModelReaper& operator=(const ModelReaper&) = delete;

  /// From now on so many more can be taken without memory being needed. Throws std::bad_alloc.
  void make_room(int64_t versions);
  void take(ModelVersion* version) noexcept;

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ModelVersion*> doomed_;
  bool stop_ = false;
  std::thread thread_;  ///< the last: it uses the others
};

/// Thread-safe.
class ModelRepository {
 public:
  explicit ModelRepository(RepositoryOptions options);
  /// Waits until every lease is given back.
  ~ModelRepository();
  ModelRepository(const ModelRepository&) = delete;
  ModelRepository& operator=(const ModelRepository&) = delete;

  /// Names a model outside the folder; load() reads it from `source`.
  void declare(const std::string& name, const std::string& source);
  /// Names one that is already made; it cannot be loaded again.
  void add(const std::string& name, std::unique_ptr<Servable> model);
  /// Declares every model of the folder. Throws kNotFound if there is no such folder.
  void declare_folder();

  /// Loads the model's newest versions, or loads them anew; requests go to the old ones until the
  /// new are ready, and what they have taken they finish. Throws Error: kNotFound, kInvalidArgument
  /// (a name that is no name), and as loading does: what was loaded then stays.
  void load(const std::string& name);
  /// Takes the model out; what it has taken it finishes. Throws kNotFound.
  void unload(const std::string& name);
  /// Says how the first load of a model goes on, for those that wait for it: "downloading 43 %".
  void note(const std::string& name, const std::string& progress);
  /// What ready() still waits for: "models are being loaded", with the notes; empty if ready().
  [[nodiscard]] std::string waiting_for();
  /// Loads all that is declared; the first error, after all were tried.
  void load_all();
  /// Whether load_all() is at work, so that what the others can do is not known yet.
  [[nodiscard]] bool starting();

  /// The version, or the newest ready one for an empty `version`, by the model's name or an alias.
  /// Throws kNotFound: "Request for unknown model: ..."; kUnavailable if it is known and not
  /// loaded.
  [[nodiscard]] ModelLease lease(const std::string& name, const std::string& version = "");
  /// As lease(), null for what lease() throws for.
  [[nodiscard]] ModelLease find(const std::string& name, const std::string& version = "");
  /// The model of that name or MODEL argument that is known and not loaded, for which lease()
  /// throws kUnavailable; empty if there is none.
  [[nodiscard]] std::string away(std::string_view name);
  /// The model that the alias "*" means; empty if there is no such alias.
  [[nodiscard]] std::string fallback() const;
  /// The other names of a model, "*" left out.
  [[nodiscard]] std::vector<std::string> aliases_of(std::string_view name) const;
  /// The newest versions of all that are loaded, by name.
  [[nodiscard]] std::vector<ModelLease> loaded();
  /// All loaded versions of a model, oldest first.
  [[nodiscard]] std::vector<ModelLease> versions(const std::string& name);
  [[nodiscard]] std::vector<IndexEntry> index();
  /// True if something is loaded and nothing is still to be loaded for the first time.
  [[nodiscard]] bool ready();
  /// Which model could not be loaded and has no older version either, and why; empty: none.
  [[nodiscard]] std::string why_incomplete();
  /// Runs what waits in every queue, whatever hold_jobs says.
  void drain();

 private:
  [[nodiscard]] const std::string& own_name(const std::string& name) const;

  struct Entry {
    std::string source;  ///< empty: in the folder
    bool added = false;  ///< made elsewhere
    ModelState state = ModelState::kLoading;
    std::string reason;
    bool failed = false;  ///< the last load() did, and nothing is loaded
    /// By number, rising.
    std::map<int64_t, ModelLease> versions;
  };

  [[nodiscard]] ModelLease make(const std::string& name, const std::string& version,
                                std::unique_ptr<Servable> model);
  [[nodiscard]] std::map<int64_t, std::string> sources_of(const std::string& name,
                                                          const std::string& source) const;
  void gone();
  [[nodiscard]] ModelLease find_locked(const std::string& name, const std::string& version) const;

  RepositoryOptions options_;
  CoreShare share_;
  std::mutex loading_;  ///< one load or unload at a time
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;
  int64_t live_ = 0;
  bool starting_ = false;
  ModelReaper reaper_;
};

}  // namespace tamis::serve
