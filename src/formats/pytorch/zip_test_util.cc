#include "formats/pytorch/zip_test_util.h"

#include <zlib.h>

#include "formats/test_util.h"

namespace tamis {

std::string deflated(const std::string& text) {
  std::string out(compressBound(text.size()) + 64, '\0');
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zip_bytes(const std::vector<ZipPart>& parts, std::string_view comment) {
  std::string file;
  std::string directory;
  for (const ZipPart& part : parts) {
    const std::string& packed = part.packed.empty() ? part.contents : part.packed;
    const uint32_t bytes =
        part.claimed_bytes != 0 ? part.claimed_bytes : static_cast<uint32_t>(part.contents.size());
    const auto checksum = static_cast<uint32_t>(
        crc32_z(0, reinterpret_cast<const Bytef*>(part.contents.data()), part.contents.size()));
    const std::string sizes =
        little_endian(checksum) + little_endian(static_cast<uint32_t>(packed.size())) +
        little_endian(bytes) + little_endian(static_cast<uint16_t>(part.name.size()));
    const std::string head = little_endian(uint16_t{20}) + little_endian(part.flags) +
                             little_endian(part.method) + std::string(4, '\0') + sizes;
    directory += "PK\x01\x02" + little_endian(uint16_t{20}) + head +
                 little_endian(static_cast<uint16_t>(part.extra.size())) + std::string(10, '\0') +
                 little_endian(static_cast<uint32_t>(file.size())) + part.name + part.extra;
    file += "PK\x03\x04" + head + std::string(2, '\0') + part.name + packed;
  }
  const auto entries = static_cast<uint16_t>(parts.size());
  const std::string end = "PK\x05\x06" + std::string(4, '\0') + little_endian(entries) +
                          little_endian(entries) +
                          little_endian(static_cast<uint32_t>(directory.size())) +
                          little_endian(static_cast<uint32_t>(file.size())) +
                          little_endian(static_cast<uint16_t>(comment.size()));
  return file + directory + end + std::string(comment);
}

}  // namespace tamis
