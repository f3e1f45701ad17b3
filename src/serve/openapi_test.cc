#include "serve/openapi.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/json.h"
#include "serve/router.h"

namespace tamis::serve {
namespace {

// Names behind "#/components/schemas/" anywhere below.
void collect_references(JsonView view, std::set<std::string>& names) {
  constexpr std::string_view kPrefix = "#/components/schemas/";
  for (size_t i = 0; i < view.size(); ++i) {
    if (view.is_array()) {
      collect_references(view.at(i), names);
      continue;
    }
    const JsonView::Member member = view.member(i);
    if (member.key == "$ref") {
      const std::string_view name = member.value.as_string("$ref");
      EXPECT_TRUE(name.starts_with(kPrefix)) << name;
      names.insert(std::string(name.substr(kPrefix.size())));
    } else {
      collect_references(member.value, names);
    }
  }
}

TEST(OpenApi, DescribesEveryRoute) {
  for (const Route& route : routes()) {
    const Operation* const operation = find_operation(route.name);
    ASSERT_NE(operation, nullptr) << route.name << " has no row in openapi_operations.inc";
    EXPECT_FALSE(operation->summary.empty()) << route.name;
  }
  const JsonDocument document = JsonDocument::parse(openapi_json(), "openapi");
  const JsonView paths = document.root().get("paths");
  std::set<std::string> ids;
  size_t operations = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    const JsonView path = paths.member(i).value;
    for (size_t m = 0; m < path.size(); ++m) {
      ids.insert(std::string(path.member(m).value.get("operationId").as_string("id")));
      ++operations;
    }
  }
  EXPECT_EQ(operations, routes().size());
  EXPECT_EQ(ids.size(), routes().size()) << "operation ids must differ";
}

TEST(OpenApi, DescribesNothingThatIsNoRoute) {
  std::set<std::string_view> names;
  for (const Route& route : routes()) names.insert(route.name);
#define X(function, summary, request, answer) EXPECT_EQ(names.count(#function), 1U) << #function;
#include "serve/openapi_operations.inc"
#undef X
}

TEST(OpenApi, NamesOnlySchemasThatAreThere) {
  const JsonDocument document = JsonDocument::parse(openapi_json(), "openapi");
  std::set<std::string> used;
  collect_references(document.root(), used);
  const JsonView schemas = document.root().get("components").get("schemas");
  for (const std::string& name : used) EXPECT_TRUE(schemas.get(name).exists()) << name;
  for (size_t i = 0; i < schemas.size(); ++i) {
    const std::string_view name = schemas.member(i).key;
    EXPECT_EQ(used.count(std::string(name)), 1U) << name << " is used by nothing";
  }
}

}  // namespace
}  // namespace tamis::serve
