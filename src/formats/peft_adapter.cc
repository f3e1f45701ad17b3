#include "formats/peft_adapter.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "formats/config_file.h"
#include "formats/pytorch/pytorch_bin.h"
#include "formats/safetensors.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kConfigName = "adapter_config.json";
// Parts of names that PEFT's modules around those of the base leave.
constexpr std::string_view kWrapper = ".modules_to_save";
constexpr std::string_view kBaseLayer = ".base_layer";
constexpr std::string_view kOtherLora = "this kind of LoRA is not built";

constexpr KeyRow kKeys[] = {
    honored("r"),
    honored("lora_alpha"),
    honored("use_rslora"),
    honored("alpha_pattern"),
    honored("use_dora"),
    refused("peft_type", "only LoRA is built", {"\"LORA\""}),
    // What of the base it was made for; the tensors' names say it again.
    harmless("target_modules"),
    harmless("exclude_modules"),
    harmless("modules_to_save"),
    harmless("layers_to_transform"),
    harmless("layers_pattern"),
    harmless("rank_pattern"),  // A's own rows are the rank
    harmless("bias"),
    honored("lora_bias"),
    harmless("fan_in_fan_out"),  // peft sets it to false for linear layers
    // Of a base that lies elsewhere (adapter_base.h).
    honored("task_type"),
    honored("auto_mapping"),
    honored("base_model_name_or_path"),
    honored("revision"),
    harmless("peft_version"),
    harmless("inference_mode"),
    harmless("lora_dropout"),
    harmless("runtime_config"),
    harmless("megatron_core"),
    harmless("qalora_group_size"),
    harmless("eva_config"),
    harmless("lora_ga_config"),
    harmless("ensure_weight_tying"),
    refused("init_lora_weights", "an initialization that changes the base's weights is not built",
            {"true", "false", "\"gaussian\"", "\"eva\""}),
    refused("use_qalora", kOtherLora, {"false"}),
    refused("use_bdlora", kOtherLora, {"false"}),
    refused("layer_replication", kOtherLora),
    refused("loftq_config", kOtherLora, {"{}"}),
    refused("corda_config", kOtherLora),
    refused("kasa_config", kOtherLora),
    refused("arrow_config", kOtherLora),
    refused("velora_config", kOtherLora),
    refused("monteclora_config", kOtherLora),
    refused("megatron_config", kOtherLora),
    refused("trainable_token_indices", kOtherLora),
    refused("target_parameters", kOtherLora, {"[]"}),
    refused("alora_invocation_tokens", kOtherLora),
    refused("alora_invocation_string", kOtherLora),
};
static_assert(keys_are_distinct(kKeys));

// The adapter's parts of one parameter of the base.
struct Update {
  const StoredTensor* a = nullptr;          // [r, in], of an embedding [r, rows]
  const StoredTensor* b = nullptr;          // [out, r]
  const StoredTensor* bias = nullptr;       // [out], lora_bias: of B, scaled as it is
  const StoredTensor* magnitude = nullptr;  // [out], use_dora
  bool embedding = false;
};

struct Part {
  std::string_view suffix;
  const StoredTensor* Update::*place;
  bool embedding;
};
constexpr Part kParts[] = {
    {".lora_A.weight", &Update::a, false},
    {".lora_B.weight", &Update::b, false},
    {".lora_B.bias", &Update::bias, false},
    {".lora_embedding_A", &Update::a, true},
    {".lora_embedding_B", &Update::b, true},
    {".lora_magnitude_vector", &Update::magnitude, false},
    {".lora_magnitude_vector.weight", &Update::magnitude, false},
};

// alpha_pattern: an alpha of its own for the modules whose names end so.
struct AlphaRow {
  std::string
      pattern;  // of letters, digits, _ and "-", a "." for any character, perhaps ^ in front
  double alpha = 0;
};

// As Python's re.match(r"(.*\.)?(PATTERN)$", module) finds it.
bool ends_with_pattern(std::string_view module, std::string_view pattern) {
  const bool whole = pattern.starts_with('^');
  if (whole) pattern.remove_prefix(1);
  if (whole ? module.size() != pattern.size() : module.size() < pattern.size()) return false;
  const size_t start = module.size() - pattern.size();
  if (start > 0 && module[start - 1] != '.') return false;
  return std::ranges::equal(module.substr(start), pattern,
                            [](char have, char want) { return want == '.' || have == want; });
}

class Adapter {
 public:
  Adapter(const fs::path& folder, std::vector<StoredTensor>& tensors)
      : folder_(folder), source_((folder / kConfigName).string()), tensors_(tensors) {}

  void apply() {
    read_config();
    std::vector<StoredTensor> parts = read_parts();
    // What a module saved whole is called without its wrapper is what PEFT reads.
    std::ranges::stable_partition(
        parts, [](const StoredTensor& part) { return part.name.find(kWrapper) != part.name.npos; });
    std::map<std::string, Update> updates;
    for (const StoredTensor& part : parts) sort(part, updates);
    for (const auto& [module, update] : updates) add(module, update);
    log(LogLevel::kInfo, cat(source_, ": LoRA of ", updates.size(), " modules applied"));
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(ErrorCode code, const Parts&... parts) const {
    fail(code, source_, ": ", parts...);
  }

  void read_config() {
    const ConfigFile file(folder_ / kConfigName);
    file->check(kKeys);
    if (!file->get("peft_type")) {
      refuse(ErrorCode::kUnsupported, "no peft_type; accepted is \"LORA\"");
    }
    alpha_ = 8;  // peft's default
    if (const JsonView alpha = file->get("lora_alpha")) alpha_ = finite(alpha, "lora_alpha");
    if (const auto patterns = file->object("alpha_pattern")) read_patterns(patterns->view());
    rslora_ = file->flag("use_rslora", false);
    dora_ = file->flag("use_dora", false);
  }

  double finite(JsonView value, std::string_view key) const {
    const double number = value.as_double(cat(source_, ": ", key));
    if (!std::isfinite(number)) refuse(ErrorCode::kCorruptData, key, " must be a finite number");
    return number;
  }

  void read_patterns(JsonView patterns) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    for (size_t i = 0; i < patterns.size(); ++i) {
      const JsonView::Member row = patterns.member(i);
      std::string_view name = row.key;
      if (name.starts_with('^')) name.remove_prefix(1);
      const bool plain = !name.empty() && name.find_first_not_of(kPlain) == name.npos;
      if (!plain) {
        refuse(ErrorCode::kUnsupported, "alpha_pattern has the pattern ",
               json_quote(row.key.substr(0, 200)),
               "; accepted are names, or ends of names, of modules");
      }
      alphas_.push_back({std::string(row.key), finite(row.value, "alpha_pattern")});
    }
  }

  // The first pattern decides.
  double alpha_of(std::string_view module) const {
    for (const AlphaRow& row : alphas_) {
      if (ends_with_pattern(module, row.pattern)) return row.alpha;
    }
    return alpha_;
  }

  std::vector<StoredTensor> read_parts() const {
    const fs::path safe = folder_ / "adapter_model.safetensors";
    const fs::path bin = folder_ / "adapter_model.bin";
    if (file_exists(safe)) return read_safetensors(safe).tensors;
    if (file_exists(bin)) return read_pytorch_bin(bin);
    refuse(ErrorCode::kNotFound,
           "no weights of the adapter here; accepted are adapter_model.safetensors and "
           "adapter_model.bin");
  }

  // "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight", or a parameter to be
  // put in whole.
  void sort(const StoredTensor& part, std::map<std::string, Update>& updates) {
    constexpr std::string_view kPrefix = "base_model.model.";
    std::string_view name = part.name;
    if (!name.starts_with(kPrefix)) not_understood(part);
    name.remove_prefix(kPrefix.size());
    require_finite(part);
    for (const Part& row : kParts) {
      if (!name.ends_with(row.suffix)) continue;
      Update& update = updates[std::string(name.substr(0, name.size() - row.suffix.size()))];
      update.*row.place = &part;
      update.embedding |= row.embedding;
      return;
    }
    if (name.find("lora_") != name.npos) not_understood(part);
    // bias "all" saves the unused original of a module that is saved whole.
    if (name.find(".original_module.") != name.npos) return;
    std::string parameter(name);
    for (const std::string_view wrapper : {kWrapper, kBaseLayer}) {
      if (const size_t at = parameter.find(wrapper); at != parameter.npos) {
        parameter.erase(at, wrapper.size());
      }
    }
    put(parameter, part);
  }

  [[noreturn]] void not_understood(const StoredTensor& part) const {
    refuse(ErrorCode::kUnsupported, "the adapter's tensor ", json_quote(part.name.substr(0, 200)),
           " is not understood; accepted are lora_A, lora_B, lora_embedding_A, lora_embedding_B, "
           "lora_magnitude_vector and parameters of the base");
  }

  // The base's parameter of that name, with or without the prefix of a class with a head on either
  // side; null if there is none.
  StoredTensor* find(std::string_view name) {
    StoredTensor* found = nullptr;
    for (StoredTensor& tensor : tensors_) {
      if (tensor.name == name) return &tensor;
    }
    for (StoredTensor& tensor : tensors_) {
      const std::string_view base = tensor.name;
      if (base.ends_with(cat(".", name)) || name.ends_with(cat(".", base))) {
        if (found != nullptr) {
          refuse(ErrorCode::kUnsupported, json_quote(name), " may be ", json_quote(found->name),
                 " or ", json_quote(base), " of the weights; accepted is one of them");
        }
        found = &tensor;
      }
    }
    return found;
  }

  StoredTensor& base_of(std::string_view name) {
    if (StoredTensor* base = find(name)) return *base;
    refuse(ErrorCode::kCorruptData, "changes ", json_quote(name.substr(0, 200)),
           ", but the weights beside it hold no such tensor");
  }

  // bias "all", modules_to_save: a parameter of the adapter in the place of the base's.
  void put(std::string_view name, const StoredTensor& part) {
    StoredTensor* base = find(name);
    StoredTensor whole = part;
    whole.name = base == nullptr ? std::string(name) : base->name;
    if (base == nullptr) {
      tensors_.push_back(std::move(whole));
    } else {
      *base = std::move(whole);
    }
  }

  double scale(std::string_view module, int64_t rank) const {
    const auto r = static_cast<double>(rank);
    return alpha_of(module) / (rslora_ ? std::sqrt(r) : r);
  }

  void replace(StoredTensor& base, Tensor tensor) const {
    base.dtype = dtype_name(tensor.dtype());
    base.tensor = std::make_shared<const Tensor>(std::move(tensor));
  }

  void add_bias(const std::string& module, const StoredTensor& part, double factor) {
    StoredTensor& base = base_of(module + ".bias");
    Tensor sum = to_float32(usable_tensor(base)->view());
    const Tensor bias = to_float32(usable_tensor(part)->view());
    if (bias.shape() != sum.shape()) {
      refuse(ErrorCode::kCorruptData, json_quote(part.name), " ", bias.shape().to_string(),
             " does not fit ", json_quote(base.name), " ", sum.shape().to_string());
    }
    const std::span<float> out = sum.mutable_as<float>();
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(double{out[i]} + factor * double{bias.as<float>()[i]});
    }
    replace(base, std::move(sum));
  }

  // peft leaves a decoder tied to the table as it was, and a decoder of its own is not stored.
  void check_embedding(const std::string& module) const {
    for (const StoredTensor& tensor : tensors_) {
      for (const std::string_view head : {"predictions.", "lm_head.", "vocab_transform."}) {
        if (tensor.name.find(head) == tensor.name.npos) continue;
        refuse(ErrorCode::kUnsupported, "LoRA of the embedding ", json_quote(module),
               " beside a head of masked words (", json_quote(tensor.name),
               ") is not built; accepted are other modules");
      }
    }
  }

  void add(const std::string& module, const Update& update) {
    if (update.a == nullptr || update.b == nullptr) {
      refuse(ErrorCode::kCorruptData, json_quote(module), " has only one of the two parts of LoRA");
    }
    check_magnitude(module, update);
    if (update.embedding) check_embedding(module);
    StoredTensor& base = base_of(module + ".weight");
    const Tensor a = to_float32(usable_tensor(*update.a)->view());
    const Tensor b = to_float32(usable_tensor(*update.b)->view());
    const std::shared_ptr<const Tensor>& weight = usable_tensor(base);
    const bool matrices =
        a.shape().rank() == 2 && b.shape().rank() == 2 && weight->shape().rank() == 2;
    const int64_t rank = matrices ? a.shape()[0] : 0;
    // An embedding's table is [rows, width]: its update is (B A)^T.
    const size_t rows = update.embedding ? 1 : 0;
    const bool fits = matrices && rank > 0 && b.shape()[1] == rank &&
                      b.shape()[0] == weight->shape()[rows] &&
                      a.shape()[1] == weight->shape()[1 - rows];
    if (!fits) {
      refuse(ErrorCode::kCorruptData, json_quote(module), ": A ", a.shape().to_string(), " and B ",
             b.shape().to_string(), " do not fit ", json_quote(base.name), " ",
             weight->shape().to_string());
    }
    Tensor sum = to_float32(weight->view());
    add_product(a, b, update.embedding, scale(module, rank), sum);
    if (dora_) set_magnitudes(module, update, sum);
    replace(base, std::move(sum));
    if (update.bias != nullptr) add_bias(module, *update.bias, scale(module, rank));
  }

  // DoRA: each output's weights keep their direction and get the length that was trained; of a
  // table [rows, width] an output is a column.
  void set_magnitudes(const std::string& module, const Update& update, Tensor& sum) const {
    const auto rows = static_cast<size_t>(sum.shape()[0]);
    const auto width = static_cast<size_t>(sum.shape()[1]);
    const size_t outputs = update.embedding ? width : rows;
    const Tensor lengths = to_float32(usable_tensor(*update.magnitude)->view());
    if (lengths.shape() != Shape{static_cast<int64_t>(outputs)}) {
      refuse(ErrorCode::kCorruptData, json_quote(module), ": lora_magnitude_vector ",
             lengths.shape().to_string(), " does not fit ", sum.shape().to_string());
    }
    const std::span<float> values = sum.mutable_as<float>();
    std::vector<double> squares(outputs);
    for (size_t i = 0; i < values.size(); ++i) {
      squares[update.embedding ? i % width : i / width] += double{values[i]} * double{values[i]};
    }
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t output = update.embedding ? i % width : i / width;
      const double length = double{lengths.as<float>()[output]};
      values[i] = static_cast<float>(double{values[i]} * length / std::sqrt(squares[output]));
    }
  }

  void check_magnitude(const std::string& module, const Update& update) const {
    if ((update.magnitude != nullptr) == dora_) return;
    refuse(ErrorCode::kCorruptData, json_quote(module),
           dora_ ? " has no lora_magnitude_vector, but use_dora is true"
                 : " has a lora_magnitude_vector, but use_dora is false");
  }

  // sum[i, j] += scale * (B A)[i, j], or (B A)[j, i] of an embedding.
  static void add_product(const Tensor& a, const Tensor& b, bool transposed, double scale,
                          Tensor& sum) {
    const int64_t rank = a.shape()[0];
    const int64_t inner = a.shape()[1];
    const int64_t outer = b.shape()[0];
    const std::span<const float> left = b.as<float>();
    const std::span<const float> right = a.as<float>();
    const std::span<float> out = sum.mutable_as<float>();
    std::vector<double> row(static_cast<size_t>(inner));
    for (int64_t i = 0; i < outer; ++i) {
      std::fill(row.begin(), row.end(), 0.0);
      for (int64_t k = 0; k < rank; ++k) {
        const double factor = scale * double{left[static_cast<size_t>(i * rank + k)]};
        const float* from = right.data() + k * inner;
        for (int64_t j = 0; j < inner; ++j) row[static_cast<size_t>(j)] += factor * double{from[j]};
      }
      for (int64_t j = 0; j < inner; ++j) {
        const int64_t at = transposed ? j * outer + i : i * inner + j;
        float& value = out[static_cast<size_t>(at)];
        value = static_cast<float>(double{value} + row[static_cast<size_t>(j)]);
      }
    }
  }

  const fs::path& folder_;
  std::string source_;
  std::vector<StoredTensor>& tensors_;
  double alpha_ = 0;
  std::vector<AlphaRow> alphas_;
  bool rslora_ = false;
  bool dora_ = false;
};

}  // namespace

void apply_peft_adapter(const fs::path& folder, std::vector<StoredTensor>& tensors) {
  if (file_exists(folder / kConfigName)) Adapter(folder, tensors).apply();
}

std::vector<std::string> adapter_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (file_exists(entry->path() / kConfigName)) names.push_back(entry->path().filename());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace tamis
