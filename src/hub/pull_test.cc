#include "hub/pull.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/file.h"
#include "base/sha256.h"
#include "hub/cache.h"
#include "hub/fake_hub_test.h"

namespace tamis::hub {
namespace {

namespace fs = std::filesystem;

// `git hash-object` of "{}".
const std::string kEmptyObject = "9e26dfeeb6e641a33dae4961196235bdb965b21b";

class PullTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tamis_pull_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    settings_.endpoint = kEndpoint;
    settings_.caches = {{root_, "HF_HUB_CACHE"}};
    settings_.token = "hf_secret";
    hub_.files["config.json"] = {"{}", kEmptyObject, false};
    hub_.files["README.md"] = {"# A page", std::string(40, '1'), false};
    weights_ = std::string(1000, 'w') + "end";
    hub_.files["model.safetensors"] = {weights_, sha(weights_), true};
  }
  void TearDown() override { fs::remove_all(root_); }

  [[nodiscard]] std::string sha(const std::string& text) const {
    const fs::path path = root_ / "hashed";
    write_file(path, text);
    std::string sha256 = hash_file(path).sha256;
    fs::remove(path);
    return sha256;
  }
  fs::path pull_it(const std::string& revision = "main") {
    return pull(
        {"acme/tiny", revision}, settings_, hub_,
        [this](std::chrono::milliseconds time) { waits_.push_back(time.count()); }, options_);
  }
  std::string refusal(ErrorCode code) {
    try {
      return "pulled to " + pull_it().string();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
  }
  void expect_refusal(ErrorCode code, const std::string& part) {
    const std::string message = refusal(code);
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find("hf_secret"), std::string::npos) << message;
  }
  // Every path below the cache, links with what they name.
  std::set<std::string> layout() const {
    std::set<std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (entry.is_directory() && !entry.is_symlink()) continue;
      std::string line = entry.path().lexically_relative(root_).string();
      if (entry.is_symlink()) line += " -> " + fs::read_symlink(entry.path()).string();
      all.insert(line);
    }
    return all;
  }
  fs::path folder() const { return root_ / "models--acme--tiny"; }
  fs::path incomplete() const { return folder() / "blobs" / (sha(weights_) + ".incomplete"); }
  int count(const std::string& part) const {
    return static_cast<int>(std::count_if(
        hub_.requests.begin(), hub_.requests.end(),
        [&](const HttpRequest& request) { return request.url.find(part) != std::string::npos; }));
  }
  // A fault of the weights' body, at the first `times` tries.
  void break_weights(int times, const FakeHub::Fault& fault) {
    hub_.fault = [fault, left = times](const HttpRequest& request, int) mutable {
      const bool hit = request.url.find("cdn.test") != std::string::npos && left-- > 0;
      return hit ? fault : FakeHub::Fault();
    };
  }

  fs::path root_;
  Settings settings_;
  FakeHub hub_;
  PullOptions options_;
  std::string weights_;
  std::vector<int64_t> waits_;
};

TEST_F(PullTest, LaysOutWhatHuggingfaceHubWould) {
  const fs::path snapshot = pull_it();
  const std::string model = "models--acme--tiny/";
  const std::string locks = ".locks/models--acme--tiny/";
  EXPECT_EQ(snapshot, folder() / "snapshots" / hub_.commit);
  EXPECT_EQ(
      layout(),
      (std::set<std::string>{
          "CACHEDIR.TAG", locks + kEmptyObject + ".lock", locks + sha(weights_) + ".lock",
          model + "blobs/" + kEmptyObject, model + "blobs/" + sha(weights_), model + "refs/main",
          model + "snapshots/" + hub_.commit + "/config.json -> ../../blobs/" + kEmptyObject,
          model + "snapshots/" + hub_.commit + "/model.safetensors -> ../../blobs/" +
              sha(weights_)}));
  EXPECT_EQ(read_file(folder() / "refs/main"), hub_.commit);
  EXPECT_EQ(read_file(snapshot / "model.safetensors"), weights_);
  EXPECT_TRUE(waits_.empty());
}

TEST_F(PullTest, FilesInFoldersHaveLongerLinks) {
  hub_.files["modules.json"] = {R"([{"path":""},{"path":"1_Pooling"}])", std::string("etag-1"),
                                false};
  hub_.files["1_Pooling/config.json"] = {"{}", kEmptyObject, false};
  const fs::path snapshot = pull_it();
  EXPECT_EQ(fs::read_symlink(snapshot / "1_Pooling/config.json"), "../../../blobs/" + kEmptyObject);
}

TEST_F(PullTest, TheTokenStaysWithTheHub) {
  (void)pull_it();
  for (const HttpRequest& request : hub_.requests) {
    EXPECT_EQ(FakeHub::has_token(request), request.url.starts_with(kEndpoint)) << request.url;
  }
  EXPECT_EQ(count("cdn.test"), 1);
}

TEST_F(PullTest, TheSecondTimeOnlyTheListingIsAsked) {
  (void)pull_it();
  hub_.requests.clear();
  (void)pull_it();
  EXPECT_EQ(count("/resolve/"), 0);
  EXPECT_EQ(count("/revision/main"), 1);
}

TEST_F(PullTest, ARevisionSharesBlobs) {
  (void)pull_it();
  hub_.requests.clear();
  hub_.commit = std::string(40, 'd');
  hub_.files["config.json"] = {"[]", "0637a088a01e8ddab3bf3fa98dbe804cbde1a0dc", false};
  (void)pull_it("refs/pr/1");
  EXPECT_EQ(count("refs%2Fpr%2F1"), 1);
  EXPECT_EQ(count("cdn.test"), 0);
  EXPECT_EQ(read_file(folder() / "refs/refs/pr/1"), hub_.commit);
  EXPECT_EQ(read_file(folder() / "snapshots" / hub_.commit / "config.json"), "[]");
}

TEST_F(PullTest, ABlobThatWasCutShortIsBroughtAgain) {
  const fs::path snapshot = pull_it();
  const fs::path blob = folder() / "blobs" / sha(weights_);
  fs::permissions(blob, fs::perms::owner_all);
  fs::resize_file(blob, weights_.size() / 2);
  fs::remove(snapshot / "model.safetensors");  // as of a revision that was not there yet
  (void)pull_it();
  EXPECT_EQ(read_file(snapshot / "model.safetensors"), weights_);
}

TEST_F(PullTest, ACommitIsNoRef) {
  (void)pull_it(hub_.commit);
  EXPECT_FALSE(fs::exists(folder() / "refs"));
  hub_.fault = nullptr;
  EXPECT_THROW((void)pull_it(std::string(40, 'e')), Error);
}

TEST_F(PullTest, TenCutsAndTheHashIsRight) {
  break_weights(10, FakeHub::cut(90));
  EXPECT_EQ(read_file(pull_it() / "model.safetensors"), weights_);
  EXPECT_EQ(count("cdn.test"), 11);
  EXPECT_FALSE(fs::exists(incomplete()));
}

TEST_F(PullTest, CutsThatBringNothingEndIt) {
  break_weights(100, FakeHub::cut(0));
  expect_refusal(ErrorCode::kUnavailable,
                 "acme/tiny@main: model.safetensors: cannot be downloaded");
  EXPECT_EQ(waits_, (std::vector<int64_t>{250, 500, 1000, 2000, 4000, 8000, 8000}));
}

TEST_F(PullTest, GoesOnFromWhatLiesThere) {
  fs::create_directories(incomplete().parent_path());
  write_file(incomplete(), weights_.substr(0, 600));
  EXPECT_EQ(read_file(pull_it() / "model.safetensors"), weights_);
  const auto& headers = hub_.requests.back().headers;
  EXPECT_NE(std::find(headers.begin(), headers.end(), "Range: bytes=600-"), headers.end());
}

TEST_F(PullTest, WhatLiesThereMayBeWrong) {
  for (const std::string& left :
       {std::string(600, 'x'), std::string(1003, 'x'), std::string(5000, 'x')}) {
    fs::remove_all(folder());
    fs::create_directories(incomplete().parent_path());
    write_file(incomplete(), left);
    EXPECT_EQ(read_file(pull_it() / "model.safetensors"), weights_);
  }
}

TEST_F(PullTest, AServerThatDoesNotResumeBeginsAnew) {
  hub_.resumes = false;
  break_weights(2, FakeHub::cut(500));
  EXPECT_EQ(read_file(pull_it() / "model.safetensors"), weights_);
}

TEST_F(PullTest, AWrongHashIsKeptNowhere) {
  hub_.files["model.safetensors"].bytes[3] = '!';
  expect_refusal(ErrorCode::kCorruptData, "but " + sha(weights_) + " was announced");
  EXPECT_FALSE(fs::exists(incomplete()));
  EXPECT_FALSE(fs::exists(folder() / "blobs" / sha(weights_)));
  EXPECT_FALSE(fs::exists(folder() / "refs/main"));
  fs::remove_all(folder());
  hub_.files["config.json"].bytes = "[]";
  expect_refusal(ErrorCode::kCorruptData, "config.json");
}

TEST_F(PullTest, ASizeThatIsNotWhatWasSaidIsAnError) {
  hub_.fault = [](const HttpRequest& request, int) {
    FakeHub::Fault fault;
    if (request.method == HttpMethod::kHead && request.url.ends_with("safetensors"))
      fault.headers["x-linked-size"] = "999";
    return fault;
  };
  expect_refusal(ErrorCode::kCorruptData, "more than the 999 bytes");
  EXPECT_FALSE(fs::exists(incomplete()));
}

// A mirror that holds a part alone: not asked for it again and again.
TEST_F(PullTest, AnObjectThatIsShorterThanAnnouncedEndsIt) {
  hub_.fault = [](const HttpRequest& request, int) {
    FakeHub::Fault fault;
    if (request.method == HttpMethod::kHead && request.url.ends_with("safetensors"))
      fault.headers["x-linked-size"] = "5000";
    return fault;
  };
  expect_refusal(ErrorCode::kCorruptData, cat("has ", weights_.size(), " of the 5000 bytes"));
  EXPECT_EQ(count("cdn.test"), 4);
  EXPECT_FALSE(fs::exists(incomplete()));
  hub_.requests.clear();
  hub_.resumes = false;
  expect_refusal(ErrorCode::kUnavailable, cat("the answer ended after ", weights_.size()));
  EXPECT_EQ(count("cdn.test"), 8);
}

struct RetryRow {
  int status;
  const char* retry_after;
  int64_t wait_ms;
};

TEST_F(PullTest, WaitsAsTheServerAsks) {
  const RetryRow rows[] = {{429, "7", 7000}, {429, "", 250},  {500, "", 250},
                           {503, "3", 3000}, {502, "9", 250}, {408, "", 250}};
  for (const RetryRow& row : rows) {
    fs::remove_all(folder());
    waits_.clear();
    hub_.requests.clear();
    hub_.fault = [&row](const HttpRequest&, int count) {
      FakeHub::Fault fault;
      if (count != 1 && count != 3) return fault;
      fault.status = row.status;
      if (*row.retry_after != '\0') fault.headers["retry-after"] = row.retry_after;
      return fault;
    };
    EXPECT_EQ(read_file(pull_it() / "config.json"), "{}");
    EXPECT_EQ(waits_, (std::vector<int64_t>{row.wait_ms, row.wait_ms})) << row.status;
  }
}

TEST_F(PullTest, DoesNotWaitForHours) {
  hub_.fault = [](const HttpRequest&, int) {
    FakeHub::Fault fault;
    fault.status = 429;
    fault.headers["retry-after"] = "7200";
    return fault;
  };
  expect_refusal(ErrorCode::kUnavailable, "answers 429, asking to wait 7200 s");
  EXPECT_TRUE(waits_.empty());
}

struct StatusRow {
  int status;
  const char* error_code;
  bool token;
  ErrorCode code;
  const char* says;
};

TEST_F(PullTest, RefusalsAreExplained) {
  const StatusRow rows[] = {
      {401, "", false, ErrorCode::kNotFound,
       "no such model, or a private one; no token was sent; set HF_TOKEN"},
      {401, "RepoNotFound", true, ErrorCode::kNotFound, "the token that was sent"},
      {401, "GatedRepo", false, ErrorCode::kUnavailable,
       "accepted at http://hub.test/acme/tiny; no token"},
      {403, "GatedRepo", true, ErrorCode::kUnavailable, "a gated model"},
      {403, "", true, ErrorCode::kUnavailable, "answers 403"},
      {404, "RepoNotFound", true, ErrorCode::kNotFound, "404: no such model"},
      {404, "RevisionNotFound", true, ErrorCode::kNotFound, "no revision main"},
      {400, "", true, ErrorCode::kUnavailable, "answers 400"},
  };
  for (const StatusRow& row : rows) {
    settings_.token = row.token ? "hf_secret" : "";
    hub_.fault = [&row](const HttpRequest&, int) {
      FakeHub::Fault fault;
      fault.status = row.status;
      fault.headers["x-error-code"] = row.error_code;
      return fault;
    };
    expect_refusal(row.code, row.says);
  }
  EXPECT_TRUE(waits_.empty());
}

TEST_F(PullTest, WhatNobodyAnswersIsNotWaitedForLong) {
  hub_.fault = [](const HttpRequest&, int) {
    FakeHub::Fault fault;
    fault.unreached = "Could not resolve host: hub.test";
    return fault;
  };
  expect_refusal(ErrorCode::kNotFound, "http://hub.test: Could not resolve host: hub.test");
  EXPECT_EQ(waits_.size(), 1U);
}

TEST_F(PullTest, RedirectsEnd) {
  hub_.fault = [](const HttpRequest& request, int) {
    FakeHub::Fault fault;
    if (request.url.find("/resolve/") == std::string::npos) return fault;
    fault.status = 307;
    fault.headers["location"] = "/acme/tiny/resolve/again";
    return fault;
  };
  expect_refusal(ErrorCode::kUnavailable, "over 10 redirects");
}

TEST_F(PullTest, AnEtagThatIsNoNameIsRefused) {
  hub_.files["config.json"].etag = "../../../x";
  expect_refusal(ErrorCode::kCorruptData, "no ETag");
}

TEST_F(PullTest, AnAnswerOfAnotherCommitIsRefused) {
  hub_.fault = [](const HttpRequest& request, int) {
    FakeHub::Fault fault;
    if (request.method == HttpMethod::kHead) fault.headers["x-repo-commit"] = std::string(40, 'f');
    return fault;
  };
  expect_refusal(ErrorCode::kCorruptData, "another commit");
}

TEST_F(PullTest, ProgressEndsAtTheTotal) {
  std::vector<PullProgress> seen;
  options_.progress = [&](const PullProgress& now) { seen.push_back(now); };
  (void)pull_it();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back().total_bytes, 1005);
  EXPECT_EQ(seen.back().done_bytes, 1005);
  for (size_t i = 1; i < seen.size(); ++i) EXPECT_GE(seen[i].done_bytes, seen[i - 1].done_bytes);
  EXPECT_EQ(seen.front().model, "acme/tiny@main");
}

TEST_F(PullTest, AListingTellsWhetherAllIsThere) {
  const ModelFolder cache(root_, "acme/tiny");
  const std::string oid(40, 'a');
  hub_.tree =
      cat(R"([{"type":"file","path":"config.json","size":2,"oid":")", oid,
          R"("},{"type":"file","path":"model.safetensors","size":1003,"oid":")", oid, R"("}])");
  const fs::path snapshot = pull_it();
  EXPECT_TRUE(cache.is_complete(hub_.commit, Parts::kModel));
  fs::remove(snapshot / "model.safetensors");
  EXPECT_FALSE(cache.is_complete(hub_.commit, Parts::kModel));
  EXPECT_TRUE(cache.is_complete(hub_.commit, Parts::kTokenizer));
}

TEST_F(PullTest, WithoutAListingPoolingMustBeKnown) {
  const ModelFolder cache(root_, "acme/tiny");
  hub_.files["vocab.txt"] = {"{}", kEmptyObject, false};
  const fs::path snapshot = pull_it();
  EXPECT_FALSE(cache.is_complete(hub_.commit, Parts::kModel));
  const fs::path asked = folder() / ".no_exist" / hub_.commit;
  fs::create_directories(asked);
  write_file(asked / "modules.json", "");
  EXPECT_TRUE(cache.is_complete(hub_.commit, Parts::kModel));
}

}  // namespace
}  // namespace tamis::hub
