#include "formats/sentence_transformers.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "formats/checkpoint.h"
#include "formats/config_file.h"
#include "formats/hf_config.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxConfigBytes = size_t{4} << 20;
constexpr size_t kMaxModules = 64;
constexpr int64_t kMaxFeatures = 1 << 20;
constexpr int64_t kMaxLength = 1 << 30;

// The older key of each mode; several may be true, and are concatenated in this order.
struct PoolingRow {
  PoolingMode mode;
  std::string_view name;
  std::string_view flag;
};
constexpr PoolingRow kPoolingRows[] = {
    {PoolingMode::kCls, "cls", "pooling_mode_cls_token"},
    {PoolingMode::kMax, "max", "pooling_mode_max_tokens"},
    {PoolingMode::kMean, "mean", "pooling_mode_mean_tokens"},
    {PoolingMode::kMeanSqrtLen, "mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"},
    {PoolingMode::kWeightedMean, "weightedmean", "pooling_mode_weightedmean_tokens"},
    {PoolingMode::kLastToken, "lasttoken", "pooling_mode_lasttoken"},
};

constexpr KeyRow kModuleKeys[] = {
    honored("type"),
    honored("path"),
    harmless("idx"),  // modules apply in the order of the file
    harmless("name"),
    refused("kwargs", "arguments for a module's call are not built", {"[]", "{}"}),
};
static_assert(keys_are_distinct(kModuleKeys));

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

constexpr KeyRow kDenseKeys[] = {
    honored("in_features"),
    honored("out_features"),
    honored("bias"),
    honored("activation_function"),
    honored("use_residual"),
    refused("module_input_name", kPooledAlone, {"\"sentence_embedding\""}),
    refused("module_output_name", kPooledAlone, {"\"sentence_embedding\""}),
};
static_assert(keys_are_distinct(kDenseKeys));

constexpr KeyRow kLayerNormKeys[] = {
    honored("dimension"),
    refused("module_input_name", kPooledAlone, {"\"sentence_embedding\""}),
    refused("module_output_name", kPooledAlone, {"\"sentence_embedding\""}),
};
static_assert(keys_are_distinct(kLayerNormKeys));

constexpr KeyRow kNormalizeKeys[] = {
    refused("module_input_name", kPooledAlone, {"\"sentence_embedding\""}),
    refused("module_output_name", kPooledAlone, {"\"sentence_embedding\""}),
};
static_assert(keys_are_distinct(kNormalizeKeys));

constexpr KeyRow kFolderKeys[] = {
    honored("prompts"),       honored("default_prompt_name"),   honored("similarity_fn_name"),
    honored("model_type"),    honored("activation_fn"),         harmless("__version__"),
    harmless("requirements"), harmless("keep_in_fp32_modules"), honored("truncate_dim"),
};
static_assert(keys_are_distinct(kFolderKeys));

PoolingMode pooling_mode(JsonView value, const ConfigObject& file) {
  const std::string_view name = value.as_string(file.what("pooling_mode"));
  const auto mode = pooling_mode_from_name(name);
  if (mode) return *mode;
  fail(ErrorCode::kUnsupported, file.what("pooling_mode"), " ", json_quote(name.substr(0, 200)),
       " is not built; accepted are cls, max, mean, mean_sqrt_len_tokens, weightedmean and "
       "lasttoken");
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
  if (pooling.modes.empty()) pooling.modes.push_back(PoolingMode::kMean);
  return pooling;
}

// The tensor of that name and shape.
std::shared_ptr<const Tensor> module_tensor(const std::vector<StoredTensor>& weights,
                                            std::string_view name, const Shape& shape,
                                            const fs::path& folder) {
  for (const StoredTensor& stored : weights) {
    if (stored.name != name) continue;
    const auto& tensor = usable_tensor(stored);
    if (tensor->shape() != shape) {
      fail(ErrorCode::kCorruptData, stored.source, ": tensor \"", name, "\" has the shape ",
           tensor->shape().to_string(), ", config.json asks for ", shape.to_string());
    }
    const DType dtype = tensor->dtype();
    if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16 &&
        dtype != DType::kF64) {
      fail(ErrorCode::kUnsupported, stored.source, ": tensor \"", name, "\" has dtype ",
           dtype_name(dtype), "; accepted are F32, F16, BF16 and F64");
    }
    require_finite(stored);
    return tensor;
  }
  fail(ErrorCode::kNotFound, folder.string(), ": no tensor \"", name, "\" in the weights");
}

DenseConfig read_dense(const fs::path& folder, std::string_view name) {
  const ConfigFile file(folder / "config.json");
  file->check(kDenseKeys);
  DenseConfig dense;
  dense.folder = name;
  const auto in = file->count("in_features", kMaxFeatures);
  const auto out = file->count("out_features", kMaxFeatures);
  if (!in || !out) {
    fail(ErrorCode::kCorruptData, file->source(), ": in_features and out_features are needed");
  }
  dense.in_features = *in;
  dense.out_features = *out;
  if (const auto path = file->text("activation_function")) {
    const auto activation = activation_from_python_path(*path);
    if (!activation) {
      fail(ErrorCode::kUnsupported, file->what("activation_function"), " ",
           json_quote(path->substr(0, 200)), " is not built; accepted are ",
           known_python_activations());
    }
    dense.activation = *activation;
  }
  const std::vector<StoredTensor> weights = read_weights(folder);
  dense.weight = module_tensor(weights, "linear.weight", {*out, *in}, folder);
  if (file->flag("bias", true)) dense.bias = module_tensor(weights, "linear.bias", {*out}, folder);
  dense.use_residual = file->flag("use_residual", false);
  if (dense.use_residual && *in != *out) {
    dense.residual = module_tensor(weights, "residual.weight", {*out, *in}, folder);
  }
  return dense;
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

enum class ModuleKind : uint8_t {
  kTransformer,
  kPooling,
  kDense,
  kLayerNorm,
  kNormalize,
  kDropout
};

struct ModuleRow {
  std::string_view class_name;
  ModuleKind kind;
};
constexpr ModuleRow kModules[] = {
    {"Transformer", ModuleKind::kTransformer},
    {"Pooling", ModuleKind::kPooling},
    {"Dense", ModuleKind::kDense},
    {"LayerNorm", ModuleKind::kLayerNorm},
    {"Normalize", ModuleKind::kNormalize},
    {"Dropout", ModuleKind::kDropout},
};

// "sentence_transformers.models.Pooling" and, since version 5.2,
// "sentence_transformers.sentence_transformer.modules.pooling.Pooling".
ModuleKind module_kind(std::string_view type, std::string_view source) {
  const std::string_view class_name = type.substr(type.rfind('.') + 1);
  for (const ModuleRow& row : kModules) {
    if (type.starts_with("sentence_transformers.") && row.class_name == class_name) {
      return row.kind;
    }
  }
  fail(ErrorCode::kUnsupported, source, ": module ", json_quote(type.substr(0, 200)),
       " is not built; accepted are Transformer, Pooling, Dense, LayerNorm, Normalize and Dropout "
       "of sentence_transformers");
}

class ModulesReader {
 public:
  ModulesReader(const fs::path& folder, SentenceTransformerConfig& config)
      : folder_(folder), source_((folder / "modules.json").string()), config_(config) {}

  void read() {
    const std::string text = read_file(folder_ / "modules.json", kMaxConfigBytes);
    const JsonDocument document = JsonDocument::parse(text, source_);
    const JsonView modules = document.root();
    if (!modules.is_array() || modules.size() == 0 || modules.size() > kMaxModules) {
      fail(ErrorCode::kCorruptData, source_, ": must be an array of 1 to ", kMaxModules,
           " modules");
    }
    config_.has_modules = true;
    for (size_t i = 0; i < modules.size(); ++i) {
      const JsonView module = modules.at(i);
      check_keys(module, source_, kModuleKeys);
      const std::string_view type = module.get("type").as_string(source_ + ": a module's type");
      const std::string_view path = module.get("path").as_string(source_ + ": a module's path");
      add(module_kind(type, source_), path, i);
    }
  }

 private:
  fs::path inside(std::string_view path) const {
    return path.empty() ? folder_ : path_inside(folder_, path, source_);
  }

  [[noreturn]] void misplaced(std::string_view what) const {
    fail(ErrorCode::kUnsupported, source_, ": ", what,
         "; accepted is one Transformer, then at most one Pooling, then any number of Dense, "
         "LayerNorm and Normalize");
  }

  void add(ModuleKind kind, std::string_view path, size_t index) {
    if ((kind == ModuleKind::kTransformer) != (index == 0)) {
      misplaced("the Transformer must be the first module and the only one");
    }
    switch (kind) {
      case ModuleKind::kTransformer:
        config_.transformer_folder = inside(path);
        return;
      case ModuleKind::kPooling:
        return set_pooling(inside(path));
      case ModuleKind::kDense:
        return add_dense(inside(path), path);
      case ModuleKind::kLayerNorm:
        return add_layer_norm(inside(path), path);
      case ModuleKind::kNormalize:
        return set_normalize(inside(path), path);
      case ModuleKind::kDropout:
        return;
    }
  }

  void set_pooling(const fs::path& folder) {
    if (config_.pooling || config_.normalize || !config_.pooled.empty()) {
      misplaced("Pooling in another place");
    }
    const PoolingConfig& pooling =
        config_.pooling.emplace(read_pooling(ConfigFile(folder / "config.json").root()));
    if (!pooling.embedding_dimension) return;
    width_ = *pooling.embedding_dimension * static_cast<int64_t>(pooling.modes.size());
  }

  void add_dense(const fs::path& folder, std::string_view path) {
    DenseConfig dense = read_dense(folder, path);
    check_width(folder, "in_features", dense.in_features);
    width_ = dense.out_features;
    add(std::move(dense));
  }

  void add_layer_norm(const fs::path& folder, std::string_view path) {
    LayerNormConfig norm = read_layer_norm(folder, path);
    check_width(folder, "dimension", norm.weight->shape()[0]);
    width_ = norm.weight->shape()[0];
    add(std::move(norm));
  }

  void check_width(const fs::path& folder, std::string_view key, int64_t found) const {
    if (!width_ || *width_ == found) return;
    fail(ErrorCode::kCorruptData, (folder / "config.json").string(), ": ", key, " is ", found,
         ", but the module before it gives ", *width_);
  }

  // A Normalize before it is no longer the last module.
  void add(PooledModule module) {
    if (config_.normalize) config_.pooled.emplace_back(std::move(normalize_));
    config_.normalize = false;
    config_.pooled.push_back(std::move(module));
  }

  // The folder and its config are there only since version 5.2.
  void set_normalize(const fs::path& folder, std::string_view path) {
    if (folder != folder_ && file_exists(folder / "config.json")) {
      ConfigFile(folder / "config.json")->check(kNormalizeKeys);
    }
    if (config_.normalize) return;  // a second one changes nothing
    config_.normalize = true;
    normalize_.folder = path.empty() ? "Normalize" : path;
  }

  const fs::path& folder_;
  std::string source_;
  SentenceTransformerConfig& config_;
  std::optional<int64_t> width_;  // of the vector behind the modules so far, where it is known
  NormalizeConfig normalize_;     // the last module so far, if config_.normalize
};

// What the modules make of the Transformer's output must be a sentence's vector or a pair's score.
void check_output(const SentenceTransformerConfig& config, const std::string& source) {
  switch (config.output) {
    case TransformerOutput::kTokenEmbeddings:
      if (config.pooling) return;
      fail(ErrorCode::kUnsupported, source,
           ": no Pooling module behind the Transformer, so that there is no sentence embedding; "
           "accepted is one Pooling, or a sentence_bert_config.json with \"pooler_output\"");
    case TransformerOutput::kPoolerOutput:
      if (!config.pooling) return;
      fail(ErrorCode::kUnsupported, source,
           ": a Pooling module behind a Transformer that gives pooler_output; accepted is "
           "last_hidden_state with Pooling, or pooler_output without");
    case TransformerOutput::kScores:
      if (!config.pooling && config.pooled.empty() && !config.normalize) return;
      fail(ErrorCode::kUnsupported, source,
           ": modules behind a Transformer for sequence classification are not built; accepted is "
           "the Transformer alone");
  }
}

void read_prompts(const ConfigObject& file, SentenceTransformerConfig& config) {
  const JsonView prompts = file.get("prompts");
  if (prompts && !prompts.is_object()) {
    fail(ErrorCode::kCorruptData, file.what("prompts"), " must be an object from name to text");
  }
  for (size_t i = 0; i < prompts.size(); ++i) {
    const JsonView::Member member = prompts.member(i);
    std::string text;
    if (!member.value.is_null()) text = member.value.as_string(file.what("a prompt"));
    config.prompts.emplace(member.key, std::move(text));
  }
  config.default_prompt_name = file.text("default_prompt_name");
  if (config.default_prompt_name && !config.prompts.contains(*config.default_prompt_name)) {
    fail(ErrorCode::kCorruptData, file.what("default_prompt_name"), " ",
         json_quote(*config.default_prompt_name), " is not one of the prompts");
  }
}

void read_cross_encoder(const ConfigObject& file, SentenceTransformerConfig& config) {
  config.is_cross_encoder = true;
  if (const auto path = file.text("activation_fn")) {
    config.cross_encoder_activation = activation_from_python_path(*path);
    if (!config.cross_encoder_activation) {
      fail(ErrorCode::kUnsupported, file.what("activation_fn"), " ",
           json_quote(path->substr(0, 200)), " is not built; accepted are ",
           known_python_activations());
    }
  }
}

void read_folder_config(const fs::path& path, SentenceTransformerConfig& config) {
  if (!file_exists(path)) return;
  const ConfigFile file(path);
  file->check(kFolderKeys);
  read_prompts(file.root(), config);
  config.similarity_fn_name = file->text("similarity_fn_name");
  config.truncate_dim = file->count("truncate_dim", kMaxFeatures);
  const std::string kind = file->text("model_type").value_or("SentenceTransformer");
  if (kind == "CrossEncoder") {
    read_cross_encoder(file.root(), config);
  } else if (kind != "SentenceTransformer") {
    fail(ErrorCode::kUnsupported, file->what("model_type"), " ", json_quote(kind),
         " is not built; accepted are \"SentenceTransformer\" and \"CrossEncoder\"");
  }
}

// sentence-transformers makes default modules then, and reads neither file.
void warn_of_files_without_modules(const fs::path& folder) {
  for (const std::string_view name :
       {"sentence_bert_config.json", "config_sentence_transformers.json"}) {
    if (!file_exists(folder / name)) continue;
    log(LogLevel::kWarning,
        cat((folder / name).string(), ": not looked at, as there is no modules.json beside it"));
  }
}

// A cross-encoder's scores need its head, and only it may have them.
void check_kind(const SentenceTransformerConfig& config, const std::string& source) {
  const bool scores = config.output == TransformerOutput::kScores;
  if (!config.is_cross_encoder || scores) return;
  fail(ErrorCode::kUnsupported, source,
       ": a CrossEncoder without a sequence classification head is not built; accepted is "
       "\"transformer_task\": \"sequence-classification\" in sentence_bert_config.json");
}

}  // namespace

std::optional<PoolingMode> pooling_mode_from_name(std::string_view name) {
  for (const PoolingRow& row : kPoolingRows) {
    if (row.name == name) return row.mode;
  }
  return std::nullopt;
}

PoolingConfig parse_pooling_config(std::string_view json, std::string_view source) {
  return read_pooling(ConfigFile(json, std::string(source)).root());
}

SentenceTransformerConfig read_sentence_transformer(const fs::path& folder) {
  SentenceTransformerConfig config;
  config.transformer_folder = folder;
  if (!file_exists(folder / "modules.json")) {
    warn_of_files_without_modules(folder);
    return config;
  }
  ModulesReader(folder, config).read();
  const TransformerModule transformer = read_transformer_module(config.transformer_folder);
  config.output = transformer.output;
  config.max_seq_length = transformer.max_seq_length;
  config.do_lower_case = transformer.do_lower_case;
  config.tokenizer_overrides = transformer.tokenizer_overrides;
  read_folder_config(folder / "config_sentence_transformers.json", config);
  const std::string source = (folder / "modules.json").string();
  check_output(config, source);
  check_kind(config, source);
  config.is_cross_encoder |= config.output == TransformerOutput::kScores;
  return config;
}

}  // namespace tamis
