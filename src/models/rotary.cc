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
    honored("attention_factor"),
    honored("beta_fast"),
    honored("beta_slow"),
    honored("mscale"),
    honored("mscale_all_dim"),
    honored("truncate"),
    honored("short_factor"),
    honored("long_factor"),
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
                     double context, std::vector<float>& frequencies) {
  const double low = number(parameters, "low_freq_factor", what, 1, 1e-3, kMostFactor);
  const double high = number(parameters, "high_freq_factor", what, 4, 1e-3, kMostFactor);
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

// The pair that turns `turns` times within `context` tokens, as a fraction.
double pair_of(double turns, int64_t size, double theta, double context) {
  return static_cast<double>(size) * std::log(context / (turns * 2 * M_PI)) / (2 * std::log(theta));
}

// Pairs that stay as they are before `low`, those that go slower by `factor` from `high` on.
struct Ramp {
  double low = 0;
  double high = 0;

  // Of pair i: 0 is as it was.
  [[nodiscard]] float share(size_t i) const {
    const double width = low == high ? 0.001 : high - low;
    return static_cast<float>(std::clamp((static_cast<double>(i) - low) / width, 0.0, 1.0));
  }
};

/// What yarn and longrope read beside the factor.
struct LengthRule {
  double theta = 0;
  int64_t size = 0;
  double context = 0;  // tokens of the longest text in training
  double longest = 0;  // and now
  bool of_a_kind = false;

  [[nodiscard]] Ramp ramp(const JsonView& parameters, std::string_view what) const {
    const double fast = number(parameters, "beta_fast", what, 32, 1e-3, kMostFactor);
    const double slow = number(parameters, "beta_slow", what, 1, 1e-3, kMostFactor);
    Ramp ramp = {pair_of(fast, size, theta, context), pair_of(slow, size, theta, context)};
    const JsonView truncate = of_a_kind ? JsonView() : parameters.get("truncate");
    if (truncate.is_null() || truncate.as_bool(cat(what, ".truncate"))) {
      ramp = {std::floor(ramp.low), std::ceil(ramp.high)};
    }
    return {std::max(ramp.low, 0.0), std::min(ramp.high, static_cast<double>(size - 1))};
  }
};

double yarn_scale(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

// By how much cosines and sines grow, so that attention stays as sharp.
double yarn_attention(const JsonView& parameters, std::string_view what, double factor) {
  const double mscale = number(parameters, "mscale", what, 0, 0, kMostFactor);
  const double of_all = number(parameters, "mscale_all_dim", what, 0, 0, kMostFactor);
  const double usual = mscale != 0 && of_all != 0
                           ? yarn_scale(factor, mscale) / yarn_scale(factor, of_all)
                           : yarn_scale(factor, 1);
  return number(parameters, "attention_factor", what, usual, 1e-6, kMostFactor);
}

// Short waves as they are, long ones slower by `factor`, those between by a share of both.
void scale_as_yarn(const JsonView& parameters, std::string_view what, const LengthRule& rule,
                   double factor, RotaryPositions& positions) {
  const Ramp ramp = rule.ramp(parameters, what);
  for (size_t i = 0; i < positions.frequencies.size(); ++i) {
    float& frequency = positions.frequencies[i];
    const float share = ramp.share(i);
    frequency = frequency / static_cast<float>(factor) * share + frequency * (1 - share);
  }
  positions.scale = static_cast<float>(yarn_attention(parameters, what, factor));
}

// A number for each pair.
std::vector<double> read_factors(const JsonView& parameters, std::string_view key,
                                 std::string_view what, size_t pairs) {
  const JsonView given = parameters.get(key);
  const std::string name = cat(what, ".", key);
  if (!given.is_array() || given.size() != pairs) {
    fail(ErrorCode::kCorruptData, name, given.is_array() ? cat(" has ", given.size()) : " has no",
         " numbers; rope_type \"longrope\" needs an array of ", pairs);
  }
  std::vector<double> factors;
  for (size_t i = 0; i < pairs; ++i) {
    factors.push_back(given.at(i).as_double(name));
    if (factors.back() >= 1e-6 && factors.back() <= kMostFactor) continue;
    fail(ErrorCode::kCorruptData, name, " holds ", factors.back(), "; accepted are 1e-06 to ",
         kMostFactor);
  }
  return factors;
}

// 1 / (factor * theta^(2 i / size)), in float32 as PyTorch computes it.
std::vector<float> slowed(const LengthRule& rule, const std::vector<double>& factors) {
  std::vector<float> frequencies;
  for (size_t i = 0; i < factors.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rule.size);
    const auto base = static_cast<float>(rule.theta);
    const auto power = static_cast<float>(std::pow(double{base}, double{exponent}));
    frequencies.push_back(1.0f / (static_cast<float>(factors[i]) * power));
  }
  return frequencies;
}

// Each wave slower by a factor of its own, of which texts longer than those in training have
// others. transformers decides by the longest text of a batch, which a text alone is.
void scale_as_longrope(const JsonView& parameters, std::string_view what, const LengthRule& rule,
                       RotaryPositions& positions) {
  const size_t pairs = positions.frequencies.size();
  if (rule.context < 2) {
    fail(ErrorCode::kCorruptData, what, ".original_max_position_embeddings is ", rule.context,
         "; rope_type \"longrope\" needs at least 2");
  }
  positions.frequencies = slowed(rule, read_factors(parameters, "short_factor", what, pairs));
  positions.long_frequencies = slowed(rule, read_factors(parameters, "long_factor", what, pairs));
  positions.long_from = static_cast<int64_t>(rule.context);
  const double factor =
      number(parameters, "factor", what, rule.longest / rule.context, 1e-3, kMostFactor);
  const double usual = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(rule.context));
  positions.scale =
      static_cast<float>(number(parameters, "attention_factor", what, usual, 1e-6, kMostFactor));
}

// null stands for what the lengths say, where the rule is of lengths.
double read_factor(const JsonView& parameters, std::string_view what, std::string_view type,
                   double usual) {
  const JsonView factor = parameters.get("factor");
  if (!factor || (factor.is_null() && usual == 0)) {
    fail(ErrorCode::kCorruptData, what, ".factor is absent; rope_type ", json_quote(type),
         " needs a number");
  }
  return number(parameters, "factor", what, usual, 1e-3, kMostFactor);
}

void scale(const JsonView& parameters, std::string_view what, std::string_view type,
           const LengthRule& rule, RotaryPositions& positions) {
  const auto factor = [&](double usual = 0) { return read_factor(parameters, what, type, usual); };
  if (type == "linear") {
    const auto divisor = static_cast<float>(factor());
    for (float& frequency : positions.frequencies) frequency /= divisor;
  } else if (type == "llama3") {
    scale_as_llama3(parameters, what, factor(), rule.context, positions.frequencies);
  } else if (type == "yarn") {
    scale_as_yarn(parameters, what, rule, factor(rule.longest / rule.context), positions);
  } else if (type == "longrope") {
    scale_as_longrope(parameters, what, rule, positions);
  } else {
    fail(ErrorCode::kUnsupported, what, ": rope_type ", json_quote(type.substr(0, 200)),
         " is not built; accepted are default, dynamic, linear, llama3, longrope and yarn");
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

RotaryPositions read_rotary(const JsonView& parameters, std::string_view what,
                            const RotarySizes& sizes) {
  if (!parameters.is_null() && !parameters.is_object()) {
    fail(ErrorCode::kCorruptData, what, " must be an object");
  }
  if (sizes.size < 2 || sizes.size % 2 != 0) {
    fail(ErrorCode::kCorruptData, what, ": ", sizes.size,
         " columns of a head cannot turn; accepted are even numbers from 2 on");
  }
  check_keys(parameters, what, kKeys);
  RotaryPositions positions;
  const double theta = number(parameters, "rope_theta", what, sizes.theta, 1e-3, kMostTheta);
  positions.frequencies = rotary_frequencies(theta, sizes.size);
  const std::string_view type = type_of(parameters, what);
  // "dynamic" changes what is longer than max_position_embeddings only, which no run takes.
  if (type == "default" || type == "dynamic") return positions;
  const auto longest = static_cast<double>(sizes.max_positions);
  double context =
      number(parameters, "original_max_position_embeddings", what, longest, 1, 1 << 30);
  if (sizes.original_positions > 0) context = static_cast<double>(sizes.original_positions);
  scale(parameters, what, type, {theta, sizes.size, context, longest, sizes.of_a_kind}, positions);
  return positions;
}

RotaryPositions read_rotary(const ModelConfig& config, double theta, int64_t size) {
  const ConfigFields& fields = config.fields;
  const JsonView older = fields.get("rope_scaling");
  const bool is_set = older.exists() && !(older.is_object() && older.size() == 0);
  const std::string_view key = is_set ? "rope_scaling" : "rope_parameters";
  const int64_t original = fields.integer("original_max_position_embeddings", 0, 0, 1 << 30);
  return read_rotary(fields.get(key), fields.what(key),
                     {theta, size, config.max_position_embeddings, original});
}

double rope_theta(const ConfigFields& fields, double otherwise) {
  return fields.number("rope_theta", otherwise, 1e-3, kMostTheta);
}

graph::ValueId rotary(Builder& b, graph::ValueId x, const RotaryPositions& positions, int64_t heads,
                      int64_t head_size, std::string_view scope) {
  graph::ValueId frequencies = b.graph().find_value(positions.name);
  if (frequencies == graph::kNoValue) {
    const auto pairs = static_cast<int64_t>(positions.frequencies.size());
    const bool two = positions.long_from > 0;
    std::vector<float> rows = positions.frequencies;
    rows.insert(rows.end(), positions.long_frequencies.begin(), positions.long_frequencies.end());
    frequencies = b.graph().add_constant(
        positions.name, std::make_shared<const Tensor>(Tensor::from(
                            two ? Shape{2, pairs} : Shape{pairs}, std::span<const float>(rows))));
  }
  return b.graph().add_node(graph::OpKind::kRotary, {x, frequencies},
                            graph::RotaryAttributes{heads, head_size, positions.interleaved,
                                                    positions.scale, positions.long_from},
                            scope);
}

}  // namespace tamis::models
