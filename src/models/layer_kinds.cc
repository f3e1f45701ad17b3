#include "models/layer_kinds.h"

#include "base/error.h"
#include "base/json.h"

namespace tamis::models {

std::vector<bool> read_sliding_layers(const ModelConfig& config, std::vector<bool> otherwise) {
  const ConfigFields& fields = config.fields;
  const JsonView types = fields.get("layer_types");
  if (!types) return otherwise;
  if (!types.is_array() || static_cast<int64_t>(types.size()) != config.num_hidden_layers) {
    fail(ErrorCode::kCorruptData, fields.what("layer_types"), " must be an array of ",
         config.num_hidden_layers, " names, as num_hidden_layers says");
  }
  std::vector<bool> slides;
  for (size_t i = 0; i < types.size(); ++i) {
    const std::string_view type = types.at(i).as_string(fields.what("layer_types"));
    if (type != "full_attention" && type != "sliding_attention") {
      fields.refuse("layer_types", json_quote(type.substr(0, 200)),
                    "full_attention and sliding_attention");
    }
    slides.push_back(type == "sliding_attention");
  }
  return slides;
}

}  // namespace tamis::models
