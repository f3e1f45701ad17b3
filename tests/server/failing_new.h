// An operator new that fails when it is told to.
//
// Is: the allocator of the test program that links failing_new.cc. Is not: of malloc, which other
// libraries use. May use: the standard library.
#pragma once

#include <cstdint>

namespace tamis::failing_new {

/// Whose allocations count.
enum class Of : uint8_t {
  kAll,      ///< of every thread but the exempt
  kOwnCode,  ///< as kAll, and asked for by this program's code, be it through the standard library:
             ///< not by gRPC's or protobuf's, in their libraries or headers
};

/// From now on the allocation number `n`, counted from 0, throws std::bad_alloc; with
/// `and_all_behind` all behind it, too.
void arm(int64_t n, Of of, bool and_all_behind = false);
void disarm();
/// Allocations that have failed since arm().
[[nodiscard]] int64_t failed();
/// This thread's allocations never fail.
void exempt_this_thread();

}  // namespace tamis::failing_new
