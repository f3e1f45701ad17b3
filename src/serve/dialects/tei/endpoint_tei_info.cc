// GET /info: what is served, and with which limits.
#include <algorithm>
#include <set>

#include "base/percent.h"
#include "base/version.h"
#include "serve/protocol/call.h"

namespace tamis::serve {

namespace {

void write_classes(const ServableInfo& info, JsonWriter& json) {
  json.begin_object().key("id2label").begin_object();
  for (size_t i = 0; i < info.labels.size(); ++i) json.member(cat(i), info.labels[i]);
  json.end_object().key("label2id").begin_object();
  // Two ids may share a label, a key can stand once.
  std::set<std::string_view> seen;
  for (size_t i = 0; i < info.labels.size(); ++i) {
    if (seen.insert(info.labels[i]).second) json.member(info.labels[i], static_cast<int64_t>(i));
  }
  json.end_object().end_object();
}

void write_model_type(const ServableInfo& info, JsonWriter& json) {
  json.key("model_type").begin_object();
  switch (info.task) {
    // As in the original, whose pooling says what the vectors are.
    case tasks::TaskKind::kEmbedSparse:
      json.key("embedding").begin_object().member("pooling", "splade").end_object();
      break;
    case tasks::TaskKind::kEmbedMulti:
      json.key("embedding").begin_object().member("pooling", "none").end_object();
      break;
    case tasks::TaskKind::kEmbed:
    case tasks::TaskKind::kEmbedAll:
      json.key("embedding").begin_object().member("pooling", info.pooling).end_object();
      break;
    case tasks::TaskKind::kRerank:
      json.key("reranker");
      write_classes(info, json);
      break;
    case tasks::TaskKind::kClassify:
    case tasks::TaskKind::kNer:
    case tasks::TaskKind::kQa:
    case tasks::TaskKind::kFillMask:
    case tasks::TaskKind::kZeroShot:
      json.key("classifier");
      write_classes(info, json);
      break;
  }
  json.end_object();
}

// The value of `key` in a query, empty if it is not there.
std::string query_value(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) != key) continue;
    std::string value;
    if (!percent_decode(pair.substr(std::min(equals + 1, pair.size())), value)) {
      fail(ErrorCode::kInvalidArgument, "`", key, "`: malformed percent-encoding");
    }
    return value;
  }
  return "";
}

}  // namespace

// Of the model that the path or `?model=` names, else of the first by name.
void endpoint_tei_info(const CallPtr& call) {
  const std::string name = query_value(call->request().query, "model");
  const std::vector<ModelLease> models = call->core().models().loaded();
  if (models.empty()) fail(ErrorCode::kUnavailable, "no model is loaded");
  const bool named = !name.empty() || !call->path_model.empty();
  const ModelLease model = named ? call->route(name, {}) : models.front();
  const ServableInfo& info = model->info();
  const ServerOptions& options = call->options();
  JsonWriter json;
  json.begin_object();
  json.member("model_id", info.source);
  json.key("model_sha").null();
  json.member("model_dtype", info.precision == "fp32" ? "float32" : info.precision);
  json.member("served_model_name", model->name());
  write_model_type(info, json);
  json.member("max_concurrent_requests", options.max_connections);
  json.member("max_input_length", info.max_length);
  json.member("max_batch_tokens", model->batcher().budget().tokens);
  json.member("max_batch_requests", model->batcher().budget().rows);
  json.member("max_client_batch_size", options.max_items);
  json.member("auto_truncate", options.auto_truncate);
  json.member("tokenization_workers", int64_t{call->core().workers().threads()});
  json.member("version", version()).member("sha", commit());
  json.key("docker_label").null();
  json.key("models").begin_array();
  for (const ModelLease& item : models) {
    json.begin_object().member("name", item->name()).member("version", item->version());
    json.member("task", tasks::task_name(item->info().task));
    json.member("precision", item->info().precision);
    json.member("max_input_length", item->info().max_length);
    write_model_type(item->info(), json);
    json.end_object();
  }
  json.end_array().end_object();
  call->respond_json(json);
}

}  // namespace tamis::serve
