// The C face's options as the C++ face's.
//
// Is: defaults, and the reading of structs that may come from a program built against an older
// header. Is not: checks of values (the C++ face makes them). May use: the public face.
#pragma once

#include <tamis/model.h>
#include <tamis/optimize.h>
#include <tamis/tamis.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace tamis::api {

/// The caller's struct, filled up with defaults behind its end; all defaults for NULL. Throws
/// Error{kInvalidArgument} for a size that no version of the struct has.
template <typename Options>
[[nodiscard]] Options read_options(const Options* given, void (*init)(Options*)) {
  Options options;
  init(&options);
  if (given == nullptr) return options;
  if (given->struct_size <= sizeof(size_t) || given->struct_size > 4096) {
    fail(ErrorCode::kInvalidArgument, "options: struct_size is ", given->struct_size,
         "; call the struct's _init function first");
  }
  std::memcpy(&options, given, std::min(given->struct_size, sizeof(Options)));
  options.struct_size = sizeof(Options);
  return options;
}

/// Throws Error{kInvalidArgument} naming `what`: a NULL that is said to hold something, or more
/// than memory has addresses for (a -1).
template <typename Item>
void check_array(const Item* array, size_t count, std::string_view what) {
  if (array == nullptr && count > 0) {
    fail(ErrorCode::kInvalidArgument, what, " is NULL, but ", count, " are announced");
  }
  if (count > PTRDIFF_MAX / sizeof(Item)) {
    fail(ErrorCode::kInvalidArgument, what, ": ", count, " are announced, which no memory holds");
  }
}

[[nodiscard]] std::string cpp_string(const tamis_string& text);
[[nodiscard]] std::vector<std::string> cpp_strings(const tamis_string* texts, size_t count);

[[nodiscard]] LoadOptions cpp_options(const tamis_load_options& options);
[[nodiscard]] EmbedOptions cpp_options(const tamis_embed_options& options);
[[nodiscard]] EmbedSparseOptions cpp_options(const tamis_embed_sparse_options& options);
[[nodiscard]] EmbedMultiOptions cpp_options(const tamis_embed_multi_options& options);
[[nodiscard]] EmbedAllOptions cpp_all_options(const tamis_embed_multi_options& options);
[[nodiscard]] ClassifyOptions cpp_options(const tamis_classify_options& options);
[[nodiscard]] ZeroShotOptions cpp_options(const tamis_zero_shot_options& options);
[[nodiscard]] RerankOptions cpp_options(const tamis_rerank_options& options);
[[nodiscard]] NerOptions cpp_options(const tamis_ner_options& options);
[[nodiscard]] QaOptions cpp_options(const tamis_qa_options& options);
[[nodiscard]] FillMaskOptions cpp_options(const tamis_fill_mask_options& options);
[[nodiscard]] OptimizeOptions cpp_options(const tamis_optimize_options& options);
[[nodiscard]] std::vector<TaskInput> cpp_inputs(const tamis_input* inputs, size_t count);

}  // namespace tamis::api
