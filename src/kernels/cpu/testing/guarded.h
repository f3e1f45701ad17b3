// Memory for kernel tests: the page behind the last element cannot be touched.
//
// Is: for tests only. May use: nothing of the library.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <vector>

namespace tamis::kernels::testing {

/// `count` elements, zeroed, that end where an unreadable page begins. Not thread-safe.
template <typename T>
class Guarded {
 public:
  explicit Guarded(int64_t count) : count_(static_cast<size_t>(count)) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = (count_ * sizeof(T) + page - 1) / page * page;
    mapped_ = body + page;
    base_ = static_cast<char*>(
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + body, page, PROT_NONE) != 0) std::abort();
    data_ = reinterpret_cast<T*>(base_ + body - count_ * sizeof(T));
  }
  Guarded(const Guarded& other) : Guarded(static_cast<int64_t>(other.count_)) {
    if (count_ != 0) std::memcpy(data_, other.data_, count_ * sizeof(T));
  }
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, mapped_); }

  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] const T* data() const { return data_; }
  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(count_); }
  [[nodiscard]] T& operator[](int64_t i) { return data_[i]; }
  [[nodiscard]] const T& operator[](int64_t i) const { return data_[i]; }
  [[nodiscard]] std::span<T> span() { return {data_, count_}; }
  [[nodiscard]] std::span<const T> span() const { return {data_, count_}; }
  /// Equal bytes.
  [[nodiscard]] bool same_bits(const Guarded& other) const {
    return count_ == other.count_ &&
           (count_ == 0 || std::memcmp(data_, other.data_, count_ * sizeof(T)) == 0);
  }
  /// Equal bytes to those of `other` from element `from` on.
  [[nodiscard]] bool same_bits_as_part(const Guarded& other, int64_t from) const {
    return from + size() <= other.size() &&
           std::memcmp(data_, other.data_ + from, count_ * sizeof(T)) == 0;
  }

 private:
  size_t count_;
  size_t mapped_ = 0;
  char* base_ = nullptr;
  T* data_ = nullptr;
};

/// Guarded floats, uniform in [-limit, limit) from a fixed seed.
[[nodiscard]] inline Guarded<float> random_floats(int64_t count, float limit, uint32_t seed) {
  Guarded<float> values(count);
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-limit, limit);
  for (float& value : values.span()) value = uniform(generator);
  return values;
}

}  // namespace tamis::kernels::testing
