#include "model/model_path.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/testing/environment.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariables[] = {
    "HF_HUB_CACHE",   "HUGGINGFACE_HUB_CACHE", "HF_HOME",
    "XDG_CACHE_HOME", "TRANSFORMERS_CACHE",    "SENTENCE_TRANSFORMERS_HOME",
    "HOME",           "TAMIS_TEST_PLACE",      "HF_HUB_OFFLINE"};

/// A temporary folder, and an environment that names no cache; both as before afterwards.
class ModelPathTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tamis_cache_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    set("HOME", (root_ / "home").string());
    set("HF_HUB_OFFLINE", "1");
  }
  void TearDown() override { fs::remove_all(root_); }

  static void set(const char* name, const std::string& value) {
    EnvironmentGuard::set(name, value);
  }

  // A snapshot of "models--NAME" below a cache's folder.
  fs::path put(const fs::path& cache, const std::string& name) const {
    const fs::path folder = root_ / cache / ("models--" + name);
    const fs::path snapshot = folder / "snapshots/abc";
    fs::create_directories(folder / "refs");
    fs::create_directories(snapshot);
    write_file(folder / "refs/main", "abc\n");
    write_file(snapshot / "config.json", "{}");
    return snapshot;
  }

  static std::string refusal(std::string_view model) {
    try {
      return "found " + resolve_model(model).folder.string();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNotFound);
      return error.what();
    }
  }

  fs::path root_;
  EnvironmentGuard environment_{kVariables};
};

TEST_F(ModelPathTest, IdsWithAndWithoutAnOrganization) {
  const fs::path cache = "home/.cache/huggingface/hub";
  const fs::path two = put(cache, "acme--tiny");
  const fs::path one = put(cache, "tiny.uncased_v2-x");
  const fs::path sentence = put(cache, "sentence-transformers--mini");
  EXPECT_EQ(resolve_model("acme/tiny").folder, two);
  EXPECT_EQ(resolve_model("tiny.uncased_v2-x").folder, one);
  EXPECT_EQ(resolve_model("mini").folder, sentence);
  const fs::path own = put(cache, "mini");
  EXPECT_EQ(resolve_model("mini").folder, own);
}

struct VariableRow {
  const char* variable;
  const char* value;  // %: the temporary folder
  const char* cache;  // below it
};

TEST_F(ModelPathTest, EveryVariableThatNamesACache) {
  const VariableRow rows[] = {
      {"HF_HUB_CACHE", "%/a", "a"},
      {"HUGGINGFACE_HUB_CACHE", "%/b", "b"},
      {"HF_HOME", "%/c", "c/hub"},
      {"XDG_CACHE_HOME", "%/d", "d/huggingface/hub"},
      {"TRANSFORMERS_CACHE", "%/e", "e"},
      {"SENTENCE_TRANSFORMERS_HOME", "%/f", "f"},
      {"HF_HOME", "~/g", "home/g/hub"},
      {"HF_HUB_CACHE", "~", "home"},
      {"HUGGINGFACE_HUB_CACHE", "$TAMIS_TEST_PLACE/h", "place/h"},
      {"XDG_CACHE_HOME", "${TAMIS_TEST_PLACE}_i", "place_i/huggingface/hub"},
      {"HF_HUB_CACHE", "%/$TAMIS_TEST_NONE/j", "$TAMIS_TEST_NONE/j"},
      {"HF_HUB_CACHE", "%/a$", "a$"},
  };
  set("TAMIS_TEST_PLACE", (root_ / "place").string());
  for (const VariableRow& row : rows) {
    SCOPED_TRACE(std::string(row.variable) + "=" + row.value);
    std::string value = row.value;
    if (value.starts_with('%')) value.replace(0, 1, root_.string());
    set(row.variable, value);
    const fs::path snapshot = put(row.cache, "acme--tiny");
    EXPECT_EQ(resolve_model("acme/tiny").folder.lexically_normal(), snapshot.lexically_normal());
    fs::remove_all(snapshot.parent_path().parent_path());
    EXPECT_NE(refusal("acme/tiny").find(row.variable), std::string::npos);
    ::unsetenv(row.variable);
  }
}

TEST_F(ModelPathTest, TheFirstVariableDecides) {
  const fs::path first = put("a", "acme--tiny");
  const fs::path second = put("b/hub", "acme--tiny");
  set("HF_HOME", (root_ / "b").string());
  EXPECT_EQ(resolve_model("acme/tiny").folder, second);
  set("HF_HUB_CACHE", (root_ / "a").string());
  EXPECT_EQ(resolve_model("acme/tiny").folder, first);
  set("HF_HUB_CACHE", "");
  EXPECT_EQ(resolve_model("acme/tiny").folder, second);
}

TEST_F(ModelPathTest, SayWhereTheyLooked) {
  set("HF_HOME", "~/x");
  set("TRANSFORMERS_CACHE", (root_ / "t").string());
  const std::string home = (root_ / "home").string();
  EXPECT_EQ(refusal("acme/none"),
            cat("\"acme/none\": no such folder, and no snapshot of acme/none in the Hugging Face "
                "cache: looked in ",
                home, "/x/hub (from HF_HOME), ", root_.string(),
                "/t (from TRANSFORMERS_CACHE); nothing is downloaded, as HF_HUB_OFFLINE is set"));
  EXPECT_NE(refusal("none").find("no snapshot of none or sentence-transformers/none"),
            std::string::npos);
  for (const char* path :
       {"a/b/c", "/none", "./none", "none/", ".none", "a--b/c", "a b", "a/b c"}) {
    EXPECT_EQ(refusal(path), cat("\"", path, "\": no such folder"));
  }
}

TEST_F(ModelPathTest, SayWhatIsHalfThere) {
  set("HF_HUB_CACHE", root_.string());
  const fs::path snapshot = put(".", "acme--tiny");
  fs::remove_all(snapshot);
  EXPECT_NE(refusal("acme/tiny").find("snapshots/abc, which is not there"), std::string::npos);
  fs::remove_all(root_ / "models--acme--tiny/refs");
  EXPECT_NE(refusal("acme/tiny").find("has no refs/main"), std::string::npos);
}

TEST_F(ModelPathTest, AnAdapterAloneHasABase) {
  const fs::path base = put("home/.cache/huggingface/hub", "acme--tiny");
  const fs::path adapter = root_ / "adapter";
  fs::create_directories(adapter);
  const auto name = [&](const std::string& base_name) {
    write_file(adapter / "adapter_config.json",
               cat(R"({"peft_type":"LORA","base_model_name_or_path":")", base_name, R"("})"));
    return resolve_model(adapter.string());
  };
  EXPECT_EQ(name("acme/tiny").base, base);
  const ModelPath path = name(base.string());
  EXPECT_EQ(path.base, base);
  EXPECT_EQ(path.folder, adapter);
  EXPECT_EQ(tokenizer_folder(path, adapter), base);
  write_file(adapter / "tokenizer.json", "{}");
  EXPECT_EQ(tokenizer_folder(path, adapter), adapter);
  EXPECT_THROW(check_whole(path, "export"), Error);
  check_whole(resolve_model("acme/tiny"), "export");
  try {
    (void)name("acme/none");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find(adapter.string() + "/adapter_config.json: base_model"),
              0U);
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
  // Itself, for one.
  EXPECT_THROW((void)name(adapter.string()), Error);
}

TEST_F(ModelPathTest, NamesAModelByItsLastPart) {
  const fs::path folder = put("hub", "a--b");
  EXPECT_EQ(model_name(folder.string()), "abc");
  EXPECT_EQ(model_name(folder.string() + "//"), "abc");
  EXPECT_EQ(model_name(folder.string() + "/."), "abc");
  EXPECT_EQ(model_name((folder / "model.onnx").string()), "model.onnx");
  EXPECT_EQ(model_name("org/name"), "name");
  EXPECT_EQ(model_name("org/name@v1.0"), "name");
  EXPECT_EQ(model_name("name@main"), "name");
  // A path is none of the Hub's, whatever it holds.
  EXPECT_EQ(model_name("./name@main"), "name@main");
  EXPECT_EQ(model_name("."), fs::current_path().filename().string());
  EXPECT_EQ(model_name("./"), fs::current_path().filename().string());
  EXPECT_EQ(model_name(".."), fs::current_path().parent_path().filename().string());
}

}  // namespace
}  // namespace tamis::api
