#include "kernels/cuda/emulator/boxed_rows.h"

namespace tamis::cuda::emulator {

namespace {

constexpr uint64_t kMark = 0x54414d49534d4150;  // no map of a card, whatever that looks like
constexpr uint64_t kChunkBytes = 16;
constexpr uint32_t kSwizzledBytes = 128;
constexpr uint32_t kMostBoxSize = 256;

bool is_whole(uint64_t bytes) { return bytes % kChunkBytes == 0; }

}  // namespace

std::optional<TensorMap> make_map(const BoxedRows& rows) {
  const auto address = reinterpret_cast<uint64_t>(rows.data);
  const bool box_fits = rows.box_rows > 0 && rows.box_rows <= kMostBoxSize && rows.box_bytes > 0 &&
                        rows.box_bytes <= kMostBoxSize && is_whole(rows.box_bytes);
  if (address == 0 || rows.rows == 0 || rows.row_bytes == 0 || !is_whole(address) ||
      !is_whole(rows.stride) || rows.stride < rows.row_bytes || !box_fits ||
      (rows.swizzled && rows.box_bytes != kSwizzledBytes)) {
    return std::nullopt;
  }
  TensorMap map;
  map.words[0] = address;
  map.words[1] = rows.row_bytes;
  map.words[2] = rows.rows;
  map.words[3] = rows.stride;
  map.words[4] = rows.box_bytes;
  map.words[5] = rows.box_rows;
  map.words[6] = rows.swizzled ? 1 : 0;
  map.words[15] = kMark;
  return map;
}

std::optional<BoxedRows> read_map(const TensorMap& map) {
  if (map.words[15] != kMark) return std::nullopt;
  BoxedRows rows;
  rows.data = reinterpret_cast<const unsigned char*>(map.words[0]);  // NOLINT: a number by design
  rows.row_bytes = map.words[1];
  rows.rows = map.words[2];
  rows.stride = map.words[3];
  rows.box_bytes = static_cast<uint32_t>(map.words[4]);
  rows.box_rows = static_cast<uint32_t>(map.words[5]);
  rows.swizzled = map.words[6] != 0;
  return rows;
}

}  // namespace tamis::cuda::emulator
