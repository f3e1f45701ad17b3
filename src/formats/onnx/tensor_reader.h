// TensorProto: values out of any of the places where a file may keep them.
//
// Is: raw_data, the typed fields, external data. Is not: the graph around it. May use: base,
// tensor.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/onnx/onnx_model.h"
#include "formats/onnx/wire.h"

namespace tamis::onnx {

/// Reads tensors of one file. Not thread-safe. `file` is empty where there is none to look beside.
class TensorReader {
 public:
  TensorReader(std::filesystem::path file, std::shared_ptr<const void> keeper)
      : file_(std::move(file)), keeper_(std::move(keeper)) {}

  [[nodiscard]] TensorProto read(std::span<const std::byte> message, const Where& where);
  /// Those that were opened for external data, as tensors name them.
  [[nodiscard]] std::vector<std::string> external_files() const;

 private:
  struct Parts;

  void read_field(const WireReader& reader, const WireField& field, Parts& parts) const;
  void attach(TensorProto& tensor, Parts& parts, const Where& where);
  std::span<const std::byte> external(const Parts& parts, size_t size, const Where& where,
                                      std::shared_ptr<const void>& keeper);
  std::shared_ptr<const MappedFile> open(const std::string& location, const Where& where);

  std::filesystem::path file_;
  std::shared_ptr<const void> keeper_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

/// key and value of a StringStringEntryProto.
[[nodiscard]] std::pair<std::string, std::string> read_string_pair(
    std::span<const std::byte> message, const Where& where);

}  // namespace tamis::onnx
