// A model of finite weights whose arithmetic overflows for some texts.
//
// Is: for tests of what becomes of answers that are not finite. Is not: a broken file. May use:
// base.
#pragma once

#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "base/file.h"
#include "base/json.h"

namespace tamis::test {

/// Rewrites the embedding of one token of a copied checkpoint (vocab.txt, one model.safetensors in
/// F32) to numbers near float's greatest, whose sum and variance overflow: texts with that token
/// give NaN, others what they gave.
inline void make_overflowing(const std::filesystem::path& model, const std::string& token) {
  std::string vocab = "\n" + read_file(model / "vocab.txt");
  const size_t at = vocab.find("\n" + token + "\n");
  if (at == std::string::npos) throw std::runtime_error("no such token");
  int64_t row = 0;
  for (size_t i = 0; i < at; ++i) row += vocab[i] == '\n' ? 1 : 0;

  const std::filesystem::path path = model / "model.safetensors";
  std::string bytes = read_file(path);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  const JsonDocument header =
      JsonDocument::parse(std::string_view(bytes).substr(8, header_bytes), "header");
  const std::string_view kSuffix = "word_embeddings.weight";
  for (size_t i = 0; i < header.root().size(); ++i) {
    const JsonView::Member tensor = header.root().member(i);
    if (!tensor.key.ends_with(kSuffix)) continue;
    const int64_t width = tensor.value.get("shape").at(1).as_int("width");
    const int64_t begin = tensor.value.get("data_offsets").at(0).as_int("begin");
    for (int64_t j = 0; j < width; ++j) {
      const float value = 3e38F;
      const auto to = static_cast<size_t>(begin + (row * width + j) * 4) + 8 + header_bytes;
      std::memcpy(bytes.data() + to, &value, sizeof(value));
    }
    write_file(path, bytes);
    return;
  }
  throw std::runtime_error("no word embeddings");
}

}  // namespace tamis::test
