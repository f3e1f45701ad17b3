#include "formats/pytorch/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/json.h"

namespace tamis {

namespace {

// Signatures and fixed sizes of the records, in the order they lie in a file.
constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr size_t kLocalHeaderBytes = 30;
constexpr uint32_t kDirectoryEntry = 0x02014b50;
constexpr size_t kDirectoryEntryBytes = 46;
constexpr uint32_t kZip64End = 0x06064b50;
constexpr size_t kZip64EndBytes = 56;
constexpr uint32_t kZip64Locator = 0x07064b50;
constexpr size_t kZip64LocatorBytes = 20;
constexpr uint32_t kEnd = 0x06054b50;
constexpr size_t kEndBytes = 22;

constexpr size_t kMaxComment = 65535;
constexpr uint16_t kZip64Extra = 1;
constexpr uint16_t kEncrypted = 1;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;

// One entry a tensor: real models have thousands.
constexpr uint64_t kMaxEntries = 1'000'000;
// Deflate packs weights by less than 2 and cannot pack anything by more than 1032.
constexpr size_t kMaxInflation = 16;
constexpr size_t kInflationSlack = size_t{1} << 20;

// True if [offset, offset + length) lies in a block of `size` bytes.
bool inside(uint64_t offset, uint64_t length, uint64_t size) {
  return offset <= size && length <= size - offset;
}

}  // namespace

struct ZipReader::Directory {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t entries = 0;
};

template <typename T>
T ZipReader::number(size_t offset) const {
  T value;
  std::memcpy(&value, bytes_.data() + offset, sizeof(T));
  return value;
}

ZipReader::ZipReader(std::span<const std::byte> bytes, std::string source,
                     std::shared_ptr<const void> keeper)
    : bytes_(bytes), source_(std::move(source)), keeper_(std::move(keeper)) {
  read_entries(find_directory());
}

// The record at the end is found by its signature, the last one whose comment reaches the end.
ZipReader::Directory ZipReader::find_directory() const {
  const size_t size = bytes_.size();
  if (size >= kEndBytes) {
    const size_t first = size - std::min(size, kEndBytes + kMaxComment);
    for (size_t at = size - kEndBytes + 1; at-- > first;) {
      if (number<uint32_t>(at) != kEnd) continue;
      if (at + kEndBytes + number<uint16_t>(at + 20) != size) continue;
      Directory directory;
      if (read_zip64(at, directory)) return directory;
      if (number<uint16_t>(at + 4) != 0 || number<uint16_t>(at + 6) != 0) {
        fail(ErrorCode::kUnsupported, source_, ": a zip archive in several parts; one is accepted");
      }
      directory.entries = number<uint16_t>(at + 10);
      directory.bytes = number<uint32_t>(at + 12);
      directory.offset = number<uint32_t>(at + 16);
      return directory;
    }
  }
  fail(ErrorCode::kCorruptData, source_,
       ": no end record of a zip archive; the file is truncated or not a zip archive");
}

bool ZipReader::read_zip64(size_t end_record, Directory& directory) const {
  if (end_record < kZip64LocatorBytes) return false;
  const size_t locator = end_record - kZip64LocatorBytes;
  if (number<uint32_t>(locator) != kZip64Locator) return false;
  const auto at = number<uint64_t>(locator + 8);
  if (!inside(at, kZip64EndBytes, bytes_.size()) || number<uint32_t>(at) != kZip64End) {
    fail(ErrorCode::kCorruptData, source_, ": zip64 end record at offset ", at, " is not there");
  }
  directory.entries = number<uint64_t>(at + 32);
  directory.bytes = number<uint64_t>(at + 40);
  directory.offset = number<uint64_t>(at + 48);
  return true;
}

void ZipReader::read_entries(const Directory& directory) {
  if (!inside(directory.offset, directory.bytes, bytes_.size())) {
    fail(ErrorCode::kCorruptData, source_, ": zip directory of ", directory.bytes,
         " bytes at offset ", directory.offset, " ends past the file's ", bytes_.size(), " bytes");
  }
  if (directory.entries > kMaxEntries) {
    fail(ErrorCode::kCorruptData, source_, ": zip directory of ", directory.entries,
         " entries; at most ", kMaxEntries, " are accepted");
  }
  size_t at = directory.offset;
  const size_t end = directory.offset + directory.bytes;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (!inside(at, kDirectoryEntryBytes, end) || number<uint32_t>(at) != kDirectoryEntry) {
      fail(ErrorCode::kCorruptData, source_, ": zip directory entry ", i, " of ", directory.entries,
           " at offset ", at, " is not there");
    }
    const size_t name = number<uint16_t>(at + 28);
    const size_t extra = number<uint16_t>(at + 30);
    const size_t comment = number<uint16_t>(at + 32);
    if (!inside(at, kDirectoryEntryBytes + name + extra + comment, end)) {
      fail(ErrorCode::kCorruptData, source_, ": zip directory entry ", i, " at offset ", at,
           " ends past the directory");
    }
    entries_.push_back(read_entry(at, bytes_.subspan(at + kDirectoryEntryBytes + name, extra)));
    at += kDirectoryEntryBytes + name + extra + comment;
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const ZipEntry& a, const ZipEntry& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(entries_.begin(), entries_.end(),
                         [](const ZipEntry& a, const ZipEntry& b) { return a.name == b.name; });
  if (twice != entries_.end()) {
    fail(ErrorCode::kCorruptData, source_, ": zip entry ", json_quote(twice->name),
         " is there twice");
  }
}

// `offset` lies at a whole directory entry.
ZipEntry ZipReader::read_entry(size_t offset, std::span<const std::byte> extra) const {
  ZipEntry entry;
  entry.name = {reinterpret_cast<const char*>(bytes_.data()) + offset + kDirectoryEntryBytes,
                number<uint16_t>(offset + 28)};
  if ((number<uint16_t>(offset + 8) & kEncrypted) != 0) {
    fail(ErrorCode::kUnsupported, source_, ": zip entry ", json_quote(entry.name),
         " is encrypted; only plain ones are accepted");
  }
  entry.method = number<uint16_t>(offset + 10);
  entry.crc32 = number<uint32_t>(offset + 16);
  entry.packed_bytes = number<uint32_t>(offset + 20);
  entry.bytes = number<uint32_t>(offset + 24);
  entry.header_offset = number<uint32_t>(offset + 42);
  // The zip64 field holds, in this order, those of the three that are all ones here.
  size_t* const wide[] = {&entry.bytes, &entry.packed_bytes, &entry.header_offset};
  for (size_t at = 0; at + 4 <= extra.size();) {
    uint16_t head[2];  // id, bytes
    std::memcpy(head, extra.data() + at, sizeof(head));
    at += sizeof(head);
    size_t left = std::min<size_t>(head[1], extra.size() - at);
    size_t field = at;
    for (size_t* const value : wide) {
      if (head[0] != kZip64Extra || *value != 0xffffffffu || left < 8) continue;
      std::memcpy(value, extra.data() + field, 8);
      field += 8;
      left -= 8;
    }
    at += head[1];
  }
  return entry;
}

const ZipEntry* ZipReader::find(std::string_view name) const {
  const auto found = std::lower_bound(
      entries_.begin(), entries_.end(), name,
      [](const ZipEntry& entry, std::string_view key) { return entry.name < key; });
  return found != entries_.end() && found->name == name ? &*found : nullptr;
}

ZipData ZipReader::read(const ZipEntry& entry) {
  const size_t at = entry.header_offset;
  if (!inside(at, kLocalHeaderBytes, bytes_.size()) || number<uint32_t>(at) != kLocalHeader) {
    fail(ErrorCode::kCorruptData, source_, ": zip entry ", json_quote(entry.name),
         ": no local header at offset ", at);
  }
  const size_t data =
      at + kLocalHeaderBytes + number<uint16_t>(at + 26) + number<uint16_t>(at + 28);
  if (!inside(data, entry.packed_bytes, bytes_.size())) {
    fail(ErrorCode::kCorruptData, source_, ": zip entry ", json_quote(entry.name), ": ",
         entry.packed_bytes, " bytes at offset ", data, " end past the file's ", bytes_.size(),
         " bytes");
  }
  const auto packed = bytes_.subspan(data, entry.packed_bytes);
  switch (entry.method) {
    case kStored:
      if (entry.packed_bytes != entry.bytes) {
        fail(ErrorCode::kCorruptData, source_, ": zip entry ", json_quote(entry.name),
             ": stored, but with two sizes, ", entry.packed_bytes, " and ", entry.bytes);
      }
      return {packed, keeper_};
    case kDeflated:
      return inflate_entry(entry, packed);
    default:
      fail(ErrorCode::kUnsupported, source_, ": zip entry ", json_quote(entry.name),
           " is packed with method ", entry.method, "; accepted are 0 (stored) and 8 (deflated)");
  }
}

ZipData ZipReader::inflate_entry(const ZipEntry& entry, std::span<const std::byte> packed) {
  const size_t limit = bytes_.size() * kMaxInflation + kInflationSlack;
  if (entry.bytes > limit - inflated_bytes_) {
    fail(ErrorCode::kCorruptData, source_, ": zip entry ", json_quote(entry.name), " unpacks to ",
         entry.bytes, " bytes; at most ", kMaxInflation, " times the file's ", bytes_.size(),
         " bytes are accepted");
  }
  inflated_bytes_ += entry.bytes;
  // One more byte than needed: zlib takes no null pointer for an empty output.
  auto out = std::make_shared<std::vector<std::byte>>(entry.bytes + 1);
  z_stream stream = {};
  // Negative: a raw deflate stream without zlib's header.
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    fail(ErrorCode::kOutOfMemory, source_, ": no memory to unpack ", json_quote(entry.name));
  }
  // zlib counts in 32 bits, entries in 64: feed both sides in pieces.
  size_t in_left = packed.size();
  size_t out_left = entry.bytes;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  stream.next_out = reinterpret_cast<Bytef*>(out->data());
  int status = Z_OK;
  constexpr size_t kPiece = size_t{1} << 30;
  while (status == Z_OK) {
    const auto in_piece = static_cast<uInt>(std::min(in_left, kPiece));
    const auto out_piece = static_cast<uInt>(std::min(out_left, kPiece));
    stream.avail_in = in_piece;
    stream.avail_out = out_piece;
    status = inflate(&stream, Z_NO_FLUSH);
    in_left -= in_piece - stream.avail_in;
    out_left -= out_piece - stream.avail_out;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || out_left != 0 ||
      crc32_z(0, reinterpret_cast<const Bytef*>(out->data()), entry.bytes) != entry.crc32) {
    fail(ErrorCode::kCorruptData, source_, ": zip entry ", json_quote(entry.name),
         " does not unpack to its size and checksum; the file is damaged");
  }
  return {std::span<const std::byte>(*out).first(entry.bytes), out};
}

}  // namespace tamis
