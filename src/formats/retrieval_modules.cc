#include "formats/retrieval_modules.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/pytorch/pytorch_bin.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kMaxLength = 1 << 20;
constexpr size_t kMaxModules = 64;
constexpr size_t kMaxSkipped = 4096;
// ColBERT's own; PyLate has it too.
constexpr int64_t kQueryLength = 32;

constexpr KeyRow kSpladeKeys[] = {
    refused("pooling_strategy", "other ways to pool logits are not built", {"\"max\""}),
    honored("activation_function"),
    harmless("word_embedding_dimension"),  // the vocabulary's size
    harmless("embedding_dimension"),
};
static_assert(keys_are_distinct(kSpladeKeys));

constexpr KeyRow kStaticKeys[] = {
    harmless("frozen"),
    refused("path", "weights in a JSON file are not built; save the model again"),
};
static_assert(keys_are_distinct(kStaticKeys));

constexpr KeyRow kRouterKeys[] = {honored("types"), honored("structure"), honored("parameters")};
static_assert(keys_are_distinct(kRouterKeys));

constexpr KeyRow kRouterParameters[] = {
    honored("default_route"),  // of sparse models a text is a document unless it is said to ask
    honored("allow_empty_key"),
    refused("route_mappings", "routes by other names are not built", {"{}"}),
};
static_assert(keys_are_distinct(kRouterParameters));

constexpr KeyRow kMaskKeys[] = {
    honored("skiplist_words"),
    refused("skiplist_tasks", "only tokens of documents are skipped", {"[\"document\"]"}),
    refused("keep_only_token_ids", "vectors of some tokens alone are not built"),
};
static_assert(keys_are_distinct(kMaskKeys));

constexpr KeyRow kExpansionKeys[] = {
    refused("strategy", "queries of another length are not built", {"\"fixed\""}),
    honored("attend"),
    honored("token"),
    honored("length"),
};
static_assert(keys_are_distinct(kExpansionKeys));

std::vector<std::string> strings_of(const ConfigObject& file, std::string_view key) {
  const JsonView list = file.get(key);
  std::vector<std::string> strings;
  if (!list) return strings;
  if (!list.is_array() || list.size() > kMaxSkipped) {
    fail(ErrorCode::kCorruptData, file.what(key), " must be an array of at most ", kMaxSkipped,
         " strings");
  }
  for (size_t i = 0; i < list.size(); ++i) {
    strings.emplace_back(list.at(i).as_string(file.what(key)));
  }
  return strings;
}

// string.punctuation of Python.
std::vector<std::string> punctuation() {
  std::vector<std::string> marks;
  for (const char c : std::string_view(R"(!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~)")) {
    marks.emplace_back(1, c);
  }
  return marks;
}

std::vector<RouteModule> read_route(const ConfigObject& file, std::string_view name) {
  const auto structure = file.object("structure");
  const auto types = file.object("types");
  const JsonView ids = structure ? structure->get(name) : JsonView();
  if (!types || !ids || !ids.is_array() || ids.size() == 0 || ids.size() > kMaxModules) {
    fail(ErrorCode::kUnsupported, file.source(), ": has no route ", json_quote(name),
         " of types and structure; accepted are the routes \"query\" and \"document\"");
  }
  std::vector<RouteModule> modules;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string id(ids.at(i).as_string(structure->what(name)));
    const auto type = types->text(id);
    if (!type) fail(ErrorCode::kCorruptData, types->source(), ": has no ", json_quote(id));
    modules.push_back({*type, id});
  }
  return modules;
}

// As the class has it: the first of the routes where none is named, unless that is forbidden.
DefaultRoute default_route(const std::optional<ConfigObject>& parameters, std::string_view first) {
  std::optional<std::string> name = parameters ? parameters->text("default_route") : std::nullopt;
  if (!name && (!parameters || parameters->flag("allow_empty_key", true))) name = first;
  if (!name) return DefaultRoute::kNone;
  if (*name == "query") return DefaultRoute::kQuery;
  if (*name == "document") return DefaultRoute::kDocument;
  fail(ErrorCode::kCorruptData, parameters->what("default_route"), " ",
       json_quote(std::string_view(*name).substr(0, 200)),
       " is no route; accepted are \"query\" and \"document\"");
}

std::string key_of(const ConfigObject& file, std::string_view key, std::string_view otherwise) {
  return file.text(key).value_or(std::string(otherwise));
}

// A layer of one .pt file: weight [n, k] and bias [n].
DenseConfig read_linear(const fs::path& path) {
  const std::vector<StoredTensor> tensors = read_pytorch_bin(path);
  DenseConfig layer;
  layer.folder = path.stem().string();
  layer.by_token = true;
  layer.activation = Activation::kNone;
  for (const StoredTensor& stored : tensors) {
    if (stored.name != "weight") continue;
    if (stored.sizes.size() != 2) {
      fail(ErrorCode::kCorruptData, path.string(), ": tensor \"weight\" has the shape ",
           sizes_to_string(stored.sizes), ", must have two dimensions");
    }
    layer.out_features = stored.sizes[0];
    layer.in_features = stored.sizes[1];
  }
  layer.weight = module_tensor(tensors, "weight", {layer.out_features, layer.in_features}, path);
  layer.bias = module_tensor(tensors, "bias", {layer.out_features}, path);
  return layer;
}

}  // namespace

SparsePooling read_splade(const ConfigObject& file) {
  file.check(kSpladeKeys);
  const std::string name = key_of(file, "activation_function", "relu");
  if (name == "relu" || name == "log1p_relu") return {name == "log1p_relu"};
  fail(ErrorCode::kUnsupported, file.what("activation_function"), " ",
       json_quote(std::string_view(name).substr(0, 200)),
       " is not built; accepted are \"relu\" and \"log1p_relu\"");
}

std::shared_ptr<const Tensor> read_static_weights(const fs::path& folder) {
  const ConfigFile file(folder / "config.json");
  file->check(kStaticKeys);
  const std::vector<StoredTensor> weights = read_weights(folder);
  for (const StoredTensor& stored : weights) {
    if (stored.name != "weight" || stored.sizes.size() != 1) continue;
    return module_tensor(weights, "weight", {stored.sizes[0]}, folder);
  }
  fail(ErrorCode::kNotFound, folder.string(), ": no tensor \"weight\" of one dimension");
}

Routes read_router(const fs::path& folder) {
  const ConfigFile file(folder / "router_config.json");
  file->check(kRouterKeys);
  const auto parameters = file->object("parameters");
  if (parameters) parameters->check(kRouterParameters);
  const auto structure = file->object("structure");
  if (structure && structure->view().size() != 2) {
    fail(ErrorCode::kUnsupported, structure->source(), ": has ", structure->view().size(),
         " routes; accepted are \"query\" and \"document\"");
  }
  Routes routes = {read_route(file.root(), "query"), read_route(file.root(), "document")};
  routes.by_default = default_route(parameters, structure->view().member(0).key);
  return routes;
}

std::vector<std::string> read_multi_vector_mask(const ConfigObject& file) {
  file.check(kMaskKeys);
  return strings_of(file, "skiplist_words");
}

LateInteractionConfig read_pylate(const ConfigObject& file) {
  LateInteractionConfig late;
  late.query.marker = key_of(file, "query_prefix", "");
  late.document.marker = key_of(file, "document_prefix", "");
  late.query.length = file.count("query_length", kMaxLength).value_or(kQueryLength);
  late.document.length = file.count("document_length", kMaxLength).value_or(0);
  late.expand_queries = file.flag("do_query_expansion", true);
  late.attend_to_expansion = file.flag("attend_to_expansion_tokens", false);
  late.skiplist = file.get("skiplist_words") ? strings_of(file, "skiplist_words") : punctuation();
  return late;
}

void read_query_expansion(const ConfigObject& file, LateInteractionConfig& late) {
  late.query.length = file.count("query_length", kMaxLength).value_or(0);
  late.document.length = file.count("document_length", kMaxLength).value_or(0);
  const auto expansion = file.object("query_expansion");
  if (!expansion) return;
  expansion->check(kExpansionKeys);
  late.expand_queries = true;
  late.attend_to_expansion = expansion->flag("attend", false);
  late.expansion_token = key_of(*expansion, "token", "");
  const auto length = expansion->count("length", kMaxLength);
  if (!length) fail(ErrorCode::kCorruptData, expansion->source(), ": length is needed");
  late.query.length = *length;
}

// A training's configuration of some sixty keys, of which these change what is computed.
LateInteractionConfig read_artifact_metadata(const fs::path& folder) {
  const fs::path path = folder / "artifact.metadata";
  const ConfigFile file = file_exists(path) ? ConfigFile(path) : ConfigFile("{}", path.string());
  for (const auto& [key, built] :
       {std::pair{"similarity", "cosine"}, std::pair{"interaction", "colbert"}}) {
    const std::string value = key_of(file.root(), key, built);
    if (value == built) continue;
    fail(ErrorCode::kUnsupported, file->what(key), " ", json_quote(value.substr(0, 200)),
         " is not built; accepted is ", json_quote(built));
  }
  LateInteractionConfig late;
  late.query.marker = key_of(file.root(), "query_token_id", "[unused0]");
  late.document.marker = key_of(file.root(), "doc_token_id", "[unused1]");
  late.query.length = file->count("query_maxlen", kMaxLength).value_or(kQueryLength);
  late.document.length = file->count("doc_maxlen", kMaxLength).value_or(0);
  late.expand_queries = true;
  late.attend_to_expansion = file->flag("attend_to_mask_tokens", false);
  if (file->flag("mask_punctuation", true)) late.skiplist = punctuation();
  return late;
}

std::optional<TokenHeads> read_token_heads(const fs::path& folder) {
  const fs::path sparse = folder / "sparse_linear.pt";
  const fs::path colbert = folder / "colbert_linear.pt";
  if (!file_exists(sparse) && !file_exists(colbert)) return std::nullopt;
  TokenHeads heads = {read_linear(sparse), read_linear(colbert)};
  if (heads.sparse.out_features != 1 || heads.sparse.in_features != heads.colbert.in_features) {
    fail(ErrorCode::kCorruptData, sparse.string(), ": a layer of [", heads.sparse.out_features,
         ", ", heads.sparse.in_features, "] beside one of [", heads.colbert.out_features, ", ",
         heads.colbert.in_features, "]; must be [1, hidden] beside [n, hidden]");
  }
  return heads;
}

}  // namespace tamis
