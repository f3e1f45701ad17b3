// A block's shared memory, and who touched which bytes since which barrier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cuda/emulator/clock.h"

namespace tamis::cuda::emulator {

/// When and by whom an access was made.
struct Access {
  uint32_t epoch = 0;  ///< block barriers before it, and 1
  uint32_t sync = 0;   ///< warp barriers of its warp before it
  int thread = -1;
  int warp = -1;
  uint32_t moment = 0;  ///< of its warp's clock
};

class SharedMemory {
 public:
  explicit SharedMemory(size_t bytes, bool check);

  /// Bytes at an offset, or a Fault's text in `fault`.
  [[nodiscard]] unsigned char* at(uint32_t address, uint32_t bytes, const char** fault);
  /// Notes an access; a Fault's text if it races with another or reads what nothing wrote, "" else.
  /// `clock`, of its warp, says what mbarriers ordered before it; null: barriers alone do.
  [[nodiscard]] const char* note(uint32_t address, uint32_t bytes, bool write, const Access& access,
                                 const Clock* clock);
  /// Bytes that no thread wrote are there: ordered before whatever comes.
  void note_landed(uint32_t address, uint32_t bytes);
  /// The byte and the other thread of the last fault that note() gave.
  [[nodiscard]] uint32_t fault_byte() const { return fault_byte_; }
  [[nodiscard]] int fault_thread() const { return fault_thread_; }
  /// For the next block.
  void clear();

 private:
  /// Of each two bytes.
  struct Shadow {
    Access write;
    Access read;
    bool written = false;
    bool read_by_many = false;
    bool read_by_many_warps = false;
  };

  [[nodiscard]] const char* note_unit(Shadow& unit, bool write, const Access& access,
                                      const Clock* clock);
  static void remember_read(Shadow& unit, const Access& access);

  std::vector<unsigned char> memory_;
  std::vector<Shadow> shadow_;
  uint32_t fault_byte_ = 0;
  int fault_thread_ = -1;
};

}  // namespace tamis::cuda::emulator
