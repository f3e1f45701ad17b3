// Zip archives in memory: stored entries as views, deflated ones inflated within limits, zip64.
//
// Is: a reader of what torch.save writes. Is not: an extractor (no path ever reaches the file
// system); encryption, spanned archives and other methods are refused. May use: base.
// Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

struct ZipEntry {
  std::string_view name;
  uint16_t method = 0;  // 0 stored, 8 deflated
  uint32_t crc32 = 0;
  size_t packed_bytes = 0;
  size_t bytes = 0;
  size_t header_offset = 0;  // of the local header
};

/// An entry's contents and what keeps them alive.
struct ZipData {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> keeper;
};

/// Not thread-safe: it counts what has been inflated. `bytes` must outlive it; `keeper` keeps them
/// alive for the data it hands out.
class ZipReader {
 public:
  /// Reads the directory. Throws Error naming `source`: kCorruptData, kUnsupported.
  ZipReader(std::span<const std::byte> bytes, std::string source,
            std::shared_ptr<const void> keeper);

  /// In the order of their names.
  [[nodiscard]] std::span<const ZipEntry> entries() const { return entries_; }
  /// Null if there is none of that name.
  [[nodiscard]] const ZipEntry* find(std::string_view name) const;

  /// A stored entry is a view, and its checksum is not looked at (torch can be told not to write
  /// them). A deflated one is inflated and checked; all of them together may take 16 times the
  /// archive's size. Throws Error: kCorruptData, kUnsupported.
  [[nodiscard]] ZipData read(const ZipEntry& entry);

 private:
  struct Directory;
  [[nodiscard]] Directory find_directory() const;
  [[nodiscard]] bool read_zip64(size_t end_record, Directory& directory) const;
  void read_entries(const Directory& directory);
  [[nodiscard]] ZipEntry read_entry(size_t offset, std::span<const std::byte> extra) const;
  [[nodiscard]] ZipData inflate_entry(const ZipEntry& entry, std::span<const std::byte> packed);
  template <typename T>
  [[nodiscard]] T number(size_t offset) const;

  std::span<const std::byte> bytes_;
  std::string source_;
  std::shared_ptr<const void> keeper_;
  std::vector<ZipEntry> entries_;
  size_t inflated_bytes_ = 0;
};

}  // namespace tamis
