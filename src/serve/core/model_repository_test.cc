#include "serve/core/model_repository.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "serve/batching/test_servable.h"
#include "serve/core/model_route.h"

namespace tamis::serve {
namespace {

namespace fs = std::filesystem;

class ModelRepositoryTest : public ::testing::Test {
 protected:
  ModelRepositoryTest() {
    std::string name = (fs::temp_directory_path() / "tamis_repository_XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~ModelRepositoryTest() override { fs::remove_all(folder_); }

  RepositoryOptions options() {
    RepositoryOptions options;
    options.folder = folder_;
    options.load = [this](const std::string&,
                          const std::string& source) -> std::unique_ptr<Servable> {
      loaded_.push_back(source.substr(std::min(source.size(), folder_.string().size() + 1)));
      if (broken_) fail(ErrorCode::kCorruptData, source, ": broken");
      return std::make_unique<TestServable>();
    };
    return options;
  }
  void make_folder(const std::string& name) { fs::create_directories(folder_ / name); }

  fs::path folder_;
  std::vector<std::string> loaded_;
  bool broken_ = false;
};

std::string thrown(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return cat(error_code_name(error.code()), ": ", std::string_view(error.what()));
  }
  return "nothing";
}

TEST_F(ModelRepositoryTest, LoadsTheNewestVersionOfEachFolder) {
  make_folder("a/1");
  make_folder("a/2");
  make_folder("a/10");
  make_folder("a/notes");
  make_folder("b");
  ModelRepository models(options());
  models.declare_folder();
  EXPECT_FALSE(models.ready());
  models.load_all();
  EXPECT_TRUE(models.ready());
  EXPECT_EQ(loaded_, (std::vector<std::string>{"a/10", "b"}));
  EXPECT_EQ(models.lease("a")->version(), "10");
  EXPECT_EQ(models.lease("b")->version(), "1");
  EXPECT_EQ(models.lease("a", "10")->version(), "10");
  EXPECT_EQ(thrown([&] { (void)models.lease("a", "2"); }),
            "kNotFound: Request for unknown model: 'a' version 2 is not found");
}

// Which model a request without a name means does not depend on which is loaded first.
TEST_F(ModelRepositoryTest, NamesAreNeededWhileOthersAreLoaded) {
  make_folder("a");
  make_folder("b");
  RepositoryOptions own = options();
  ModelRepository* all = nullptr;
  std::string unnamed;
  std::string named;
  own.load = [&](const std::string& name, const std::string&) -> std::unique_ptr<Servable> {
    if (name == "b") {
      unnamed = thrown([&] { (void)route_model(*all, "", "", {tasks::TaskKind::kEmbed}); });
      named = route_model(*all, "a", "", {tasks::TaskKind::kEmbed})->name();
      fail(ErrorCode::kCorruptData, "broken");
    }
    return std::make_unique<TestServable>();
  };
  ModelRepository models(std::move(own));
  all = &models;
  models.declare_folder();
  EXPECT_EQ(thrown([&] { models.load_all(); }), "kCorruptData: b: broken");
  EXPECT_EQ(unnamed, "kUnavailable: models are being loaded; until then name one as \"model\"");
  EXPECT_EQ(named, "a");
  EXPECT_EQ(route_model(models, "", "", {tasks::TaskKind::kEmbed})->name(), "a");
}

TEST_F(ModelRepositoryTest, SaysHowFarALoadIs) {
  make_folder("a");
  ModelRepository models(options());
  models.declare_folder();
  EXPECT_EQ(models.waiting_for(), "models are being loaded");
  models.note("a", "downloading 43 %");
  models.note("none", "x");
  EXPECT_EQ(models.waiting_for(), "models are being loaded; a: downloading 43 %");
  EXPECT_EQ(thrown([&] { (void)models.lease("a"); }),
            "kUnavailable: Request for unknown model: 'a' is loading: downloading 43 %");
  models.load_all();
  models.note("a", "downloading 44 %");
  EXPECT_EQ(models.waiting_for(), "");
  EXPECT_EQ(models.index().at(0).reason, "");
}

TEST_F(ModelRepositoryTest, KeepsSeveralVersionsIfTold) {
  for (const char* version : {"a/1", "a/2", "a/3"}) make_folder(version);
  RepositoryOptions several = options();
  several.versions = 2;
  ModelRepository models(several);
  models.load("a");
  EXPECT_EQ(models.versions("a").size(), 2U);
  EXPECT_EQ(models.lease("a")->version(), "3");
  EXPECT_EQ(models.lease("a", "2")->version(), "2");
}

TEST_F(ModelRepositoryTest, ALeaseOutlivesASwitchOfVersions) {
  make_folder("a/1");
  ModelRepository models(options());
  models.load("a");
  ModelLease old = models.lease("a");
  make_folder("a/2");
  models.load("a");
  EXPECT_EQ(models.lease("a")->version(), "2");
  EXPECT_EQ(old->version(), "1");
  // Given back: the destructor of the repository waits for it.
  old.reset();
}

TEST_F(ModelRepositoryTest, ABrokenLoadLeavesTheOldVersionServing) {
  make_folder("a/1");
  ModelRepository models(options());
  models.load("a");
  make_folder("a/2");
  broken_ = true;
  EXPECT_NE(thrown([&] { models.load("a"); }).find("broken"), std::string::npos);
  EXPECT_EQ(models.lease("a")->version(), "1");
  const auto index = models.index();
  ASSERT_EQ(index.size(), 1U);
  EXPECT_EQ(index[0].state, ModelState::kReady);
  EXPECT_NE(index[0].reason.find("broken"), std::string::npos);
}

TEST_F(ModelRepositoryTest, UnloadsAndLoadsAgain) {
  make_folder("a/1");
  ModelRepository models(options());
  models.load("a");
  models.unload("a");
  EXPECT_EQ(models.find("a"), nullptr);
  EXPECT_EQ(thrown([&] { (void)models.lease("a"); }),
            "kUnavailable: Request for unknown model: 'a' is not loaded: unloaded");
  EXPECT_EQ(models.index().at(0).state, ModelState::kUnavailable);
  models.load("a");
  EXPECT_EQ(models.lease("a")->version(), "1");
}

TEST_F(ModelRepositoryTest, NamesStayInsideTheFolder) {
  make_folder("a/1");
  ModelRepository models(options());
  for (const char* name : {"..", ".", "", "../a", "a/1", "/etc", ".hidden", "missing"}) {
    EXPECT_NE(thrown([&] { models.load(name); }).find("kNotFound"), std::string::npos) << name;
    EXPECT_NE(thrown([&] { models.unload(name); }).find("kNotFound"), std::string::npos) << name;
  }
  EXPECT_TRUE(loaded_.empty());
}

TEST_F(ModelRepositoryTest, TwoModelsCannotShareAName) {
  ModelRepository models(options());
  models.declare("a", "/x");
  EXPECT_NE(thrown([&] { models.declare("a", "/y"); }).find("two models are named a"),
            std::string::npos);
}

}  // namespace
}  // namespace tamis::serve
