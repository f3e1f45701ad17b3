// A program outside the tree: it includes what is installed, links it, and catches its exception.
#include <tamis/error.h>

#include <cstdio>

int main() {
  try {
    throw tamis::Error(tamis::ErrorCode::kNotFound, "as expected");
  } catch (const tamis::Error& error) {
    std::printf("%s\n", error.what());
    return tamis::exit_status(error.code()) == 4 ? 0 : 1;
  }
}
