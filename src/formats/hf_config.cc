#include "formats/hf_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "formats/hf_config_keys.h"
#include "formats/hf_families.h"

namespace tamis {

namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;  // id2label of 100,000 labels is 3 MB

// Far above any encoder (XLM-R XXL: hidden 4096, 48 layers, vocabulary 250,880), far below what
// overflows int64 in the estimate of the parameters.
constexpr int64_t kMaxHidden = 65536;
constexpr int64_t kMaxIntermediate = 1 << 20;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxVocab = 16 << 20;
constexpr int64_t kMaxPositions = 1 << 20;
constexpr int64_t kMaxTypes = 65536;
constexpr int64_t kMaxLabels = 1 << 20;
constexpr int64_t kMaxParameters = int64_t{1} << 35;  // 128 GiB of float32

// Configs from before model_type existed name only their class.
struct ClassPrefix {
  std::string_view prefix;
  std::string_view model_type;
};
constexpr ClassPrefix kClassPrefixes[] = {
    {"Bert", "bert"},           {"DistilBert", "distilbert"},  {"Roberta", "roberta"},
    {"Camembert", "camembert"}, {"XLMRoberta", "xlm-roberta"}, {"Albert", "albert"},
    {"Electra", "electra"},
};

struct PythonActivation {
  std::string_view class_name;
  Activation activation;
};
constexpr PythonActivation kPythonActivations[] = {
    {"Identity", Activation::kNone},       {"Tanh", Activation::kTanh},
    {"ReLU", Activation::kRelu},           {"GELU", Activation::kGelu},
    {"Sigmoid", Activation::kSigmoid},     {"SiLU", Activation::kSilu},
    {"Hardswish", Activation::kHardSwish}, {"Mish", Activation::kMish},
    {"ReLU6", Activation::kRelu6},         {"LeakyReLU", Activation::kLeakyRelu},
};

// The family's own rows, and the common ones of other keys.
std::vector<KeyRow> known_keys(const FamilyConfig& family) {
  std::vector<KeyRow> rows(family.keys.begin(), family.keys.end());
  for (const KeyRow& row : hf_config_keys()) {
    const bool own = std::ranges::any_of(
        family.keys, [&row](const KeyRow& other) { return other.key == row.key; });
    if (!own) rows.push_back(row);
  }
  return rows;
}

class ConfigReader {
 public:
  ConfigReader(ConfigFields fields, std::string_view as) : fields_(std::move(fields)), as_(as) {}

  ModelConfig read() {
    read_names();
    config_.fields = fields_;
    if (!as_.empty()) read_as();
    family_ = find_family_config(config_.model_type);
    if (family_ == nullptr) {
      read_other_family();
      return std::move(config_);
    }
    fields_.check(known_keys(*family_));
    read_sizes();
    read_details();
    read_labels(family_->num_labels);
    read_cross_encoder();
    check();
    return std::move(config_);
  }

 private:
  std::string what(std::string_view key) const { return fields_.what(key); }
  JsonView get(std::string_view key) const { return fields_.get(key); }

  void read_as() {
    if (find_family_config(config_.model_type) != nullptr) {
      fail(ErrorCode::kInvalidArgument, "--family ", as_, ": ", what("model_type"), " is ",
           json_quote(config_.model_type), ", which is built; accepted without --family");
    }
    config_.model_type = as_;
    if (find_family_config(as_) != nullptr) return;
    fail(ErrorCode::kInvalidArgument, "--family ", as_,
         " is not built; docs/models.md has the accepted ones");
  }

  // What transformers' base class gives every model; an ONNX file beside it is run all the same.
  void read_other_family() {
    config_.vocab_size = size_if_any("vocab_size", kMaxVocab);
    config_.hidden_size = size_if_any("hidden_size", kMaxHidden);
    config_.max_position_embeddings = size_if_any("max_position_embeddings", kMaxPositions);
    config_.type_vocab_size = size_if_any("type_vocab_size", kMaxTypes);
    const bool named = get("id2label") || get("num_labels") || get("_num_labels");
    named ? read_labels(FamilyConfig{}.num_labels) : read_problem_type();
    read_cross_encoder();
  }

  // 0 where the key is absent, or means something else in that family.
  int64_t size_if_any(std::string_view key, int64_t high) const {
    const JsonView value = get(key);
    const int64_t found = value && value.is_int() ? value.as_int(what(key)) : 0;
    return found > 0 && found <= high ? found : 0;
  }

  template <typename... Parts>
  [[noreturn]] void unsupported(const Parts&... parts) const {
    fail(ErrorCode::kUnsupported, fields_.source(), ": ", parts...);
  }

  // Whether a class that begins so stands in auto_map, "repository--module.Class".
  bool names_code(std::string_view prefix) const {
    const JsonView code = get("auto_map");
    for (size_t i = 0; i < code.size() && code.is_object(); ++i) {
      const JsonView::Member member = code.member(i);
      if (!member.value.is_string()) continue;
      const std::string_view path = member.value.as_string(what("auto_map"));
      if (path.substr(path.rfind('.') + 1).starts_with(prefix)) return true;
    }
    return false;
  }

  void read_names() {
    if (const JsonView names = get("architectures")) {
      if (!names.is_array()) {
        fail(ErrorCode::kCorruptData, what("architectures"), " must be an array of class names");
      }
      for (size_t i = 0; i < names.size(); ++i) {
        config_.architectures.emplace_back(names.at(i).as_string(what("architectures")));
      }
    }
    if (const JsonView type = get("model_type")) {
      config_.model_type = type.as_string(what("model_type"));
      // Checkpoints of JinaBERT call themselves bert.
      if (config_.model_type == "bert" && names_code("JinaBert")) config_.model_type = "jina_bert";
      return;
    }
    for (const std::string& architecture : config_.architectures) {
      for (const ClassPrefix& row : kClassPrefixes) {
        if (architecture.starts_with(row.prefix)) config_.model_type = row.model_type;
      }
    }
    if (config_.model_type.empty()) {
      fail(ErrorCode::kCorruptData, fields_.source(),
           ": no model_type, and architectures names no known class; \"model_type\": \"bert\" for "
           "instance is accepted");
    }
  }

  // The family's own name for the key where the file has it.
  std::string_view spelled(std::string_view key) const {
    for (const KeyAlias& row : family_->aliases) {
      if (row.key == key && get(row.alias)) return row.alias;
    }
    return key;
  }

  int64_t size(std::string_view key, int64_t otherwise, int64_t low, int64_t high) const {
    return fields_.integer(spelled(key), otherwise, low, high);
  }

  void read_sizes() {
    const FamilyConfig& row = *family_;
    config_.vocab_size = size("vocab_size", row.vocab_size, 1, kMaxVocab);
    config_.hidden_size = size("hidden_size", row.hidden_size, 1, kMaxHidden);
    config_.num_hidden_layers = size("num_hidden_layers", row.num_hidden_layers, 0, kMaxLayers);
    config_.num_attention_heads =
        size("num_attention_heads", row.num_attention_heads, 1, kMaxHidden);
    config_.intermediate_size =
        size("intermediate_size", row.intermediate_size, 1, kMaxIntermediate);
    config_.max_position_embeddings =
        size("max_position_embeddings", row.max_position_embeddings, 1, kMaxPositions);
    // A class without segments passes over the key.
    if (row.type_vocab_size != 0) {
      config_.type_vocab_size =
          size("type_vocab_size", std::max<int64_t>(row.type_vocab_size, 0), 0, kMaxTypes);
    }
    config_.embedding_size = config_.hidden_size;
    if (row.embedding_size != 0) {
      config_.embedding_size =
          size("embedding_size", row.embedding_size > 0 ? row.embedding_size : config_.hidden_size,
               1, kMaxHidden);
    }
    config_.num_hidden_groups = size("num_hidden_groups", 1, 1, kMaxLayers);
    config_.inner_group_num = size("inner_group_num", 1, 1, kMaxLayers);
    read_padding();
  }

  // null is a model without padding token; an absent key is the family's default.
  void read_padding() {
    const JsonView pad = fields_.view().get("pad_token_id");
    if (pad && pad.is_null()) return;
    const bool none = family_->pad_token_id == FamilyConfig::kNoPadding;
    const int64_t id =
        size("pad_token_id", family_->pad_token_id, none ? -1 : 0, config_.vocab_size - 1);
    if (id >= 0) config_.pad_token_id = id;
  }

  void read_details() {
    config_.hidden_act = fields_.activation(family_->activation_key, family_->hidden_act);
    config_.layer_norm_eps =
        fields_.number(spelled("layer_norm_eps"), family_->layer_norm_eps, 0, 1);
    config_.tie_word_embeddings = fields_.flag("tie_word_embeddings", family_->tie_word_embeddings);
    config_.sinusoidal_pos_embds = fields_.flag("sinusoidal_pos_embds", false);
    if (const JsonView type = get("summary_type")) {
      config_.summary_type = type.as_string(what("summary_type"));
    }
    config_.summary_use_proj = fields_.flag("summary_use_proj", true);
    config_.summary_activation = fields_.activation("summary_activation", "gelu");
  }

  void read_labels(int64_t usual) {
    const JsonView names = get("id2label");
    if (names && !names.is_object()) {
      fail(ErrorCode::kCorruptData, what("id2label"), " must be an object from id to label");
    }
    // Old configs write _num_labels.
    const int64_t fallback = fields_.integer("_num_labels", usual, 0, kMaxLabels);
    const int64_t asked = fields_.integer("num_labels", fallback, 0, kMaxLabels);
    config_.num_labels = names ? static_cast<int64_t>(names.size()) : asked;
    if (names && get("num_labels") && asked != config_.num_labels) {
      log(LogLevel::kWarning, cat(what("num_labels"), " is ", asked, ", but id2label names ",
                                  config_.num_labels, " labels, which are taken"));
    }
    if (config_.num_labels > kMaxLabels) {
      fail(ErrorCode::kCorruptData, what("id2label"), " has ", config_.num_labels,
           " labels; at most ", kMaxLabels, " are accepted");
    }
    for (int64_t id = 0; id < config_.num_labels; ++id) {
      config_.id2label.push_back(cat("LABEL_", id));
    }
    for (size_t i = 0; i < names.size(); ++i) read_label(names.member(i));
    // Without id2label transformers makes both anew.
    if (names) read_entailment();
    read_problem_type();
  }

  void read_label(const JsonView::Member& member) {
    int64_t id = -1;
    const char* end = member.key.data() + member.key.size();
    const auto parsed = std::from_chars(member.key.data(), end, id);
    if (parsed.ec != std::errc() || parsed.ptr != end || id < 0 || id >= config_.num_labels) {
      fail(ErrorCode::kCorruptData, what("id2label"), ": the id ",
           json_quote(member.key.substr(0, 200)), " is not one of 0 to ", config_.num_labels - 1);
    }
    std::string& label = config_.id2label[static_cast<size_t>(id)];
    // Labels that are numbers are written as numbers by some exporters.
    if (member.value.is_int()) {
      label = cat(member.value.as_int("label"));
    } else {
      label = member.value.as_string(what("id2label"));
    }
  }

  // The first of label2id whose name begins with "entail", as the zero-shot pipeline looks for it.
  void read_entailment() {
    const JsonView ids = get("label2id");
    if (ids && !ids.is_object()) {
      fail(ErrorCode::kCorruptData, what("label2id"), " must be an object from label to id");
    }
    for (size_t i = 0; i < ids.size() && !config_.entailment_id; ++i) {
      const JsonView::Member member = ids.member(i);
      if (!begins_with_entail(member.key)) continue;
      // What is no label's id is an error only where zero-shot asks for it.
      const bool whole = member.value.is_int();
      config_.entailment_id = whole ? member.value.as_int(what("label2id")) : -1;
    }
  }

  static bool begins_with_entail(std::string_view label) {
    constexpr std::string_view kEntail = "entail";
    if (label.size() < kEntail.size()) return false;
    for (size_t i = 0; i < kEntail.size(); ++i) {
      const char c = label[i];
      if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kEntail[i]) return false;
    }
    return true;
  }

  void read_problem_type() {
    const JsonView type = get("problem_type");
    if (!type) return;
    const std::string_view name = type.as_string(what("problem_type"));
    if (name.empty()) return;  // as transformers' pipelines take it
    if (name == "regression") {
      config_.problem_type = ProblemType::kRegression;
    } else if (name == "single_label_classification") {
      config_.problem_type = ProblemType::kSingleLabel;
    } else if (name == "multi_label_classification") {
      config_.problem_type = ProblemType::kMultiLabel;
    } else {
      fail(ErrorCode::kCorruptData, what("problem_type"), " is ", json_quote(name.substr(0, 200)),
           "; accepted are regression, single_label_classification and "
           "multi_label_classification");
    }
  }

  void read_cross_encoder() {
    std::string_view key = "sentence_transformers.activation_fn";
    JsonView path = get("sentence_transformers").get("activation_fn");
    if (path.is_null()) {
      key = "sbert_ce_default_activation_function";
      path = get(key);
    }
    if (path.is_null()) return;
    const std::string_view name = path.as_string(what(key));
    config_.cross_encoder_activation = activation_from_python_path(name);
    if (!config_.cross_encoder_activation) {
      unsupported(key, " ", json_quote(name.substr(0, 200)), " is not built; accepted are ",
                  known_python_activations());
    }
  }

  void check() const {
    const ModelConfig& c = config_;
    if (c.hidden_size % c.num_attention_heads != 0 && !family_->own_head_size) {
      fail(ErrorCode::kCorruptData, fields_.source(), ": num_attention_heads ",
           c.num_attention_heads, " does not divide hidden_size ", c.hidden_size);
    }
    // Each term stays under 2^58: 2^10 layers of 2 * 2^16 * (2^18 + 2^20).
    const int64_t embeddings =
        (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * c.embedding_size;
    const int64_t layer = 2 * c.hidden_size * (2 * c.hidden_size + c.intermediate_size);
    const int64_t total = embeddings + c.num_hidden_layers * layer;
    if (total > kMaxParameters) {
      fail(ErrorCode::kCorruptData, fields_.source(), ": asks for ", total, " parameters, ",
           total / (int64_t{1} << 28), " GiB; at most ", kMaxParameters, " are accepted");
    }
  }

  ConfigFields fields_;
  std::string as_;
  const FamilyConfig* family_ = nullptr;
  ModelConfig config_;
};

}  // namespace

std::optional<Activation> activation_from_python_path(std::string_view path) {
  if (!path.starts_with("torch.nn.")) return std::nullopt;
  const std::string_view class_name = path.substr(path.rfind('.') + 1);
  for (const PythonActivation& row : kPythonActivations) {
    if (row.class_name == class_name) return row.activation;
  }
  return std::nullopt;
}

std::string known_python_activations() {
  std::string names;
  for (const PythonActivation& row : kPythonActivations) {
    names += cat(names.empty() ? "" : ", ", "torch.nn.", row.class_name);
  }
  return names;
}

bool knows_all_keys(std::string_view family, const ConfigFields& fields) {
  const FamilyConfig* row = find_family_config(family);
  if (row == nullptr) return false;
  const std::vector<KeyRow> rows = known_keys(*row);
  for (size_t i = 0; i < fields.view().size(); ++i) {
    const std::string_view key = fields.view().member(i).key;
    if (std::ranges::find(rows, key, &KeyRow::key) == rows.end()) return false;
  }
  return true;
}

ModelConfig ModelConfig::parse(std::string_view json, std::string_view source,
                               std::string_view family) {
  return of(ConfigFields::parse(json, source), family);
}

ModelConfig ModelConfig::of(const ConfigFields& fields, std::string_view family) {
  return ConfigReader(fields, family).read();
}

ModelConfig ModelConfig::read(const std::filesystem::path& path, std::string_view family) {
  return parse(read_file(path, kMaxConfigBytes), path.string(), family);
}

}  // namespace tamis
