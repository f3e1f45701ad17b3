#include "serve/router.h"

#include <gtest/gtest.h>

namespace tamis::serve {
namespace {

struct Case {
  const char* method;
  const char* path;
  const char* pattern;  ///< empty: none
  const char* model;
  const char* version;
};

TEST(Router, FindsTheRow) {
  const Case cases[] = {
      {"POST", "/embed", "/embed", "", ""},
      {"GET", "/", "/", "", ""},
      {"HEAD", "/health", "/health", "", ""},
      {"POST", "/models/a", "/models/{model}", "a", ""},
      {"POST", "/models/org/name", "/models/{model}", "org/name", ""},
      {"GET", "/v1/models/org/name", "/v1/models/{model}", "org/name", ""},
      {"GET", "/v2/models/m", "/v2/models/{model}", "m", ""},
      {"GET", "/v2/models/stats", "/v2/models/stats", "", ""},
      {"GET", "/v2/models/org/name/ready", "/v2/models/{model}/ready", "org/name", ""},
      {"POST", "/v2/models/a/versions/3/infer", "/v2/models/{model}/versions/{version}/infer", "a",
       "3"},
      {"GET", "/v2/models/org/a b/versions/1/ready", "/v2/models/{model}/versions/{version}/ready",
       "org/a b", "1"},
      {"POST", "/v1/models/org/a:b:predict", "/v1/models/{model}:predict", "org/a:b", ""},
      {"POST", "/v1/models/:predict", "", "", ""},
      {"POST", "/models/a/embed", "/embed", "a", ""},
      {"POST", "/models/org/a/v1/embeddings", "/v1/embeddings", "org/a", ""},
      {"GET", "/models/a/infinity/health", "/infinity/health", "a", ""},
      {"POST", "/models/a/pipeline/ner", "/models/{model}/pipeline/{task}", "a", ""},
      // No route under the model "a/pipeline".
      {"POST", "/models/a/pipeline/classify", "/models/{model}/pipeline/{task}", "a", ""},
      {"POST", "/models/a/pipeline/embed", "/models/{model}/pipeline/{task}", "a", ""},
      {"POST", "/openai/deployments/org/a/embeddings",
       "/openai/deployments/{deployment}/embeddings", "org/a", ""},
      {"POST", "/v1/engines/a/embeddings", "/v1/engines/{deployment}/embeddings", "a", ""},
      {"POST", "/openai/deployments//embeddings", "", "", ""},
      {"GET", "/nothing", "", "", ""},
      {"GET", "/v2/models/", "", "", ""},
      {"POST", "/v2/models//infer", "", "", ""},
      {"GET", "health", "", "", ""},
      {"GET", "", "", "", ""},
  };
  for (const Case& item : cases) {
    const RouteMatch match = find_route(item.method, item.path);
    EXPECT_EQ(match.route == nullptr ? "" : match.route->pattern, item.pattern) << item.path;
    EXPECT_EQ(match.model, item.model) << item.path;
    EXPECT_EQ(match.version, item.version) << item.path;
  }
}

TEST(Router, TellsWhereTheModelStandsBeforeTheRoute) {
  EXPECT_TRUE(find_route("POST", "/models/a/embed").prefixed);
  EXPECT_FALSE(find_route("POST", "/models/a").prefixed);
  EXPECT_TRUE(find_route("POST", "/openai/deployments/a/embeddings").prefixed);
  EXPECT_TRUE(find_route("GET", "/models/a/embed").other_method);
}

TEST(Router, AModelsNameMayEndLikeAPath) {
  const auto is_model = [](std::string_view name) { return name == "org/embed"; };
  const RouteMatch whole = find_route("POST", "/models/org/embed", is_model);
  ASSERT_NE(whole.route, nullptr);
  EXPECT_EQ(whole.route->pattern, "/models/{model}");
  EXPECT_EQ(whole.model, "org/embed");
  EXPECT_FALSE(whole.prefixed);
  EXPECT_EQ(find_route("POST", "/models/org/embed/embed", is_model).model, "org/embed");
  EXPECT_EQ(find_route("POST", "/models/other/embed", is_model).model, "other");
}

TEST(Router, KnowsAPathOfAnotherMethod) {
  const RouteMatch match = find_route("GET", "/embed");
  EXPECT_EQ(match.route, nullptr);
  EXPECT_TRUE(match.other_method);
  EXPECT_FALSE(find_route("GET", "/nothing").other_method);
}

TEST(Router, AnUnknownPathIsRefusedInItsFamilysForm) {
  EXPECT_EQ(find_route("GET", "/v2/nothing").dialect, Dialect::kKserve);
  EXPECT_EQ(find_route("GET", "/v1/nothing").dialect, Dialect::kOpenAi);
  EXPECT_EQ(find_route("GET", "/nothing").dialect, Dialect::kTei);
}

}  // namespace
}  // namespace tamis::serve
