// ONNX Runtime's C API, as much of it as is called.
//
// Is: functions by their places in a table, and the numbers that they take. Is not: ONNX Runtime,
// of which nothing is needed to build. May use: nothing.
// Source: https://github.com/microsoft/onnxruntime, onnxruntime_c_api.h, "Rules on how to add a new
// Ort API version": members never move, so that older programs run with newer libraries.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tamis::engines::onnxruntime {

struct OrtAllocator;
struct OrtCudaOptions;
struct OrtEnv;
struct OrtMemoryInfo;
struct OrtSession;
struct OrtSessionOptions;
struct OrtStatus;  // null: no error
struct OrtTensorInfo;
struct OrtTensorRtOptions;
struct OrtTypeInfo;
struct OrtValue;

/// What the library is asked for; of ONNX Runtime 1.14.
inline constexpr uint32_t kOrtApiVersion = 14;
inline constexpr int kLeastOrtMinor = 14;

inline constexpr int kLogErrors = 3;
inline constexpr int kOptimizeAll = 99;
inline constexpr int kDeviceAllocator = 0;
inline constexpr int kDefaultMemory = 0;

/// Element types, ONNX's numbers.
enum OrtElement : int { kOrtFloat = 1, kOrtInt32 = 6, kOrtInt64 = 7, kOrtHalf = 10 };

struct OrtApi {
// NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration
#define X(place, name, result, parameters) result(*name) parameters = nullptr;
#include "engines/onnxruntime/ort_functions.inc"
#undef X
};

/// What the library's one symbol, OrtGetApiBase, gives.
struct OrtApiBase {
  /// A table of functions; null for a version above the library's own.
  const void* (*get_api)(uint32_t version);
  const char* (*get_version)();
};

/// The functions of a table of version kOrtApiVersion.
[[nodiscard]] OrtApi functions_of(const void* table);

}  // namespace tamis::engines::onnxruntime
