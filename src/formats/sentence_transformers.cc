#include "formats/sentence_transformers.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "formats/chat_template.h"
#include "formats/checkpoint.h"
#include "formats/config_file.h"
#include "formats/hf_config.h"
#include "formats/sentence_modules.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxConfigBytes = size_t{4} << 20;
constexpr size_t kMaxModules = 64;
constexpr int64_t kMaxLength = 1 << 30;

constexpr KeyRow kModuleKeys[] = {
    honored("type"),
    honored("path"),
    harmless("idx"),  // modules apply in the order of the file
    harmless("name"),
    refused("kwargs", "arguments for a module's call are not built", {"[]", "{}"}),
};
static_assert(keys_are_distinct(kModuleKeys));

constexpr KeyRow kFolderKeys[] = {
    honored("prompts"),       honored("default_prompt_name"),   honored("similarity_fn_name"),
    honored("model_type"),    honored("activation_fn"),         harmless("__version__"),
    harmless("requirements"), harmless("keep_in_fp32_modules"), honored("truncate_dim"),
};
static_assert(keys_are_distinct(kFolderKeys));

enum class ModuleKind : uint8_t {
  kTransformer,
  kPooling,
  kDense,
  kLayerNorm,
  kNormalize,
  kDropout,
  kLogitScore
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
    {"LogitScore", ModuleKind::kLogitScore},
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
       " is not built; accepted are Transformer, Pooling, Dense, LayerNorm, Normalize, Dropout and "
       "LogitScore of sentence_transformers");
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
      case ModuleKind::kLogitScore:
        if (config_.logit_score) misplaced("two LogitScores");
        config_.logit_score = read_logit_score(ConfigFile(inside(path) / "config.json").root());
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
      check_normalize(ConfigFile(folder / "config.json").root());
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
  const bool alone = !config.pooling && config.pooled.empty() && !config.normalize;
  if (config.logit_score && config.output != TransformerOutput::kNextToken) {
    fail(ErrorCode::kUnsupported, source,
         ": a LogitScore behind a Transformer that gives no scores of next words; accepted is "
         "\"transformer_task\": \"text-generation\" in sentence_bert_config.json");
  }
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
      if (alone) return;
      fail(ErrorCode::kUnsupported, source,
           ": modules behind a Transformer for sequence classification are not built; accepted is "
           "the Transformer alone");
    case TransformerOutput::kNextToken:
      if (alone && config.logit_score) return;
      fail(ErrorCode::kUnsupported, source,
           ": a Transformer for text generation without a LogitScore alone behind it; text is not "
           "generated, accepted are both together");
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

bool gives_scores(TransformerOutput output) {
  return output == TransformerOutput::kScores || output == TransformerOutput::kNextToken;
}

// A cross-encoder's scores need its head, and only it may have them.
void check_kind(const SentenceTransformerConfig& config, const std::string& source) {
  const bool scores = gives_scores(config.output);
  if (!config.is_cross_encoder || scores) return;
  fail(ErrorCode::kUnsupported, source,
       ": a CrossEncoder without a sequence classification head is not built; accepted is "
       "\"transformer_task\": \"sequence-classification\" in sentence_bert_config.json");
}

}  // namespace

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
  config.is_cross_encoder |= gives_scores(config.output);
  if (config.logit_score) {
    const ChatTemplateText chat = read_chat_template(config.transformer_folder);
    config.pair_template =
        parse_pair_template(chat.text, chat.source, transformer.add_generation_prompt);
  }
  return config;
}

}  // namespace tamis
