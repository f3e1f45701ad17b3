// A string as the BYTES tensors of KServe's protocol and of Triton hold it.
//
// Is: one element's form, written. Is not: tensors. May use: nothing.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace tamis {

static_assert(std::endian::native == std::endian::little, "lengths are used as they are");

/// Appends the text's length in four bytes, then the text. Texts have less than 4 GiB: requests and
/// answers are bounded far below.
inline void append_bytes_element(std::string& tensor, std::string_view text) {
  const auto size = static_cast<uint32_t>(text.size());
  tensor.append(reinterpret_cast<const char*>(&size), sizeof(size));
  tensor.append(text);
}

}  // namespace tamis
