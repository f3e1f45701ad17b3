// The keys of the files beside tokenizer.json.
//
// Is: a table a file of what is honored, harmless and refused. Is not: the reading of values. May
// use: tokenizer_classes.
#pragma once

#include <string>

#include "base/json.h"
#include "tokenizer/convert/tokenizer_classes.h"

namespace tamis::tokenizer {

/// Warns of keys that no table has and refuses what would change ids and is not built. Absent views
/// pass.
void check_tokenizer_config_keys(const JsonView& config, const std::string& source,
                                 ClassRules rules);
void check_special_tokens_map_keys(const JsonView& map, const std::string& source);

}  // namespace tamis::tokenizer
