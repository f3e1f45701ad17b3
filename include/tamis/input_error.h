// Which of several inputs a call was refused for.
#pragma once

#include <tamis/error.h>

#include <cstddef>
#include <string>

namespace tamis {

/// An input that cannot be run or answered; without it the others can. what() begins with the
/// input's number where there are several; reason() does not.
class InputError : public Error {
 public:
  InputError(size_t input, size_t inputs, const Error& error)
      : Error(error.code(),
              inputs <= 1 ? error.what()
                          : "input " + std::to_string(input) + ", counted from 0: " + error.what()),
        input_(input),
        reason_(error.what()) {}
  /// Counted from 0.
  [[nodiscard]] size_t input() const { return input_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  size_t input_;
  std::string reason_;
};

}  // namespace tamis
