// config.pbtxt, as Triton hands it to a backend.
//
// Is: its fields as structs; what this backend cannot honor is refused by name. Is not: held
// against a model (contract.h). May use: base.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::triton {

/// One of its `input` or `output`.
struct TensorConfig {
  std::string name;
  std::string type;           ///< "TYPE_STRING", "TYPE_FP32", ...
  std::vector<int64_t> dims;  ///< after `reshape`, so as the backend sees them; -1: any
  bool reshaped = false;
  bool optional = false;
};

struct ModelConfig {
  std::string name;
  int64_t max_batch_size = 0;
  std::string file;  ///< default_model_filename; "": the version's folder itself
  std::vector<TensorConfig> inputs;
  std::vector<TensorConfig> outputs;
  std::map<std::string, std::string, std::less<>> parameters;
  bool has_batcher = false;
  bool wants_cards = false;  ///< a group of its instances is KIND_GPU
};

/// Reads Triton's JSON form of a config. Throws Error{kUnsupported} naming the field and what would
/// be accepted; kInvalidArgument for `parameters` that are no text.
[[nodiscard]] ModelConfig parse_config(std::string_view json);

/// `json` with inputs, outputs, a batch size and a batcher put in, where it has neither inputs nor
/// outputs.
[[nodiscard]] std::string complete_config(std::string_view json, const ModelConfig& completed);

/// "[ -1, 384 ]".
[[nodiscard]] std::string dims_text(const std::vector<int64_t>& dims);

}  // namespace tamis::triton
