// The shared library of ONNX Runtime, opened while the program runs.
//
// Is: where it is looked for, whether it is one and new enough, its execution providers. Is not: a
// model. May use: base.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/onnxruntime/ort_api.h"

namespace tamis::engines::onnxruntime {

/// Thread-safe. Stays open to the end of the process, as its threads may.
class OrtLibrary {
 public:
  /// The library at `path`, else at $TAMIS_ORT, else what the loader finds; each is opened once.
  /// Throws Error: kNotFound (no such file, none found), kInvalidArgument (no ONNX Runtime),
  /// kUnsupported (older than 1.14).
  [[nodiscard]] static std::shared_ptr<const OrtLibrary> open(const std::filesystem::path& path);

  [[nodiscard]] const OrtApi& api() const { return api_; }
  [[nodiscard]] const OrtEnv* env() const { return env_; }
  [[nodiscard]] const std::string& version() const { return version_; }

  /// Throws Error{kUnsupported}: `what`, then the first line of the status's message. Releases it.
  void check(OrtStatus* status, std::string_view what) const;

  /// Names of its execution providers, as ONNX Runtime spells them.
  [[nodiscard]] std::vector<std::string> providers() const;

 private:
  explicit OrtLibrary(std::string name) : name_(std::move(name)) {}
  void read_functions(void* handle);

  std::string name_;
  std::string version_;
  OrtApi api_;
  OrtEnv* env_ = nullptr;
};

}  // namespace tamis::engines::onnxruntime
