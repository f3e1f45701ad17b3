// A server of all the checkpoints that there are: loading one runs a first batch of ids that are no
// text's.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>

#include "serve/server.h"
#include "serve/test_client.h"

namespace tamis::serve {
namespace {

namespace fs = std::filesystem;

TEST(EveryCheckpoint, IsServed) {
  ServerOptions options;
  options.port = 0;
  options.grpc_port = -1;
  options.tokenizer_threads = 1;
  // Folders and what sets their models' names apart.
  const std::pair<const char*, std::string> parents[] = {
      {"models", ""},    {"models/variants", ""}, {"sentence-transformers", ""},
      {"retrieval", ""}, {"static", "static-"},   {"setfit", "setfit-"}};
  for (const auto& [parent, prefix] : parents) {
    for (const auto& entry : fs::directory_iterator(fs::path(TAMIS_TESTDATA) / parent)) {
      const fs::path& folder = entry.path();
      if (!fs::exists(folder / "config.json") && !fs::exists(folder / "modules.json")) continue;
      options.models.push_back({prefix + folder.filename().string(), folder.string()});
    }
  }
  EXPECT_GE(options.models.size(), 200u);
  Server server(options);
  ASSERT_NO_THROW(server.load());
  EXPECT_EQ(TestClient(server.http_port()).request("GET", "/v2/health/ready").status, 200);
  // Of a model that answers from the state of the token that ends a text.
  const TestAnswer answer =
      TestClient(server.http_port())
          .request("POST", "/models/bart-sequence-classification/predict", R"({"inputs":"a"})");
  EXPECT_EQ(answer.status, 200) << answer.body;
}

}  // namespace
}  // namespace tamis::serve
