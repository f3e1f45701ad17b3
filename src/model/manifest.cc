#include "model/manifest.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/version.h"

namespace tamis::api {

namespace {

constexpr std::string_view kProblemNames[] = {"", "regression", "single_label_classification",
                                              "multi_label_classification"};

// A manifest is a page of text; labels and prompts may add to it.
constexpr size_t kMaxManifestBytes = size_t{16} << 20;

/// Reads members and names them in errors. Borrows `source`.
class Fields {
 public:
  Fields(JsonView object, std::string_view source) : object_(object), source_(source) {}

  [[nodiscard]] JsonView get(std::string_view key) const { return object_.get(key); }
  [[nodiscard]] std::string where(std::string_view key) const { return cat(source_, ": ", key); }

  [[nodiscard]] std::string string(std::string_view key) const {
    return std::string(get(key).as_string(where(key)));
  }
  [[nodiscard]] bool boolean(std::string_view key) const { return get(key).as_bool(where(key)); }
  [[nodiscard]] int64_t count(std::string_view key) const {
    const int64_t value = get(key).as_int(where(key));
    if (value < 0)
      fail(ErrorCode::kCorruptData, where(key), " is ", value, ", must not be negative");
    return value;
  }
  [[nodiscard]] JsonView array(std::string_view key) const {
    if (!get(key).is_array()) fail(ErrorCode::kCorruptData, where(key), " must be an array");
    return get(key);
  }
  [[nodiscard]] JsonView object(std::string_view key) const {
    if (!get(key).is_object()) fail(ErrorCode::kCorruptData, where(key), " must be an object");
    return get(key);
  }
  [[nodiscard]] std::optional<std::string> optional_string(std::string_view key) const {
    if (get(key).is_null()) return std::nullopt;
    return string(key);
  }

 private:
  JsonView object_;
  std::string_view source_;
};

void read_limits(const Fields& fields, Manifest& manifest) {
  if (fields.get("query_max_length")) manifest.query_max_length = fields.count("query_max_length");
  if (fields.get("truncate_dim")) manifest.truncate_dim = fields.count("truncate_dim");
}

tasks::Problem problem_of(const Fields& fields) {
  const std::string name = fields.string("problem_type");
  for (size_t i = 0; i < std::size(kProblemNames); ++i) {
    if (kProblemNames[i] == name) return static_cast<tasks::Problem>(i);
  }
  fail(ErrorCode::kCorruptData, fields.where("problem_type"), " \"", name, "\" is unknown");
}

engine::Precision precision_of(const Fields& fields) {
  const std::string name = fields.string("precision");
  const std::optional<engine::Precision> precision = engine::precision_from_name(name);
  if (!precision) {
    fail(ErrorCode::kCorruptData, fields.where("precision"), " is \"", name,
         "\"; must be fp32, bf16 or int8");
  }
  return *precision;
}

// Bundles without the key have their tables as the checkpoint had them.
quant::EmbeddingStorage embeddings_of(const Fields& fields) {
  const std::optional<std::string> name = fields.optional_string("embeddings");
  if (!name) return quant::EmbeddingStorage::kAsStored;
  const auto storage = quant::embedding_storage_from_name(*name);
  if (!storage) {
    fail(ErrorCode::kCorruptData, fields.where("embeddings"), " is ", json_quote(*name),
         "; must be fp32, fp16 or int8");
  }
  return *storage;
}

void check_version(const Fields& fields) {
  const int64_t version = fields.count("format_version");
  if (version < 1 || version > kBundleVersion) {
    fail(ErrorCode::kUnsupported, fields.where("format_version"), " is ", version,
         "; this program reads 1 to ", kBundleVersion,
         ": make the bundle again with tamis optimize, or take a newer program");
  }
}

void write_side(std::string_view name, const tasks::LateSide& side, JsonWriter& json) {
  json.key(name).begin_object().key("marker");
  if (side.marker) {
    json.value(*side.marker);
  } else {
    json.null();
  }
  json.member("length", side.length).end_object();
}

void write_late(const tasks::LateInteraction& late, JsonWriter& json) {
  json.key("late_interaction").begin_object();
  write_side("query", late.query, json);
  write_side("document", late.document, json);
  if (late.expansion) json.member("expansion", int64_t{*late.expansion});
  json.member("attend_to_expansion", late.attend_to_expansion);
  json.member("skip_first", late.skip_first);
  json.key("skiplist").array(late.skiplist).end_object();
}

void write_span_labels(const tasks::SpanLabels& labels, JsonWriter& json) {
  json.key("span_labels").begin_object();
  json.member("label_token", int64_t{labels.label_token});
  json.member("separator", int64_t{labels.separator});
  json.member("behind_token", labels.behind_token).member("max_words", labels.max_words);
  json.member("max_width", labels.max_width).member("most_labels", labels.most_labels);
  json.end_object();
}

int32_t token_of(JsonView value, const std::string& where) {
  const int64_t id = value.as_int(where);
  if (id < 0 || id > INT32_MAX) fail(ErrorCode::kCorruptData, where, " is ", id, ", no token id");
  return static_cast<int32_t>(id);
}

tasks::LateSide read_side(const Fields& fields, std::string_view name, std::string_view source) {
  const std::string where = cat(source, ": ", name);
  const Fields side(fields.object(name), where);
  tasks::LateSide read;
  if (const JsonView marker = side.get("marker"); !marker.is_null()) {
    read.marker = token_of(marker, side.where("marker"));
  }
  read.length = side.count("length");
  return read;
}

tasks::LateInteraction read_late(const Fields& manifest, std::string_view source) {
  const std::string where = cat(source, ": late_interaction");
  const Fields fields(manifest.object("late_interaction"), where);
  tasks::LateInteraction late;
  late.query = read_side(fields, "query", where);
  late.document = read_side(fields, "document", where);
  if (const JsonView token = fields.get("expansion"); !token.is_null()) {
    late.expansion = token_of(token, fields.where("expansion"));
  }
  late.attend_to_expansion = fields.boolean("attend_to_expansion");
  late.skip_first = fields.boolean("skip_first");
  const JsonView skiplist = fields.array("skiplist");
  for (size_t i = 0; i < skiplist.size(); ++i) {
    late.skiplist.push_back(token_of(skiplist.at(i), fields.where("skiplist")));
  }
  if (!std::is_sorted(late.skiplist.begin(), late.skiplist.end())) {
    fail(ErrorCode::kCorruptData, fields.where("skiplist"), " must rise");
  }
  return late;
}

tasks::SpanLabels read_span_labels(const Fields& manifest, std::string_view source) {
  const std::string where = cat(source, ": span_labels");
  const Fields fields(manifest.object("span_labels"), where);
  tasks::SpanLabels labels;
  labels.label_token = token_of(fields.get("label_token"), fields.where("label_token"));
  labels.separator = token_of(fields.get("separator"), fields.where("separator"));
  labels.behind_token = fields.boolean("behind_token");
  labels.max_words = fields.count("max_words");
  labels.max_width = fields.count("max_width");
  labels.most_labels = fields.count("most_labels");
  return labels;
}

std::map<std::string, FileRecord> read_files(const Fields& fields, std::string_view source) {
  std::map<std::string, FileRecord> files;
  const JsonView object = fields.object("files");
  for (size_t i = 0; i < object.size(); ++i) {
    const JsonView::Member item = object.member(i);
    (void)path_inside(".", item.key, source);
    const std::string where = cat(source, ": files: ", item.key);
    const Fields file(item.value, where);
    files[std::string(item.key)] = {file.count("bytes"), file.string("sha256")};
  }
  return files;
}

void write_pair_template(JsonWriter& json, const TextTemplate& parts) {
  if (parts.empty()) return;
  json.key("pair_template").begin_array();
  for (const TextPart& part : parts) {
    json.begin_object();
    if (!part.slot.empty()) json.member("slot", part.slot);
    json.member("text", part.text).end_object();
  }
  json.end_array();
}

TextTemplate read_pair_template(const Fields& fields) {
  TextTemplate parts;
  if (!fields.get("pair_template")) return parts;
  const JsonView array = fields.array("pair_template");
  const std::string where = fields.where("pair_template");
  for (size_t i = 0; i < array.size(); ++i) {
    TextPart part;
    if (const JsonView slot = array.at(i).get("slot")) part.slot = slot.as_string(where);
    part.text = array.at(i).get("text").as_string(where);
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace

std::string write_manifest(const Manifest& manifest) {
  JsonWriter json(2);
  json.begin_object();
  json.member("format_version", kBundleVersion).member("tamis_version", version());
  json.member("family", manifest.family).member("task", tasks::task_name(manifest.task));
  json.member("precision", engine::precision_name(manifest.precision));
  json.member("embeddings", quant::embedding_storage_name(manifest.embeddings));
  json.member("max_length", manifest.max_length);
  if (manifest.max_tokens > 0) json.member("max_tokens", manifest.max_tokens);
  json.member("hidden_size", manifest.hidden_size).member("output_size", manifest.output_size);
  json.member("parameters", manifest.parameters);
  json.member("uses_type_ids", manifest.uses_type_ids).key("labels").begin_array();
  for (const std::string& label : manifest.labels) json.value(label);
  json.end_array();
  if (manifest.entailment_id) json.member("entailment_id", *manifest.entailment_id);
  json.member("problem_type", kProblemNames[static_cast<size_t>(manifest.problem)]);
  json.key("cross_encoder_activation");
  if (manifest.cross_encoder_activation) {
    json.value(activation_name(*manifest.cross_encoder_activation));
  } else {
    json.null();
  }
  if (manifest.empty_text_id) json.member("empty_text_id", *manifest.empty_text_id);
  if (manifest.query_max_length) json.member("query_max_length", *manifest.query_max_length);
  if (manifest.truncate_dim) json.member("truncate_dim", *manifest.truncate_dim);
  if (manifest.similarity) json.member("similarity", *manifest.similarity);
  write_pair_template(json, manifest.pair_template);
  if (manifest.sparse_log_twice) json.member("sparse_log_twice", true);
  if (manifest.late_interaction) write_late(*manifest.late_interaction, json);
  if (manifest.span_labels) write_span_labels(*manifest.span_labels, json);
  json.member("normalize", manifest.normalize).member("do_lower_case", manifest.do_lower_case);
  json.member("include_prompt", manifest.include_prompt).key("prompts").begin_object();
  for (const auto& prompt : manifest.prompts) json.member(prompt.first, prompt.second);
  json.end_object().key("default_prompt_name");
  if (manifest.default_prompt_name) {
    json.value(*manifest.default_prompt_name);
  } else {
    json.null();
  }
  json.key("files").begin_object();
  for (const auto& file : manifest.files) {
    json.key(file.first).begin_object();
    json.member("bytes", file.second.bytes).member("sha256", file.second.sha256).end_object();
  }
  json.end_object().end_object();
  return json.take() + "\n";
}

Manifest parse_manifest(std::string_view text, std::string_view source) {
  JsonLimits limits;
  limits.max_bytes = kMaxManifestBytes;
  const JsonDocument document = JsonDocument::parse(text, source, limits);
  if (!document.root().is_object()) fail(ErrorCode::kCorruptData, source, ": not a JSON object");
  const Fields fields(document.root(), source);
  check_version(fields);
  Manifest manifest;
  manifest.family = fields.string("family");
  const std::string task = fields.string("task");
  const auto kind = tasks::task_from_name(task);
  if (!kind) {
    fail(ErrorCode::kCorruptData, fields.where("task"), " \"", task, "\" is unknown; known are ",
         tasks::known_tasks());
  }
  manifest.task = *kind;
  manifest.precision = precision_of(fields);
  manifest.embeddings = embeddings_of(fields);
  manifest.max_length = fields.count("max_length");
  if (fields.get("max_tokens")) manifest.max_tokens = fields.count("max_tokens");
  manifest.hidden_size = fields.count("hidden_size");
  manifest.output_size = fields.count("output_size");
  manifest.parameters = fields.count("parameters");
  manifest.uses_type_ids = fields.boolean("uses_type_ids");
  const JsonView labels = fields.array("labels");
  for (size_t i = 0; i < labels.size(); ++i) {
    manifest.labels.emplace_back(labels.at(i).as_string(fields.where("labels")));
  }
  if (const JsonView id = fields.get("entailment_id"); !id.is_null()) {
    manifest.entailment_id = id.as_int(fields.where("entailment_id"));
  }
  manifest.problem = problem_of(fields);
  if (const auto name = fields.optional_string("cross_encoder_activation")) {
    manifest.cross_encoder_activation = activation_from_name(*name);
    if (!manifest.cross_encoder_activation) {
      fail(ErrorCode::kCorruptData, fields.where("cross_encoder_activation"), " \"", *name,
           "\" is unknown; known are ", known_activations());
    }
  }
  if (const JsonView id = fields.get("empty_text_id")) {
    manifest.empty_text_id = token_of(id, fields.where("empty_text_id"));
  }
  read_limits(fields, manifest);
  manifest.sparse_log_twice = fields.get("sparse_log_twice") && fields.boolean("sparse_log_twice");
  if (fields.get("late_interaction")) manifest.late_interaction = read_late(fields, source);
  if (fields.get("span_labels")) manifest.span_labels = read_span_labels(fields, source);
  manifest.normalize = fields.boolean("normalize");
  manifest.do_lower_case = fields.boolean("do_lower_case");
  manifest.include_prompt = fields.boolean("include_prompt");
  const JsonView prompts = fields.object("prompts");
  for (size_t i = 0; i < prompts.size(); ++i) {
    const JsonView::Member item = prompts.member(i);
    manifest.prompts[std::string(item.key)] = item.value.as_string(fields.where("prompts"));
  }
  manifest.default_prompt_name = fields.optional_string("default_prompt_name");
  manifest.similarity = fields.optional_string("similarity");
  manifest.pair_template = read_pair_template(fields);
  manifest.files = read_files(fields, source);
  return manifest;
}

bool needs_pair(const Manifest& manifest, tasks::TaskKind task) {
  using tasks::TaskKind;
  if (task == TaskKind::kQa) return true;
  const bool reads_labels = tasks::can_answer(task, TaskKind::kClassify);
  return reads_labels && !manifest.pair_template.empty();
}

tasks::TaskModel task_model(const Manifest& manifest) {
  tasks::TaskModel model;
  model.max_length = manifest.max_length;
  model.uses_type_ids = manifest.uses_type_ids;
  model.labels = manifest.labels;
  model.entailment_id = manifest.entailment_id;
  model.problem = manifest.problem;
  model.cross_encoder_activation = manifest.cross_encoder_activation;
  model.empty_text_id = manifest.empty_text_id;
  model.query_max_length = manifest.query_max_length;
  model.normalize = manifest.normalize;
  model.truncate_dim = manifest.truncate_dim;
  model.do_lower_case = manifest.do_lower_case;
  model.include_prompt = manifest.include_prompt;
  model.prompts = manifest.prompts;
  model.default_prompt_name = manifest.default_prompt_name;
  model.pair_template = manifest.pair_template;
  model.sparse_log_twice = manifest.sparse_log_twice;
  model.late_interaction = manifest.late_interaction;
  model.mean_max_sim = manifest.similarity == "meanmaxsim";
  model.span_labels = manifest.span_labels;
  return model;
}

}  // namespace tamis::api
