// The environment variables of a test.
#pragma once

#include <cstdlib>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace tamis {

/// Unsets variables; what they were before, they are again when it goes. One thread.
class EnvironmentGuard {
 public:
  explicit EnvironmentGuard(std::span<const char* const> names) {
    for (const char* const name : names) {
      const char* const value = std::getenv(name);
      before_[name] = value == nullptr ? std::optional<std::string>() : value;
      ::unsetenv(name);
    }
  }
  ~EnvironmentGuard() {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  EnvironmentGuard(const EnvironmentGuard&) = delete;
  EnvironmentGuard& operator=(const EnvironmentGuard&) = delete;

  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace tamis
