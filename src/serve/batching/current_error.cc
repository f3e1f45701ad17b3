#include "serve/batching/current_error.h"

#include <exception>
#include <new>

namespace tamis::serve {

namespace {

const Error kOutOfMemory(ErrorCode::kOutOfMemory, "out of memory");

Error convert() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  } catch (const std::exception& error) {
    return {ErrorCode::kInternal, error.what()};
  } catch (...) {
    return {ErrorCode::kInternal, "an exception of an unknown kind"};
  }
}

}  // namespace

const Error& out_of_memory() noexcept { return kOutOfMemory; }

Error current_error() noexcept {
  try {
    return convert();
  } catch (...) {
    return kOutOfMemory;
  }
}

}  // namespace tamis::serve
