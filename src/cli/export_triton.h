// tamis export --format triton: its flags, and what it says.
//
// Is: for cmd_export.cc. Is not: the writing (api/triton_repository.h). May use: api, options.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/triton_repository.h"
#include "cli/options.h"
#include "optimize/export_model.h"

namespace tamis::cli {

struct TritonFlags {
  std::optional<std::string> backend;
  std::optional<std::string> name;
  std::optional<std::string> device;
  std::optional<std::string> accelerator;
  bool response_cache = false;

  void add_to(Options& options);
  /// For the MODEL argument, with what is the same for all formats. Throws kInvalidArgument for a
  /// value that a flag does not take, or that does not go with the backend.
  [[nodiscard]] api::TritonOptions options(const std::string& model,
                                           const api::ExportModelOptions& common) const;
  /// Throws kInvalidArgument if a flag of these is given, as `format` has no use for it.
  void refuse_for(std::string_view format) const;
};

void print_triton(const api::TritonReport& report, bool as_json);

}  // namespace tamis::cli
