#include "hub/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/testing/environment.h"

namespace tamis::hub {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariables[] = {"HF_ENDPOINT",
                                      "HF_HOME",
                                      "HF_HUB_CACHE",
                                      "HUGGINGFACE_HUB_CACHE",
                                      "HF_TOKEN",
                                      "HF_TOKEN_PATH",
                                      "HUGGING_FACE_HUB_TOKEN",
                                      "HF_HUB_OFFLINE",
                                      "HOME",
                                      "XDG_CACHE_HOME",
                                      "TRANSFORMERS_OFFLINE",
                                      "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                      "HF_HUB_DOWNLOAD_TIMEOUT"};

/// An environment in which nothing is set but HOME, a temporary folder.
class SettingsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tamis_settings_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    set("HOME", root_.string());
  }
  void TearDown() override { fs::remove_all(root_); }
  static void set(const char* name, const std::string& value) {
    EnvironmentGuard::set(name, value);
  }

  fs::path root_;
  EnvironmentGuard environment_{kVariables};
};

TEST_F(SettingsTest, Defaults) {
  const Settings settings = read_settings();
  EXPECT_EQ(settings.endpoint, "https://huggingface.co");
  EXPECT_EQ(settings.caches.at(0).folder, root_ / ".cache/huggingface/hub");
  EXPECT_EQ(settings.token, "");
  EXPECT_EQ(settings.offline, "");
}

TEST_F(SettingsTest, EndpointsAreHttp) {
  set("HF_ENDPOINT", "http://127.0.0.1:99/mirror//");
  EXPECT_EQ(read_settings().endpoint, "http://127.0.0.1:99/mirror");
  for (const char* bad :
       {"huggingface.co", "ftp://h", "http://h/?q", "http://u:p@h", "http://h x"}) {
    set("HF_ENDPOINT", bad);
    EXPECT_THROW((void)read_settings(), Error) << bad;
  }
}

TEST_F(SettingsTest, TokensComeFromTheVariableThenTheFile) {
  fs::create_directories(root_ / ".cache/huggingface");
  write_file(root_ / ".cache/huggingface/token", "from_home\n");
  EXPECT_EQ(read_settings().token, "from_home");
  write_file(root_ / "elsewhere", " from_path \r\n");
  set("HF_TOKEN_PATH", "~/elsewhere");
  EXPECT_EQ(read_settings().token, "from_path");
  set("HF_TOKEN", "from_variable\n");
  EXPECT_EQ(read_settings().token, "from_variable");
  set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_EQ(read_settings().token, "");
}

TEST_F(SettingsTest, ATokenThatWouldBreakAHeaderIsRefusedUnseen) {
  set("HF_TOKEN", "secret\r\nX-Other: 1");
  try {
    (void)read_settings();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("HF_TOKEN"), std::string::npos);
  }
}

TEST_F(SettingsTest, OfflineIsWhatHuggingfaceHubCallsTrue) {
  for (const char* yes : {"1", "true", "Yes", "ON"}) {
    set("HF_HUB_OFFLINE", yes);
    EXPECT_EQ(read_settings().offline, "HF_HUB_OFFLINE");
  }
  for (const char* no : {"", "0", "false", "2"}) {
    set("HF_HUB_OFFLINE", no);
    EXPECT_EQ(read_settings().offline, "");
  }
  set("TRANSFORMERS_OFFLINE", "1");
  EXPECT_EQ(read_settings().offline, "TRANSFORMERS_OFFLINE");
}

TEST_F(SettingsTest, TimeoutsAreSeconds) {
  set("HF_HUB_DOWNLOAD_TIMEOUT", "30");
  EXPECT_EQ(read_settings().timeout_s, 30);
  for (const char* bad : {"0", "-1", "ten", "3s", "1000000"}) {
    set("HF_HUB_DOWNLOAD_TIMEOUT", bad);
    EXPECT_THROW((void)read_settings(), Error) << bad;
  }
}

}  // namespace
}  // namespace tamis::hub
