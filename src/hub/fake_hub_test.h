// A Hub in memory, for tests: files of one commit, faults by script.
#pragma once

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "hub/transport.h"

namespace tamis::hub {

inline constexpr const char* kEndpoint = "http://hub.test";

struct FakeFile {
  std::string bytes;
  std::string etag;
  bool lfs = false;  ///< behind a redirect to another host
};

/// Serves what it holds; `fault` may change an answer, or cut a body after so many bytes.
class FakeHub final : public Transport {
 public:
  struct Fault {
    std::optional<int> status;
    std::map<std::string, std::string> headers;
    std::optional<size_t> cut_after;
    std::string unreached;
  };
  static Fault cut(size_t after) {
    Fault fault;
    fault.cut_after = after;
    return fault;
  }

  std::string commit = std::string(40, 'c');
  std::map<std::string, FakeFile> files;
  bool resumes = true;
  std::string tree;  ///< the answer of the listing with hashes; empty: 404
  std::function<Fault(const HttpRequest&, int count)> fault;
  std::vector<HttpRequest> requests;

  HttpAnswer send(const HttpRequest& request, const BodySink& body) override {
    requests.push_back(request);
    Fault planned;
    if (fault) planned = fault(request, static_cast<int>(requests.size()));
    HttpAnswer answer;
    if (!planned.unreached.empty()) {
      answer.failure = planned.unreached;
      return answer;
    }
    answer.connected = true;
    std::string text = route(request, answer);
    if (planned.status) {
      answer.status = *planned.status;
      text.clear();
    }
    for (const auto& [name, value] : planned.headers) answer.headers[name] = value;
    if (request.method == HttpMethod::kHead) return answer;
    const bool cut = planned.cut_after && *planned.cut_after < text.size();
    if (cut) text.resize(*planned.cut_after);
    for (size_t at = 0; at < text.size(); at += kPiece) {
      if (!body(answer, std::string_view(text).substr(at, kPiece))) {
        answer.failure = "stopped";
        return answer;
      }
    }
    if (cut) answer.failure = "the connection was cut";
    return answer;
  }

  static bool has_token(const HttpRequest& request) {
    return std::any_of(request.headers.begin(), request.headers.end(),
                       [](const std::string& line) { return line.starts_with("Authorization: "); });
  }

 private:
  static constexpr size_t kPiece = 7;

  static size_t offset_of(const HttpRequest& request) {
    size_t offset = 0;
    for (const std::string& line : request.headers) {
      if (!line.starts_with("Range: bytes=")) continue;
      std::from_chars(line.data() + 13, line.data() + line.size(), offset);
    }
    return offset;
  }

  std::string route(const HttpRequest& request, HttpAnswer& answer) {
    const std::string api = cat(kEndpoint, "/api/models/acme/tiny/");
    const std::string resolve = cat(kEndpoint, "/acme/tiny/resolve/", commit, "/");
    answer.status = 200;
    if (request.url.starts_with(api + "revision/")) return listing();
    if (request.url.starts_with(api + "tree/") && !tree.empty()) return tree;
    const bool at_cdn = request.url.starts_with("http://cdn.test/");
    const std::string name =
        request.url.substr(at_cdn ? 16 : std::min(resolve.size(), request.url.size()));
    const auto file = files.find(name);
    if (file == files.end() || (!at_cdn && !request.url.starts_with(resolve))) {
      answer.status = 404;
      return "no such page";
    }
    return at_cdn ? contents(file->second, request, answer) : resolved(*file, request, answer);
  }

  std::string resolved(const std::pair<const std::string, FakeFile>& file,
                       const HttpRequest& request, HttpAnswer& answer) const {
    answer.headers["x-repo-commit"] = commit;
    if (!file.second.lfs) {
      answer.headers["etag"] = "\"" + file.second.etag + "\"";
      return contents(file.second, request, answer);
    }
    answer.status = 302;
    answer.headers["location"] = "http://cdn.test/" + file.first;
    answer.headers["x-linked-etag"] = "\"" + file.second.etag + "\"";
    answer.headers["x-linked-size"] = cat(file.second.bytes.size());
    return "moved";
  }

  std::string contents(const FakeFile& file, const HttpRequest& request, HttpAnswer& answer) const {
    const size_t offset = resumes ? offset_of(request) : 0;
    if (offset > 0 && offset >= file.bytes.size()) {
      answer.status = 416;
      return {};
    }
    if (offset > 0) {
      answer.status = 206;
      answer.headers["content-range"] =
          cat("bytes ", offset, "-", file.bytes.size() - 1, "/", file.bytes.size());
    }
    answer.headers["content-length"] = cat(file.bytes.size() - offset);
    return file.bytes.substr(offset);
  }

  std::string listing() const {
    std::string names;
    for (const auto& [name, file] : files) {
      names += cat(names.empty() ? "" : ",", R"({"rfilename":")", name, R"("})");
    }
    return cat(R"({"sha":")", commit, R"(","siblings":[)", names, "]}");
  }
};

}  // namespace tamis::hub
