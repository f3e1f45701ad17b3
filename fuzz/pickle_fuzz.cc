// The zip reader and the unpickler. The first byte chooses: 0 takes the rest as a whole
// pytorch_model.bin, 2 as SetFit's model_head.pkl, anything else as the data.pkl of an archive with
// one storage, so that the fuzzer need not learn zip's checksums and offsets.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "base/error.h"
#include "formats/pytorch/pytorch_bin.h"
#include "formats/setfit/setfit_head.h"

namespace {

template <typename T>
std::string little_endian(T number) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &number, sizeof(T));
  return bytes;
}

// A stored entry's local header and data go to `file`, its directory entry to `directory`.
void add_entry(const std::string& name, const std::string& contents, std::string& file,
               std::string& directory) {
  const auto bytes = little_endian(static_cast<uint32_t>(contents.size()));
  const std::string head = std::string(16 - 4, '\0') + bytes + bytes +
                           little_endian(static_cast<uint16_t>(name.size())) + std::string(2, '\0');
  directory += "PK\x01\x02" + std::string(2, '\0') + head + std::string(10, '\0') +
               little_endian(static_cast<uint32_t>(file.size())) + name;
  file += "PK\x03\x04" + head + name + contents;
}

std::string archive(const std::string& pickle) {
  std::string file;
  std::string directory;
  add_entry("m/data.pkl", pickle, file, directory);
  add_entry("m/data/0", std::string(96, '\x3f'), file, directory);
  const uint16_t entries = 2;
  return file + directory + "PK\x05\x06" + std::string(4, '\0') + little_endian(entries) +
         little_endian(entries) + little_endian(static_cast<uint32_t>(directory.size())) +
         little_endian(static_cast<uint32_t>(file.size())) + std::string(2, '\0');
}

void read_weights(const std::string& bytes) {
  const std::span<const std::byte> view(reinterpret_cast<const std::byte*>(bytes.data()),
                                        bytes.size());
  for (const tamis::StoredTensor& stored : tamis::parse_pytorch_bin(view, "fuzz", nullptr)) {
    if (stored.tensor != nullptr) (void)tamis::first_non_finite(stored.tensor->view());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] == 2) {
      (void)tamis::parse_setfit_head(bytes, "fuzz", {});
    } else {
      read_weights(data[0] == 0 ? bytes : archive(bytes));
    }
  } catch (const tamis::Error& error) {
    if (error.code() != tamis::ErrorCode::kCorruptData &&
        error.code() != tamis::ErrorCode::kUnsupported) {
      throw;
    }
  }
  return 0;
}
