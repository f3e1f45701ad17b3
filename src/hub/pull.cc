#include "hub/pull.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "hub/blob.h"
#include "hub/cache.h"
#include "hub/listing.h"
#include "hub/tree.h"
#include "hub/url.h"

namespace tamis::hub {

namespace fs = std::filesystem;

namespace {

// Pages of 1,000 files: more than any repository has.
constexpr int kMaxTreePages = 1000;

// `W/"etag"` or `"etag"`, as huggingface_hub reads it.
std::string plain_etag(const std::string& header) {
  const size_t begin = std::min(header.find_first_not_of("W/"), header.size());
  std::string etag = header.substr(begin);
  etag.erase(0, std::min(etag.find_first_not_of('"'), etag.size()));
  etag.erase(etag.find_last_not_of('"') + 1);
  return etag;
}

int64_t size_of(const HttpAnswer& answer) {
  std::string text = answer.header("x-linked-size");
  if (text.empty() && answer.status == 200) text = answer.header("content-length");
  int64_t size = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), size);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && size >= 0 ? size
                                                                                          : -1;
}

// The page that `<address>; rel="next"` names.
std::string next_page(const HttpAnswer& answer, const std::string& from) {
  const std::string link = answer.header("link");
  const size_t mark = link.find("rel=\"next\"");
  const size_t begin = mark == std::string::npos ? mark : link.rfind('<', mark);
  if (begin == std::string::npos) return "";
  const size_t end = link.find('>', begin);
  if (end == std::string::npos) return "";
  const std::string next = resolve_url(from, link.substr(begin + 1, end - begin - 1));
  return url_origin(next) == url_origin(from) ? next : "";
}

class Puller {
 public:
  Puller(const ModelId& model, const Settings& settings, Transport& transport, const Waiter& wait,
         const PullOptions& options)
      : model_(model),
        options_(options),
        client_(settings, transport, wait),
        folder_(settings.caches.at(0).folder, model.id),
        base_(cat(client_.endpoint(), "/", model.id)),
        name_(cat(model.id, "@", model.revision)) {
    progress_.model = name_;
  }

  fs::path run() {
    const Listing listing = list();
    commit_ = listing.commit;
    folder_.create(commit_);
    keep_tree();
    const std::set<std::string> chosen =
        choose_files(listing.files, options_.parts, name_, [this](const std::string& name) {
          fetch_all({name});
          return folder_.snapshot(commit_) / name;
        });
    fetch_all({chosen.begin(), chosen.end()});
    folder_.write_ref(model_.revision, commit_);
    return folder_.snapshot(commit_);
  }

 private:
  struct Wanted {
    std::string name;
    RemoteFile remote;
  };

  Subject subject(const std::string& file) const { return {model_.id, model_.revision, file}; }

  std::string api() const { return cat(client_.endpoint(), "/api/models/", model_.id); }

  Listing list() {
    const std::string url = cat(api(), "/revision/", url_quote(model_.revision, false));
    Listing listing = parse_listing(client_.get_text(url, kMaxListingBytes, subject("")), url);
    if (is_commit(model_.revision) && listing.commit != model_.revision) {
      fail(ErrorCode::kCorruptData, url, ": answers with another commit, ", listing.commit);
    }
    return listing;
  }

  // With it a snapshot is known to be whole without the network. A mirror may have no such listing.
  void keep_tree() {
    if (folder_.files_of(commit_)) return;
    Tree tree;
    std::string url = cat(api(), "/tree/", commit_, "?recursive=true&expand=false");
    try {
      for (int page = 0; !url.empty() && page < kMaxTreePages; ++page) {
        HttpAnswer answer;
        const std::string text = client_.get_text(url, kMaxListingBytes, subject(""), &answer);
        parse_tree_page(text, url, tree);
        url = next_page(answer, url);
      }
    } catch (const Error& error) {
      log(LogLevel::kDebug, cat(name_, ": no listing is kept: ", error.what()));
      return;
    }
    folder_.write_tree(commit_, tree_json(tree));
  }

  // What the Hub says of a file, before it is asked for.
  RemoteFile describe(const std::string& name) {
    RemoteFile remote;
    remote.url = cat(base_, "/resolve/", commit_, "/", url_quote(name, true));
    const HttpAnswer answer = client_.head(remote.url, subject(name));
    const std::string commit = answer.header("x-repo-commit");
    if (!commit.empty() && commit != commit_) {
      fail(ErrorCode::kCorruptData, remote.url, ": answers with another commit, ", commit);
    }
    const std::string linked = answer.header("x-linked-etag");
    remote.etag = plain_etag(linked.empty() ? answer.header("etag") : linked);
    remote.size = size_of(answer);
    if (!is_blob_name(remote.etag)) {
      fail(ErrorCode::kCorruptData, remote.url, ": no ETag by which the file could be checked; is ",
           client_.endpoint(), " a Hugging Face Hub?");
    }
    return remote;
  }

  void fetch_all(const std::vector<std::string>& names) {
    std::vector<Wanted> wanted;
    int64_t bytes = 0;
    for (const std::string& name : names) {
      std::error_code ignored;
      if (fs::exists(folder_.snapshot(commit_) / name, ignored)) continue;
      Wanted file{name, describe(name)};
      if (has_blob(folder_.blob(file.remote.etag), file.remote)) {
        folder_.write_pointer(commit_, name, file.remote.etag);
        continue;
      }
      bytes += std::max<int64_t>(file.remote.size, 0);
      wanted.push_back(std::move(file));
    }
    require_space(bytes);
    progress_.total_bytes += bytes;
    // Small ones first: what is wrong with them is known before the weights come.
    std::stable_sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
      return a.remote.size < b.remote.size;
    });
    for (const Wanted& file : wanted) fetch(file);
  }

  void fetch(const Wanted& file) {
    const int64_t before = progress_.done_bytes;
    progress_.file = file.name;
    const std::string& etag = file.remote.etag;
    fetch_blob(client_, file.remote, {folder_.blob(etag), folder_.lock(etag)}, subject(file.name),
               [&](int64_t bytes, bool waiting) {
                 progress_.done_bytes = before + bytes;
                 progress_.waiting = waiting;
                 if (options_.progress) options_.progress(progress_);
               });
    folder_.write_pointer(commit_, file.name, etag);
  }

  void require_space(int64_t bytes) const {
    struct statvfs space = {};
    if (bytes == 0 || ::statvfs(folder_.path().c_str(), &space) != 0) return;
    const auto free = static_cast<int64_t>(space.f_bavail) * static_cast<int64_t>(space.f_frsize);
    if (free >= bytes) return;
    fail(ErrorCode::kUnavailable, name_, ": no space in ", folder_.path().string(), ": ", bytes,
         " bytes are needed, ", free, " are free; HF_HUB_CACHE may name another place");
  }

  const ModelId& model_;
  const PullOptions& options_;
  Client client_;
  ModelFolder folder_;
  std::string base_;
  std::string name_;
  std::string commit_;
  PullProgress progress_;
};

void sleep(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

ModelId id_of(std::string_view text) {
  const auto model = parse_model_id(text);
  if (!model) {
    fail(ErrorCode::kInvalidArgument, "\"", text.substr(0, 400),
         "\": not the id of a model; accepted is org/name or name, and @revision behind it");
  }
  return *model;
}

// The ids that a name stands for: sentence-transformers puts its own organization before a name
// that has none.
std::vector<ModelId> ids_of(const ModelId& model) {
  std::vector<ModelId> ids = {model};
  if (model.id.find('/') == std::string::npos) {
    ids.push_back({"sentence-transformers/" + model.id, model.revision});
  }
  return ids;
}

// What the caches hold of a model.
struct Cached {
  fs::path complete;
  fs::path partial;
  ModelId partial_id;
  std::string looked;  ///< where, for a message
  std::string why;     ///< what is there instead
};

Cached look_up(const ModelId& model, const Settings& settings, Parts parts) {
  Cached found;
  for (const CachePlace& cache : settings.caches) {
    for (const ModelId& id : ids_of(model)) {
      const auto snapshot = cached_snapshot(cache, id, found.why);
      if (!snapshot) continue;
      const ModelFolder folder(cache.folder, id.id);
      if (folder.is_complete(snapshot->filename().string(), parts)) {
        found.complete = *snapshot;
        return found;
      }
      if (found.partial.empty()) {
        found.partial = *snapshot;
        found.partial_id = id;
      }
    }
    found.looked += cat(found.looked.empty() ? "" : ", ", cache.folder.string(),
                        cache.variable.empty() ? "" : cat(" (from ", cache.variable, ")"));
  }
  return found;
}

fs::path pull_first(const std::vector<ModelId>& ids, const Settings& settings,
                    const PullOptions& options) {
  const std::unique_ptr<Transport> transport = make_transport(settings.timeout_s);
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    try {
      return pull(ids[i], settings, *transport, sleep, options);
    } catch (const UnreachableError&) {
      throw;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;
    }
  }
  return pull(ids.back(), settings, *transport, sleep, options);
}

}  // namespace

fs::path pull(const ModelId& model, const Settings& settings, Transport& transport,
              const Waiter& wait, const PullOptions& options) {
  return Puller(model, settings, transport, wait, options).run();
}

fs::path pull(std::string_view text, const PullOptions& options) {
  const ModelId model = id_of(text);
  const Settings settings = read_settings();
  if (!settings.offline.empty()) {
    fail(ErrorCode::kUnavailable, "\"", text, "\": cannot be downloaded, as ", settings.offline,
         " is set");
  }
  return pull_first(ids_of(model), settings, options);
}

fs::path locate(std::string_view text, const PullOptions& options) {
  const ModelId model = id_of(text);
  const Settings settings = read_settings();
  const Cached cached = look_up(model, settings, options.parts);
  if (!cached.complete.empty()) return cached.complete;
  const bool partial = !cached.partial.empty();
  if (!settings.offline.empty()) {
    if (partial) return cached.partial;
    const std::vector<ModelId> ids = ids_of(model);
    fail(ErrorCode::kNotFound, "\"", text, "\": no such folder, and no snapshot of ", ids[0].id,
         ids.size() > 1 ? " or " + ids[1].id : "", " in the Hugging Face cache: looked in ",
         cached.looked, cached.why, "; nothing is downloaded, as ", settings.offline, " is set");
  }
  try {
    return pull_first(partial ? std::vector<ModelId>{cached.partial_id} : ids_of(model), settings,
                      options);
  } catch (const Error& error) {
    if (partial && error.code() != ErrorCode::kCorruptData) {
      log(LogLevel::kWarning, cat(cached.partial.string(),
                                  " is used as it lies there, as the Hub could not be asked what "
                                  "belongs to it: ",
                                  error.what()));
      return cached.partial;
    }
    if (error.code() != ErrorCode::kNotFound) throw;
    fail(ErrorCode::kNotFound, "\"", text, "\": no such folder, and no snapshot in ", cached.looked,
         cached.why, "; ", error.what());
  }
}

}  // namespace tamis::hub
