// A model of the Hugging Face Hub by its id, as a folder of the local cache.
//
// Is: the cache first, then the network, unless it is forbidden. Is not: the model itself. May use:
// formats.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "hub/client.h"
#include "hub/model_files.h"
#include "hub/model_id.h"
#include "hub/settings.h"
#include "hub/transport.h"

namespace tamis::hub {

struct PullProgress {
  std::string model;        ///< "org/name@revision"
  std::string file;         ///< that which comes now
  int64_t done_bytes = 0;   ///< of all files that are needed and were not there
  int64_t total_bytes = 0;  ///< grows while the small files that name others come
  bool waiting = false;     ///< another process downloads this file
};

struct PullOptions {
  Parts parts = Parts::kModel;
  /// Called often, on the calling thread.
  std::function<void(const PullProgress&)> progress;
};

/// The snapshot of "org/name[@revision]" or "name[@revision]" in a cache, downloaded first if
/// something lacks. Throws Error: kNotFound (saying where it looked), kInvalidArgument (text that
/// is no id, a bad variable), kUnavailable (the network, no space, no permission), kCorruptData.
/// Thread-safe; processes and threads that want the same file wait for each other.
[[nodiscard]] std::filesystem::path locate(std::string_view model, const PullOptions& options = {});

/// Asks the Hub for the revision's newest commit and brings what lacks, whatever the cache holds.
[[nodiscard]] std::filesystem::path pull(std::string_view model, const PullOptions& options = {});

/// The same by a transport and a clock of one's own, into settings.caches[0].
[[nodiscard]] std::filesystem::path pull(const ModelId& model, const Settings& settings,
                                         Transport& transport, const Waiter& wait,
                                         const PullOptions& options);

}  // namespace tamis::hub
