// What the environment says about the Hugging Face Hub: where it is, who asks, where its cache
// lies.
//
// Is: the variables of huggingface_hub, read as it reads them. Is not: the cache or the network.
// May use: base. Source: https://github.com/huggingface/huggingface_hub, constants.py and
// utils/_auth.py
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tamis::hub {

/// A folder with models--ORG--NAME folders, and what named it.
struct CachePlace {
  std::filesystem::path folder;
  std::string variable;  ///< empty: the default
};

struct Settings {
  std::string endpoint;            ///< HF_ENDPOINT, without '/' at its end
  std::vector<CachePlace> caches;  ///< all are read, the first is written
  std::string token;               ///< empty: none
  std::string offline;             ///< the variable that forbids the network; empty: none
  int64_t timeout_s = 10;          ///< without a byte, HF_HUB_DOWNLOAD_TIMEOUT
};

/// Throws Error{kInvalidArgument} for a variable that cannot be what it must, naming it.
[[nodiscard]] Settings read_settings();

}  // namespace tamis::hub
