#include "serve/protocol/admin_guard.h"

#include <gtest/gtest.h>

namespace tamis::serve {
namespace {

ServerOptions explicit_control() {
  ServerOptions options;
  options.model_control = ModelControl::kExplicit;
  return options;
}

TEST(AdminGuard, IsOffUnlessToldOtherwise) {
  const AdminCaller caller{true, "localhost:8000"};
  const std::string refusal = admin_refusal(caller, ServerOptions());
  EXPECT_NE(refusal.find("--model-control explicit"), std::string::npos) << refusal;
  EXPECT_EQ(admin_refusal(caller, explicit_control()), "");
}

TEST(AdminGuard, AKeyOverridesAll) {
  AdminCaller caller{false, "evil.example", {{"Origin", "http://evil.example"}}};
  caller.key = {KeyAnswer::Verdict::kAllowed, "ops", true};
  EXPECT_EQ(admin_refusal(caller, ServerOptions()), "");
}

TEST(AdminGuard, AKeyWithoutTheRightMayNotEvenFromThisMachine) {
  AdminCaller caller{true, "localhost:8000"};
  caller.key = {KeyAnswer::Verdict::kAllowed, "search", false};
  const std::string refusal = admin_refusal(caller, explicit_control());
  EXPECT_NE(refusal.find("the key of search may not"), std::string::npos) << refusal;
}

TEST(AdminGuard, WithoutAKeyOnlyThisMachineMay) {
  EXPECT_NE(admin_refusal({false, "127.0.0.1:8000"}, explicit_control()), "");
}

TEST(AdminGuard, HostMustBeANameOfThisServer) {
  ServerOptions options = explicit_control();
  options.host = "models.lan";
  struct Case {
    const char* host;
    bool may;
  };
  const Case cases[] = {
      {"localhost", true},
      {"LocalHost:8000", true},
      {"127.0.0.1:8000", true},
      {"192.168.1.2:8000", true},
      {"[::1]:8000", true},
      {"[fe80::1]", true},
      {"models.lan:8000", true},
      {"evil.example", false},
      {"localhost.evil.example", false},
      {"127.0.0.1.nip.io", false},
      {"", false},
      {"[evil]:8000", false},
      {"0x7f.1", false},
  };
  for (const Case& item : cases) {
    EXPECT_EQ(admin_refusal({true, item.host}, options).empty(), item.may) << item.host;
  }
}

TEST(AdminGuard, NoHeaderMayShowAnotherOrigin) {
  struct Case {
    const char* name;
    const char* value;
    bool may;
  };
  const Case cases[] = {
      {"Origin", "http://localhost:8000", true},
      {"Origin", "http://LOCALHOST:8000", true},
      {"Origin", "https://localhost:8000", false},
      {"Origin", "http://localhost:3000", false},
      {"Origin", "null", false},
      {"origin", "http://evil.example", false},
      {"Sec-Fetch-Site", "same-origin", true},
      {"Sec-Fetch-Site", "none", true},
      {"Sec-Fetch-Site", "same-site", false},
      {"Sec-Fetch-Site", "cross-site", false},
      {"Forwarded", "for=127.0.0.1;host=localhost:8000;proto=http", true},
      {"Forwarded", "For=\"[::1]:4711\"", true},
      {"Forwarded", "for=127.0.0.1, for=10.0.0.7", false},
      {"Forwarded", "for=127.0.0.1;host=evil.example", false},
      {"Forwarded", "for=unknown", false},
      {"Forwarded", "secret=1", false},
      {"X-Forwarded-For", "127.0.0.1", true},
      {"X-Forwarded-For", "127.0.0.1, ::1", true},
      {"X-Forwarded-For", "10.1.2.3, 127.0.0.1", false},
      {"X-Forwarded-Host", "localhost:8000", true},
      {"X-Forwarded-Host", "evil.example", false},
      {"X-Forwarded-Proto", "http", true},
      {"X-Forwarded-Proto", "https", false},
      {"X-Forwarded-Port", "8000", true},
      {"X-Forwarded-Port", "443", false},
      {"X-Forwarded-Prefix", "/models", false},
      {"X-Real-IP", "10.1.2.3", false},
      {"User-Agent", "curl", true},
  };
  for (const Case& item : cases) {
    const AdminCaller caller{true, "localhost:8000", {{item.name, item.value}}};
    EXPECT_EQ(admin_refusal(caller, explicit_control()).empty(), item.may)
        << item.name << ": " << item.value;
  }
}

}  // namespace
}  // namespace tamis::serve
