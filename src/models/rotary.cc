#include "models/rotary.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "base/key_table.h"

namespace tamis::models {

namespace {

constexpr double kMostTheta = 1e12;
constexpr double kMostFactor = 1e6;

constexpr KeyRow kKeys[] = {
    honored("rope_type"),
    honored("type"),
    honored("rope_theta"),
    honored("factor"),
    honored("low_freq_factor"),
    honored("high_freq_factor"),
    honored("original_max_position_embeddings"),
    refused("partial_rotary_factor", "heads that turn in part are not built", {"1", "1.0"}),
};

double number(const JsonView& object, std::string_view key, std::string_view what, double otherwise,
              double low, double high) {
  const JsonView value = object.get(key);
  if (value.is_null()) return otherwise;
  const std::string name = cat(what, ".", key);
  const double read = value.as_double(name);
  if (!(read >= low && read <= high)) {
    fail(ErrorCode::kCorruptData, name, " is ", read, "; accepted are ", low, " to ", high);
  }
  return read;
}

// "rope_type", which older files call "type".
std::string_view type_of(const JsonView& parameters, std::string_view what) {
  for (const std::string_view key : {"rope_type", "type"}) {
    const JsonView value = parameters.get(key);
    if (!value.is_null()) return value.as_string(cat(what, ".", key));
  }
  return "default";
}

// Long waves go slower by `factor`, short ones as they are, those between by a share of both.
void scale_as_llama3(const JsonView& parameters, std::string_view what, double factor,
                     int64_t positions, std::vector<float>& frequencies) {
  const double low = number(parameters, "low_freq_factor", what, 1, 1e-3, kMostFactor);
  const double high = number(parameters, "high_freq_factor", what, 4, 1e-3, kMostFactor);
  const double context = number(parameters, "original_max_position_embeddings", what,
                                static_cast<double>(positions), 1, 1 << 30);
  if (high <= low) {
    fail(ErrorCode::kCorruptData, what, ".high_freq_factor is ", high, "; accepted is more than ",
         low);
  }
  for (float& frequency : frequencies) {
    const double wave = 2 * M_PI / frequency;
    if (wave < context / high) continue;
    const double share = std::max(0.0, (context / wave - low) / (high - low));
    const double scaled = wave > context / low
                              ? frequency / factor
                              : (1 - share) * frequency / factor + share * frequency;
    frequency = static_cast<float>(scaled);
  }
}

}  // namespace

std::vector<float> rotary_frequencies(double theta, int64_t size) {
  std::vector<float> frequencies;
  const auto base = static_cast<float>(theta);
  for (int64_t i = 0; i < size; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(size);
    frequencies.push_back(1.0f / static_cast<float>(std::pow(double{base}, double{exponent})));
  }
  return frequencies;
}

RotaryPositions read_rotary(const JsonView& parameters, std::string_view what, double theta,
                            int64_t size, int64_t max_positions) {
  if (!parameters.is_null() && !parameters.is_object()) {
    fail(ErrorCode::kCorruptData, what, " must be an object");
  }
  if (size < 2 || size % 2 != 0) {
    fail(ErrorCode::kCorruptData, what, ": ", size,
         " columns of a head cannot turn; accepted are even numbers from 2 on");
  }
  check_keys(parameters, what, kKeys);
  RotaryPositions positions;
  theta = number(parameters, "rope_theta", what, theta, 1e-3, kMostTheta);
  positions.frequencies = rotary_frequencies(theta, size);
  const std::string_view type = type_of(parameters, what);
  // "dynamic" changes what is longer than max_position_embeddings only, which no run takes.
  if (type == "default" || type == "dynamic") return positions;
  const double factor = number(parameters, "factor", what, 1, 1e-3, kMostFactor);
  if (type == "linear") {
    for (float& frequency : positions.frequencies) frequency /= static_cast<float>(factor);
  } else if (type == "llama3") {
    scale_as_llama3(parameters, what, factor, max_positions, positions.frequencies);
  } else {
    fail(ErrorCode::kUnsupported, what, ": rope_type ", json_quote(type.substr(0, 200)),
         " is not built; accepted are default, dynamic, linear and llama3");
  }
  return positions;
}

RotaryPositions read_rotary(const ModelConfig& config, double theta, int64_t size) {
  const ConfigFields& fields = config.fields;
  const JsonView older = fields.get("rope_scaling");
  const bool is_set = older.exists() && !(older.is_object() && older.size() == 0);
  const std::string_view key = is_set ? "rope_scaling" : "rope_parameters";
  return read_rotary(fields.get(key), fields.what(key), theta, size,
                     config.max_position_embeddings);
}

double rope_theta(const ConfigFields& fields, double otherwise) {
  return fields.number("rope_theta", otherwise, 1e-3, kMostTheta);
}

graph::ValueId rotary(Builder& b, graph::ValueId x, const RotaryPositions& positions, int64_t heads,
                      int64_t head_size, std::string_view scope) {
  graph::ValueId frequencies = b.graph().find_value(positions.name);
  if (frequencies == graph::kNoValue) {
    const auto pairs = static_cast<int64_t>(positions.frequencies.size());
    frequencies = b.graph().add_constant(
        positions.name, std::make_shared<const Tensor>(Tensor::from(
                            Shape{pairs}, std::span<const float>(positions.frequencies))));
  }
  return b.graph().add_node(graph::OpKind::kRotary, {x, frequencies},
                            graph::RotaryAttributes{heads, head_size, positions.interleaved},
                            scope);
}

}  // namespace tamis::models
