#include "formats/sentence_transformers.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/checkpoint.h"

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

// sentence-transformers looks for these, in this order.
constexpr std::string_view kTransformerConfigs[] = {
    "sentence_bert_config.json",       "sentence_roberta_config.json",
    "sentence_distilbert_config.json", "sentence_camembert_config.json",
    "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
};

// A JSON object in a file, with messages that name the file.
class ConfigFile {
 public:
  ConfigFile(std::string_view json, std::string source)
      : source_(std::move(source)), document_(JsonDocument::parse(json, source_)) {
    if (!document_.root().is_object()) {
      fail(ErrorCode::kCorruptData, source_, ": must be a JSON object");
    }
  }
  explicit ConfigFile(const fs::path& path)
      : ConfigFile(read_file(path, kMaxConfigBytes), path.string()) {}

  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] std::string what(std::string_view key) const { return cat(source_, ": ", key); }

  // Absent also where the file says null.
  [[nodiscard]] JsonView get(std::string_view key) const {
    const JsonView value = document_.root().get(key);
    return value.is_null() ? JsonView() : value;
  }
  [[nodiscard]] bool flag(std::string_view key, bool otherwise) const {
    const JsonView value = get(key);
    return value ? value.as_bool(what(key)) : otherwise;
  }
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const {
    const JsonView value = get(key);
    if (!value) return std::nullopt;
    return std::string(value.as_string(what(key)));
  }
  [[nodiscard]] std::optional<int64_t> count(std::string_view key, int64_t most) const {
    const JsonView value = get(key);
    if (!value) return std::nullopt;
    const int64_t number = value.as_int(what(key));
    if (number < 1 || number > most) {
      fail(ErrorCode::kCorruptData, what(key), " is ", number, "; accepted are 1 to ", most);
    }
    return number;
  }
  // Refuses a module that works on something else than the pooled vector.
  void require_pooled(std::string_view key) const {
    const auto name = text(key);
    if (name && *name != "sentence_embedding") {
      fail(ErrorCode::kUnsupported, what(key), " ", json_quote(*name),
           " is not built; only \"sentence_embedding\" is accepted");
    }
  }

 private:
  std::string source_;
  JsonDocument document_;
};

PoolingMode pooling_mode(JsonView value, const ConfigFile& file) {
  const std::string_view name = value.as_string(file.what("pooling_mode"));
  const auto mode = pooling_mode_from_name(name);
  if (mode) return *mode;
  fail(ErrorCode::kUnsupported, file.what("pooling_mode"), " ", json_quote(name.substr(0, 200)),
       " is not built; accepted are cls, max, mean, mean_sqrt_len_tokens, weightedmean and "
       "lasttoken");
}

PoolingConfig read_pooling(const ConfigFile& file) {
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
std::shared_ptr<const Tensor> dense_tensor(const std::vector<StoredTensor>& weights,
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
  DenseConfig dense;
  dense.folder = name;
  const auto in = file.count("in_features", kMaxFeatures);
  const auto out = file.count("out_features", kMaxFeatures);
  if (!in || !out) {
    fail(ErrorCode::kCorruptData, file.source(), ": in_features and out_features are needed");
  }
  dense.in_features = *in;
  dense.out_features = *out;
  file.require_pooled("module_input_name");
  file.require_pooled("module_output_name");
  if (file.flag("use_residual", false)) {
    fail(ErrorCode::kUnsupported, file.source(),
         ": use_residual is true, which is not built; false is accepted");
  }
  if (const auto path = file.text("activation_function")) {
    const auto activation = activation_from_python_path(*path);
    if (!activation) {
      fail(ErrorCode::kUnsupported, file.what("activation_function"), " ",
           json_quote(path->substr(0, 200)), " is not built; accepted are ",
           known_python_activations());
    }
    dense.activation = *activation;
  }
  const std::vector<StoredTensor> weights = read_weights(folder);
  dense.weight = dense_tensor(weights, "linear.weight", {*out, *in}, folder);
  if (file.flag("bias", true)) dense.bias = dense_tensor(weights, "linear.bias", {*out}, folder);
  return dense;
}

enum class ModuleKind : uint8_t { kTransformer, kPooling, kDense, kNormalize, kDropout };

struct ModuleRow {
  std::string_view class_name;
  ModuleKind kind;
};
constexpr ModuleRow kModules[] = {
    {"Transformer", ModuleKind::kTransformer},
    {"Pooling", ModuleKind::kPooling},
    {"Dense", ModuleKind::kDense},
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
       " is not built; accepted are Transformer, Pooling, Dense, Normalize and Dropout of "
       "sentence_transformers");
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
         "; accepted is one Transformer, then at most one Pooling, then any number of Dense, then "
         "at most one Normalize");
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
        if (config_.pooling || config_.normalize) misplaced("Pooling in another place");
        config_.pooling = read_pooling(ConfigFile(inside(path) / "config.json"));
        return;
      case ModuleKind::kDense:
        if (!config_.pooling || config_.normalize) misplaced("Dense in another place");
        add_dense(inside(path), path);
        return;
      case ModuleKind::kNormalize:
        if (!config_.pooling || config_.normalize) misplaced("Normalize in another place");
        add_normalize(inside(path));
        return;
      case ModuleKind::kDropout:
        return;
    }
  }

  void add_dense(const fs::path& folder, std::string_view path) {
    DenseConfig dense = read_dense(folder, path);
    std::optional<int64_t> width;
    if (!config_.dense.empty()) {
      width = config_.dense.back().out_features;
    } else if (config_.pooling->embedding_dimension) {
      width = *config_.pooling->embedding_dimension *
              static_cast<int64_t>(config_.pooling->modes.size());
    }
    if (width && *width != dense.in_features) {
      fail(ErrorCode::kCorruptData, (folder / "config.json").string(), ": in_features is ",
           dense.in_features, ", but the module before it gives ", *width);
    }
    config_.dense.push_back(std::move(dense));
  }

  // The folder and its config are there only since version 5.2.
  void add_normalize(const fs::path& folder) {
    if (folder != folder_ && file_exists(folder / "config.json")) {
      const ConfigFile file(folder / "config.json");
      file.require_pooled("module_input_name");
      file.require_pooled("module_output_name");
    }
    config_.normalize = true;
  }

  const fs::path& folder_;
  std::string source_;
  SentenceTransformerConfig& config_;
};

void read_transformer_config(SentenceTransformerConfig& config) {
  for (const std::string_view name : kTransformerConfigs) {
    const fs::path path = config.transformer_folder / name;
    if (!file_exists(path)) continue;
    const ConfigFile file(path);
    config.max_seq_length = file.count("max_seq_length", kMaxLength);
    config.do_lower_case = file.flag("do_lower_case", false);
    return;
  }
}

void read_prompts(const fs::path& path, SentenceTransformerConfig& config) {
  if (!file_exists(path)) return;
  const ConfigFile file(path);
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
  config.similarity_fn_name = file.text("similarity_fn_name");
}

}  // namespace

std::string_view pooling_mode_name(PoolingMode mode) {
  for (const PoolingRow& row : kPoolingRows) {
    if (row.mode == mode) return row.name;
  }
  return "mean";
}

std::optional<PoolingMode> pooling_mode_from_name(std::string_view name) {
  for (const PoolingRow& row : kPoolingRows) {
    if (row.name == name) return row.mode;
  }
  return std::nullopt;
}

PoolingConfig parse_pooling_config(std::string_view json, std::string_view source) {
  return read_pooling(ConfigFile(json, std::string(source)));
}

SentenceTransformerConfig read_sentence_transformer(const fs::path& folder) {
  SentenceTransformerConfig config;
  config.transformer_folder = folder;
  if (file_exists(folder / "modules.json")) ModulesReader(folder, config).read();
  read_transformer_config(config);
  read_prompts(folder / "config_sentence_transformers.json", config);
  return config;
}

}  // namespace tamis
