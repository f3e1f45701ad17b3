// testdata/tokenizer-classes, for tests.
#pragma once

#include <filesystem>
#include <vector>

#include "base/json.h"

namespace tamis::tokenizer {

inline const std::filesystem::path& root() {
  static const std::filesystem::path kRoot =
      std::filesystem::path(TAMIS_TESTDATA) / "tokenizer-classes";
  return kRoot;
}

inline std::vector<int32_t> ids_of(const JsonView& list) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < list.size(); ++i) {
    ids.push_back(static_cast<int32_t>(list.at(i).as_int("ids")));
  }
  return ids;
}

}  // namespace tamis::tokenizer
