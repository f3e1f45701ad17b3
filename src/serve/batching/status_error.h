// An error that HTTP has a status of its own for, whatever the dialect.
//
// Is: 413, 415 and what the connection refuses. Is not: the table of error codes (dialect). May
// use: base.
#pragma once

#include <string>

#include "base/error.h"

namespace tamis::serve {

class StatusError : public Error {
 public:
  StatusError(int status, ErrorCode code, const std::string& message)
      : Error(code, message), status_(status) {}
  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  int status_;
};

}  // namespace tamis::serve
