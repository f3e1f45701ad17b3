// One file of the Hub into blobs/ETAG: locked, resumed, checked, then renamed.
//
// Is: what survives a cut connection, a killed process and a wrong byte. Is not: which files, nor
// links to them (pull). May use: base, client.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "hub/client.h"

namespace tamis::hub {

struct RemoteFile {
  std::string url;
  std::string etag;   ///< is_blob_name(): SHA-256 of an LFS file, git's SHA-1 of others
  int64_t size = -1;  ///< -1: the server does not say
};

struct BlobPlace {
  std::filesystem::path blob;
  std::filesystem::path lock;
};

/// Bytes of the file that lie here now; `waiting` while another process downloads it.
using BlobProgress = std::function<void(int64_t bytes, bool waiting)>;

/// Whether the blob lies there with the size that was announced; one that was cut short is none.
[[nodiscard]] bool has_blob(const std::filesystem::path& blob, const RemoteFile& file);

/// Leaves the blob in its place. A process that ends before leaves blobs/ETAG.incomplete, from
/// which the next goes on; one at a time holds the lock (flock, as huggingface_hub's). Throws
/// Error: kCorruptData (size or hash), kUnavailable (no space, the network), as Client does.
void fetch_blob(Client& client, const RemoteFile& file, const BlobPlace& place,
                const Subject& subject, const BlobProgress& progress);

}  // namespace tamis::hub
