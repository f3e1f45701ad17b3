// Owners of ONNX Runtime's objects.
//
// Is: release at the end of a scope. Is not: thread-safe. May use: ort_library.
#pragma once

#include <memory>

#include "engines/onnxruntime/ort_library.h"

namespace tamis::engines::onnxruntime {

/// Owns an object of the library, which must outlive it.
template <typename T>
using OrtHandle = std::unique_ptr<T, void (*)(T*)>;

/// What `create` puts into its argument: create(T**) returns a status.
template <typename T, typename Create>
OrtHandle<T> make_handle(const OrtLibrary& library, void (*release)(T*), std::string_view what,
                         Create create) {
  T* made = nullptr;
  library.check(create(&made), what);
  return {made, release};
}

}  // namespace tamis::engines::onnxruntime
