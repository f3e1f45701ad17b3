#include "formats/module_list.h"

#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/config_file.h"
#include "formats/sentence_modules.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxConfigBytes = size_t{4} << 20;
constexpr size_t kMaxModules = 64;

constexpr KeyRow kModuleKeys[] = {
    honored("type"),
    honored("path"),
    harmless("idx"),  // modules apply in the order of the file
    harmless("name"),
    refused("kwargs", "arguments for a module's call are not built", {"[]", "{}"}),
};
static_assert(keys_are_distinct(kModuleKeys));

constexpr KeyRow kNormalizeKeys[] = {
    honored("module_input_name"),
    honored("module_output_name"),
};
static_assert(keys_are_distinct(kNormalizeKeys));

enum class ModuleKind : uint8_t {
  kTransformer,
  kMlmTransformer,
  kPooling,
  kSplade,
  kStatic,
  kSparseStatic,
  kRouter,
  kDense,
  kLayerNorm,
  kMask,
  kNormalize,
  kDropout,
  kLogitScore,
};

struct ModuleRow {
  std::string_view class_name;
  ModuleKind kind;
};
constexpr ModuleRow kModules[] = {
    {"Transformer", ModuleKind::kTransformer}, {"MLMTransformer", ModuleKind::kMlmTransformer},
    {"Pooling", ModuleKind::kPooling},         {"SpladePooling", ModuleKind::kSplade},
    {"StaticEmbedding", ModuleKind::kStatic},  {"SparseStaticEmbedding", ModuleKind::kSparseStatic},
    {"Router", ModuleKind::kRouter},           {"Asym", ModuleKind::kRouter},
    {"MultiVectorMask", ModuleKind::kMask},    {"Dense", ModuleKind::kDense},
    {"LayerNorm", ModuleKind::kLayerNorm},     {"Normalize", ModuleKind::kNormalize},
    {"Dropout", ModuleKind::kDropout},         {"LogitScore", ModuleKind::kLogitScore},
};

// "sentence_transformers.models.Pooling" and, since version 5.2,
// "sentence_transformers.sentence_transformer.modules.pooling.Pooling".
ModuleKind module_kind(std::string_view type, std::string_view source) {
  const std::string_view class_name = type.substr(type.rfind('.') + 1);
  for (const ModuleRow& row : kModules) {
    const bool ours = type.starts_with("sentence_transformers.") ||
                      (row.kind == ModuleKind::kDense && type.starts_with("pylate."));
    if (ours && row.class_name == class_name) return row.kind;
  }
  fail(ErrorCode::kUnsupported, source, ": module ", json_quote(type.substr(0, 200)),
       " is not built; accepted are Transformer, MLMTransformer, StaticEmbedding, "
       "SparseStaticEmbedding, Pooling, SpladePooling, Dense, LayerNorm, MultiVectorMask, "
       "Normalize, Dropout, LogitScore and Router "
       "of sentence_transformers, and Dense of pylate");
}

class ModulesReader {
 public:
  /// With `by_token`, modules that do not say work on the tokens' vectors.
  ModulesReader(const fs::path& folder, bool by_token, SentenceTransformerConfig& config)
      : folder_(folder),
        source_((folder / "modules.json").string()),
        by_token_(by_token),
        config_(config) {
    if (by_token) config.late_interaction.emplace().normalize = false;
  }

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
      const ModuleKind kind = module_kind(type, source_);
      if (kind == ModuleKind::kSparseStatic && modules.size() == 1) return add_token_weights(path);
      if (kind == ModuleKind::kRouter) {
        if (i != 0) misplaced("a Router behind other modules");
        add_routes(path);
        if (query_ == nullptr && modules.size() != 1) {
          misplaced("a Router of sparse embeddings beside other modules");
        }
        continue;
      }
      add(kind, path, i);
      if (query_ != nullptr) query_->add_behind_router(kind, path);
    }
    if (query_ != nullptr) finish_query();
  }

 private:
  fs::path inside(std::string_view path) const {
    return path.empty() ? folder_ : path_inside(folder_, path, source_);
  }

  [[noreturn]] void misplaced(std::string_view what) const {
    fail(ErrorCode::kUnsupported, source_, ": ", what,
         "; accepted is one Transformer, then at most one Pooling, then any number of Dense, "
         "LayerNorm and Normalize; or one SpladePooling; or Dense, MultiVectorMask and Normalize "
         "for tokens; or one LogitScore; or a Router; or one StaticEmbedding, then any number "
         "of Dense, LayerNorm and Normalize; or one SparseStaticEmbedding");
  }

  // Whether it reads texts.
  static bool is_first(ModuleKind kind) {
    return kind == ModuleKind::kTransformer || kind == ModuleKind::kMlmTransformer ||
           kind == ModuleKind::kStatic;
  }

  void add(ModuleKind kind, std::string_view path, size_t index) {
    if (is_first(kind) != (index == 0)) {
      misplaced("the Transformer must be the first module and the only one");
    }
    switch (kind) {
      case ModuleKind::kStatic:
        config_.output = TransformerOutput::kStaticEmbedding;
        config_.transformer_folder = inside(path);
        return;
      case ModuleKind::kMlmTransformer:
        config_.output = TransformerOutput::kVocabularyLogits;
        config_.transformer_folder = inside(path);
        return;
      case ModuleKind::kTransformer:
        config_.transformer_folder = inside(path);
        return;
      case ModuleKind::kSplade:
        if (config_.sparse) misplaced("SpladePooling twice");
        config_.sparse = read_splade(ConfigFile(inside(path) / "config.json").root());
        return;
      case ModuleKind::kMask:
        late().masked = true;
        late().skiplist = read_multi_vector_mask(ConfigFile(inside(path) / "config.json").root());
        return;
      case ModuleKind::kSparseStatic:
      case ModuleKind::kRouter:
        misplaced("a SparseStaticEmbedding or Router in another place");
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

  // The vectors of tokens, which the first module that works on them begins.
  LateInteractionConfig& late() {
    if (config_.pooling || !config_.pooled.empty()) {
      misplaced("a module for tokens behind one for the pooled vector");
    }
    if (!config_.late_interaction) config_.late_interaction.emplace().normalize = false;
    return *config_.late_interaction;
  }

  // Every text by the weights of its tokens.
  void add_token_weights(std::string_view path) {
    config_.output = TransformerOutput::kTokenWeights;
    config_.transformer_folder = inside(path);
    config_.sparse.emplace();
    config_.sparse->query_weights = read_static_weights(config_.transformer_folder);
  }

  // Of a route whose modules read texts already.
  void add_behind_router(ModuleKind kind, std::string_view path) {
    constexpr size_t kBehind = 1;
    add(kind, path, kBehind);
  }

  void finish_query() {
    if (config_.sparse || config_.late_interaction || config_.logit_score) {
      misplaced("a Router whose document route gives no embedding of a text");
    }
    if (query_->config_.pooling) misplaced("a Pooling behind a StaticEmbedding");
    config_.query = std::move(query_config_);
  }

  // Queries of a table of tokens' vectors.
  void add_query_route(const Routes& routes, std::string_view path) {
    query_config_ = std::make_shared<SentenceTransformerConfig>();
    query_config_->has_modules = true;
    query_ = std::make_unique<ModulesReader>(folder_, false, *query_config_);
    for (size_t i = 0; i < routes.query.size(); ++i) {
      const RouteModule& module = routes.query[i];
      query_->add(module_kind(module.type, source_), place_of(path, module), i);
    }
    config_.by_default = routes.by_default;
  }

  static std::string place_of(std::string_view path, const RouteModule& module) {
    return cat(path, path.empty() || module.path.empty() ? "" : "/", module.path);
  }

  // Documents take the modules of their route; queries only weights that need no model.
  void add_routes(std::string_view path) {
    const Routes routes = read_router(inside(path));
    const ModuleKind first = module_kind(routes.query[0].type, source_);
    const bool sparse = first == ModuleKind::kSparseStatic && routes.query.size() == 1;
    if (!sparse && first != ModuleKind::kStatic) {
      misplaced(
          cat("a Router whose query route is neither one SparseStaticEmbedding nor begins with a "
              "StaticEmbedding: it begins with ",
              json_quote(routes.query[0].type.substr(0, 200))));
    }
    for (size_t i = 0; i < routes.document.size(); ++i) {
      const RouteModule& module = routes.document[i];
      const ModuleKind kind = module_kind(module.type, source_);
      if (kind == ModuleKind::kStatic) misplaced("a Router whose documents need no transformer");
      add(kind, place_of(path, module), i);
    }
    if (!sparse) return add_query_route(routes, path);
    if (!config_.sparse) misplaced("a Router whose document route has no SpladePooling");
    const fs::path words = inside(place_of(path, routes.query[0]));
    config_.sparse->query_weights = read_static_weights(words);
    config_.sparse->query_folder = words;
    check_same_tokenizer(words, config_.transformer_folder);
  }

  static void check_same_tokenizer(const fs::path& query, const fs::path& document) {
    const fs::path own = query / "tokenizer.json";
    const fs::path other = document / "tokenizer.json";
    if (!file_exists(own) || !file_exists(other) || read_file(own) == read_file(other)) return;
    fail(ErrorCode::kUnsupported, own.string(), ": another tokenizer than ", other.string(),
         " is not built; accepted is the same for queries and documents");
  }

  void set_pooling(const fs::path& folder) {
    if (config_.pooling || config_.normalize || !config_.pooled.empty() ||
        config_.late_interaction) {
      misplaced("Pooling in another place");
    }
    const PoolingConfig& pooling =
        config_.pooling.emplace(read_pooling(ConfigFile(folder / "config.json").root()));
    if (!pooling.embedding_dimension) return;
    width_ = *pooling.embedding_dimension * static_cast<int64_t>(pooling.modes.size());
  }

  void add_dense(const fs::path& folder, std::string_view path) {
    DenseConfig dense = read_dense(folder, path, by_token_);
    if (dense.by_token) return add_projection(std::move(dense), folder);
    if (config_.late_interaction) misplaced("a Dense for the pooled vector behind one for tokens");
    check_width(folder, "in_features", dense.in_features);
    width_ = dense.out_features;
    add(std::move(dense));
  }

  void add_layer_norm(const fs::path& folder, std::string_view path) {
    if (config_.late_interaction) misplaced("a LayerNorm behind a module for tokens");
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

  void add_projection(DenseConfig dense, const fs::path& folder) {
    if (late().normalize) misplaced("a Dense for tokens behind their Normalize");
    std::vector<DenseConfig>& projection = late().projection;
    if (!projection.empty() && projection.back().out_features != dense.in_features) {
      fail(ErrorCode::kCorruptData, (folder / "config.json").string(), ": in_features is ",
           dense.in_features, ", but the module before it gives ", projection.back().out_features);
    }
    projection.push_back(std::move(dense));
  }

  // The folder and its config are there only since version 5.2.
  void set_normalize(const fs::path& folder, std::string_view path) {
    bool by_token = by_token_;
    if (folder != folder_ && file_exists(folder / "config.json")) {
      const ConfigFile file(folder / "config.json");
      file->check(kNormalizeKeys);
      by_token = reads_tokens(file.root(), by_token_);
    }
    if (by_token) {
      late().normalize = true;
      return;
    }
    if (config_.late_interaction) return;  // there is no pooled vector
    if (config_.normalize) return;         // a second one changes nothing
    config_.normalize = true;
    normalize_.folder = path.empty() ? "Normalize" : path;
  }

  const fs::path& folder_;
  std::string source_;
  bool by_token_;
  SentenceTransformerConfig& config_;
  std::optional<int64_t> width_;  // of the pooled vector so far, where it is known
  NormalizeConfig normalize_;     // the last module so far, if config_.normalize
  // Of a Router: the modules of queries.
  std::shared_ptr<SentenceTransformerConfig> query_config_;
  std::unique_ptr<ModulesReader> query_;
};

}  // namespace

void read_module_list(const fs::path& folder, bool by_token, SentenceTransformerConfig& config) {
  ModulesReader(folder, by_token, config).read();
}

}  // namespace tamis
