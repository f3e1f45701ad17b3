// Where tests find what is not committed, and how they say that it is not there.
//
// Is: the one place that knows TAMIS_MODEL and TAMIS_SHARED. Is not: for library code.
// May use: GoogleTest.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace tamis::test {

inline std::filesystem::path folder_from(const char* variable, const char* otherwise) {
  const char* set = std::getenv(variable);
  return set != nullptr && *set != '\0' ? set : otherwise;
}

/// The real MiniLM: $TAMIS_MODEL, or what `make model` fetched.
inline std::filesystem::path model_folder() {
  return folder_from("TAMIS_MODEL", TAMIS_SOURCE_FOLDER "/build/models/minilm");
}

/// Data sets and further models: $TAMIS_SHARED, or ../shared.
inline std::filesystem::path shared_folder() {
  return folder_from("TAMIS_SHARED", TAMIS_SOURCE_FOLDER "/../shared");
}

/// The shared library of ONNX Runtime: $TAMIS_ORT; empty: none.
inline std::filesystem::path ort_library() { return folder_from("TAMIS_ORT", ""); }

/// True on the machine that decides what lands: there a missing model fails instead of skipping.
inline bool in_ci() {
  const char* ci = std::getenv("CI");
  return ci != nullptr && std::string(ci) == "true";
}

}  // namespace tamis::test

/// Ends the test if the real MiniLM is absent: skipped, or failed with CI=true.
#define TAMIS_REQUIRE_MODEL()                                                            \
  do {                                                                                   \
    if (!std::filesystem::exists(tamis::test::model_folder() / "config.json")) {         \
      if (tamis::test::in_ci()) {                                                        \
        FAIL() << "no model at " << tamis::test::model_folder() << "; run `make model`"; \
      }                                                                                  \
      GTEST_SKIP() << "needs the model: run `make model` or set TAMIS_MODEL";            \
    }                                                                                    \
  } while (false)

/// Ends the test as skipped if no library of ONNX Runtime is named.
#define TAMIS_REQUIRE_ORT()                                                                \
  do {                                                                                     \
    if (tamis::test::ort_library().empty()) {                                              \
      GTEST_SKIP() << "needs ONNX Runtime: set TAMIS_ORT to its libonnxruntime.so.1.NN.N"; \
    }                                                                                      \
  } while (false)

/// Ends the test as skipped if this path under the shared folder is absent.
#define TAMIS_REQUIRE_SHARED(relative)                                                     \
  do {                                                                                     \
    if (!std::filesystem::exists(tamis::test::shared_folder() / (relative))) {             \
      GTEST_SKIP() << "needs " << (relative) << " in the shared folder: set TAMIS_SHARED"; \
    }                                                                                      \
  } while (false)
