// Of sentence-transformers' Router: documents by the model itself, queries by a table that is a
// model of its own.
#include "base/error.h"
#include "base/file.h"
#include "base/length_limit.h"
#include "base/thread_pool.h"
#include "formats/sentence_transformers.h"
#include "model/loaded_model.h"

namespace tamis::api {

namespace {

using tasks::TaskKind;

tasks::TextSide side_of(DefaultRoute route) {
  switch (route) {
    case DefaultRoute::kDocument:
      return tasks::TextSide::kDocument;
    case DefaultRoute::kQuery:
      return tasks::TextSide::kQuery;
    case DefaultRoute::kNone:
      return tasks::TextSide::kNone;
  }
  TAMIS_CHECK(false);
}

}  // namespace

void LoadedModel::load_checkpoint(const ModelPath& path, const ModelOptions& options) {
  const SentenceTransformerConfig sentence = read_sentence_transformer(path.folder);
  const auto check = [&](TaskKind task) {
    if (sentence.query == nullptr) return;
    if (task == TaskKind::kEmbed && path.kind == ModelKind::kCheckpoint) return;
    fail(ErrorCode::kUnsupported, path.folder.string(),
         ": a Router with a StaticEmbedding is built for embed on its own checkpoint alone");
  };
  check(options.task.value_or(TaskKind::kEmbed));
  load_modules(path, sentence, options);
  check(manifest_.task);  // a head beside the modules has a task of its own
  if (sentence.query == nullptr || !options.tokenizer) return;
  queries_ = load_queries(sentence, options);
  unnamed_side_ = side_of(sentence.by_default);
  if (queries_->manifest().output_size != manifest_.output_size) {
    fail(ErrorCode::kUnsupported, path.folder.string(), ": its Router gives queries ",
         queries_->manifest().output_size, " numbers and documents ", manifest_.output_size,
         "; accepted are routes of one width");
  }
  for (const char* side : {"query", "document"}) manifest_.prompts.try_emplace(side, "");
}

std::shared_ptr<const LoadedModel> LoadedModel::load_queries(
    const SentenceTransformerConfig& sentence, const ModelOptions& options) {
  SentenceTransformerConfig route = *sentence.query;
  route.truncate_dim = sentence.truncate_dim;
  ModelOptions own;
  own.task = TaskKind::kEmbed;
  own.isas = options.isas;
  own.keep_graph = false;
  own.pool = std::make_shared<ThreadPool>(1);
  std::shared_ptr<LoadedModel> model(new LoadedModel());
  model->folder_ = route.transformer_folder;
  model->pool_ = own.pool;
  const ModelPath path = {route.transformer_folder, ModelKind::kCheckpoint};
  model->load_modules(path, route, own);
  model->finish(own);
  return model;
}

void LoadedModel::set_query_length(const SentenceTransformerConfig& sentence,
                                   const ModelOptions& options) {
  if (tokenizer_ == nullptr || !sentence.sparse || sentence.sparse->query_folder.empty()) return;
  const std::filesystem::path& folder = sentence.sparse->query_folder;
  if (!file_exists(folder / "tokenizer.json")) return;  // read as documents are
  const auto own = tokenizer::Tokenizer::load(folder, {}).model_max_length();
  const int64_t length = options.max_length > 0 ? options.max_length : own.value_or(0);
  if (length != manifest_.max_length) manifest_.query_max_length = length;
}

void LoadedModel::limit_length(int64_t asked) {
  manifest_.max_length = tighter_limit(asked, manifest_.max_length);
  std::optional<int64_t>& queries = manifest_.query_max_length;
  if (queries) queries = tighter_limit(asked, *queries);
}

void LoadedModel::set_query_route() {
  if (queries_ == nullptr) return;
  task_model_.unnamed_side = unnamed_side_;
  task_model_.embed_query = [queries = queries_](const std::string& text,
                                                 const tasks::EmbedOptions& options) {
    constexpr int64_t kMostTokens = 1 << 20;  // the one text is a batch, however long
    std::vector<tasks::TaskResult> results = queries->run({{text}}, options, kMostTokens);
    return std::get<tasks::EmbedResult>(std::move(results[0]));
  };
}

}  // namespace tamis::api
