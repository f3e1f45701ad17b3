// How many threads a user may ask for.
//
// Is: the bound of every option that takes them. Is not: how many there are (thread_pool.h). May
// use: nothing.
#pragma once

namespace tamis {

/// More than any machine has cores for: a larger number is a slip.
inline constexpr int kMostThreads = 1024;

}  // namespace tamis
