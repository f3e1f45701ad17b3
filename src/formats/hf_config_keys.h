// The table of config.json's keys: which are read, which do not matter, which are refused.
//
// Is: data for hf_config.cc. Is not: the reading. May use: base.
// Source: transformers' PreTrainedConfig and the configuration classes of the families, in all
// versions that wrote files on the hub.
#pragma once

#include <span>

#include "base/key_table.h"

namespace tamis {

[[nodiscard]] std::span<const KeyRow> hf_config_keys();

}  // namespace tamis
