#include "formats/sentence_modules.h"

#include "base/error.h"
#include "base/json.h"
#include "formats/checkpoint.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

// The older key of each mode; several may be true, and are concatenated in this order.
struct PoolingRow {
  Pooling mode;
  std::string_view name;
  std::string_view flag;
};
constexpr PoolingRow kPoolingRows[] = {
    {Pooling::kCls, "cls", "pooling_mode_cls_token"},
    {Pooling::kMax, "max", "pooling_mode_max_tokens"},
    {Pooling::kMean, "mean", "pooling_mode_mean_tokens"},
    {Pooling::kMeanSqrtLen, "mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"},
    {Pooling::kWeightedMean, "weightedmean", "pooling_mode_weightedmean_tokens"},
    {Pooling::kLastToken, "lasttoken", "pooling_mode_lasttoken"},
};

constexpr KeyRow kPoolingKeys[] = {
    honored("word_embedding_dimension"),
    honored("embedding_dimension"),
    honored("pooling_mode"),
    honored("include_prompt"),
    honored("pooling_mode_cls_token"),
    honored("pooling_mode_max_tokens"),
    honored("pooling_mode_mean_tokens"),
    honored("pooling_mode_mean_sqrt_len_tokens"),
    honored("pooling_mode_weightedmean_tokens"),
    honored("pooling_mode_lasttoken"),
};
static_assert(keys_are_distinct(kPoolingKeys));

constexpr std::string_view kPooledAlone = "only the pooled vector is worked on";

constexpr KeyRow kLayerNormKeys[] = {
    honored("dimension"),
    refused("module_input_name", kPooledAlone, {"\"sentence_embedding\""}),
    refused("module_output_name", kPooledAlone, {"\"sentence_embedding\""}),
};
static_assert(keys_are_distinct(kLayerNormKeys));

constexpr KeyRow kLogitScoreKeys[] = {
    honored("true_token_id"),
    honored("false_token_id"),
    refused("module_input_name", "only scores of next words are read", {"\"causal_logits\""}),
};
static_assert(keys_are_distinct(kLogitScoreKeys));

Pooling pooling_mode(JsonView value, const ConfigObject& file) {
  const std::string_view name = value.as_string(file.what("pooling_mode"));
  const auto mode = pooling_mode_from_name(name);
  if (mode) return *mode;
  fail(ErrorCode::kUnsupported, file.what("pooling_mode"), " ", json_quote(name.substr(0, 200)),
       " is not built; accepted are cls, max, mean, mean_sqrt_len_tokens, weightedmean and "
       "lasttoken");
}

}  // namespace

std::optional<Pooling> pooling_mode_from_name(std::string_view name) {
  for (const PoolingRow& row : kPoolingRows) {
    if (row.name == name) return row.mode;
  }
  return std::nullopt;
}

PoolingConfig parse_pooling_config(std::string_view json, std::string_view source) {
  return read_pooling(ConfigFile(json, std::string(source)).root());
}

PoolingConfig read_pooling(const ConfigObject& file) {
  file.check(kPoolingKeys);
  PoolingConfig pooling;
  pooling.embedding_dimension = file.count("word_embedding_dimension", kMaxFeatures);
  if (file.get("embedding_dimension")) {
    pooling.embedding_dimension = file.count("embedding_dimension", kMaxFeatures);
  }
  pooling.include_prompt = file.flag("include_prompt", true);
  if (const JsonView modes = file.get("pooling_mode")) {
    if (!modes.is_array()) {
      pooling.modes.push_back(pooling_mode(modes, file));
    } else if (modes.size() == 0 || modes.size() > std::size(kPoolingRows)) {
      fail(ErrorCode::kCorruptData, file.what("pooling_mode"), " must name 1 to ",
           std::size(kPoolingRows), " modes");
    }
    for (size_t i = 0; modes.is_array() && i < modes.size(); ++i) {
      pooling.modes.push_back(pooling_mode(modes.at(i), file));
    }
    return pooling;
  }
  for (const PoolingRow& row : kPoolingRows) {
    if (file.flag(row.flag, false)) pooling.modes.push_back(row.mode);
  }
  if (pooling.modes.empty()) pooling.modes.push_back(Pooling::kMean);
  return pooling;
}

LayerNormConfig read_layer_norm(const fs::path& folder, std::string_view name) {
  const ConfigFile file(folder / "config.json");
  file->check(kLayerNormKeys);
  const auto width = file->count("dimension", kMaxFeatures);
  if (!width) fail(ErrorCode::kCorruptData, file->source(), ": dimension is needed");
  const std::vector<StoredTensor> weights = read_weights(folder);
  LayerNormConfig norm;
  norm.folder = name;
  norm.weight = module_tensor(weights, "norm.weight", {*width}, folder);
  norm.bias = module_tensor(weights, "norm.bias", {*width}, folder);
  return norm;
}

LogitScoreConfig read_logit_score(const ConfigObject& file) {
  file.check(kLogitScoreKeys);
  constexpr int64_t kMostIds = 16 << 20;
  const auto id = [&file](std::string_view key) -> std::optional<int64_t> {
    const JsonView value = file.get(key);
    if (!value) return std::nullopt;
    const int64_t number = value.as_int(file.what(key));
    if (number >= 0 && number < kMostIds) return number;
    fail(ErrorCode::kCorruptData, file.what(key), " is ", number, "; accepted are ids from 0 on");
  };
  const auto true_id = id("true_token_id");
  if (!true_id) fail(ErrorCode::kCorruptData, file.source(), ": true_token_id is needed");
  return {*true_id, id("false_token_id")};
}

}  // namespace tamis
