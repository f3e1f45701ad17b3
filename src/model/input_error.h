// Which of several inputs an error is about.
//
// Is: what LoadedModel::run() throws for an input that cannot be run or answered. Is not: for
// faults of the model as a whole. May use: base.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace tamis::api {

/// what() begins with the input's number where there are several; reason() does not.
class InputError : public Error {
 public:
  InputError(size_t input, size_t inputs, const Error& error)
      : Error(error.code(), inputs <= 1 ? error.what()
                                        : cat("input ", input, ", counted from 0: ", error.what())),
        input_(input),
        reason_(error.what()) {}
  /// Counted from 0.
  [[nodiscard]] size_t input() const { return input_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  size_t input_;
  std::string reason_;
};

}  // namespace tamis::api
