// vLLM's routes for models that pool: POST /score and /v1/score, /classify, /pooling.
#include "math/agreement.h"
#include "serve/core/model_route.h"
#include "serve/protocol/call.h"
#include "serve/protocol/dialect_options.h"
#include "serve/protocol/tei.h"
#include "serve/protocol/vector_answer.h"

namespace tamis::serve {

namespace {

using tasks::TaskKind;

void begin(std::string_view prefix, const Call& call, const Reply& reply, JsonWriter& json) {
  json.begin_object().member("id", cat(prefix, "-", call.id)).member("object", "list");
  json.member("created", unix_seconds()).member("model", reply.model).key("data").begin_array();
}

HttpResponse end(const Call& call, const Reply& reply, JsonWriter& json) {
  json.end_array().key("usage").begin_object().member("prompt_tokens", reply.tokens);
  json.member("total_tokens", reply.tokens).member("completion_tokens", int64_t{0});
  json.end_object().end_object();
  return tei_response(call, reply, json.take());
}

Truncation truncation_of(const Fields& fields, const Call& call) {
  Truncation truncation;
  truncation.enabled = call.options().auto_truncate;
  read_prompt_tokens(fields, truncation);
  return truncation;
}

// The texts of two sides, of which the first may have one for all of the second's.
struct Sides {
  std::vector<std::string> first;
  std::vector<std::string> second;
};

std::vector<std::string> read_side(const Fields& fields, std::string_view name,
                                   std::string_view other, const Budget& budget) {
  if (fields.has(name) && fields.has(other)) {
    fail(ErrorCode::kInvalidArgument, "`", name, "` and `", other, "` are two names of one side");
  }
  const std::string_view key = fields.has(other) ? other : name;
  std::vector<std::string> texts = fields.texts(key, budget);
  if (texts.empty()) fail(ErrorCode::kInvalidArgument, "`", name, "` is missing or empty");
  return texts;
}

Sides read_sides(const Fields& fields, const Budget& budget) {
  Sides sides = {read_side(fields, "text_1", "queries", budget),
                 read_side(fields, "text_2", "documents", budget)};
  if (sides.first.size() != 1 && sides.first.size() != sides.second.size()) {
    fail(ErrorCode::kInvalidArgument, "`text_1` has ", sides.first.size(), " texts and `text_2` ",
         sides.second.size(), "; it must be one, or as many");
  }
  return sides;
}

// A cross-encoder's inputs: one query with all its texts, or each with its own.
void add_pairs(Sides sides, Request& request) {
  if (sides.first.size() == 1) {
    tasks::TaskInput input{std::move(sides.first.front())};
    input.texts = std::move(sides.second);
    request.inputs.push_back(std::move(input));
    return;
  }
  for (size_t i = 0; i < sides.first.size(); ++i) {
    tasks::TaskInput input{std::move(sides.first[i])};
    input.texts.push_back(std::move(sides.second[i]));
    request.inputs.push_back(std::move(input));
  }
}

// In the order of the texts.
std::vector<float> scores_of_pairs(const Reply& reply) {
  std::vector<float> scores;
  for (const tasks::TaskResult& result : reply.results) {
    const auto& ranked = std::get<tasks::RerankResult>(result).results;
    const size_t first = scores.size();
    scores.resize(first + ranked.size());
    for (const auto& row : ranked) scores[first + static_cast<size_t>(row.index)] = row.score;
  }
  return scores;
}

std::vector<float> cosines_of(const Reply& reply, size_t firsts) {
  const auto vector_of = [&](size_t i) -> const std::vector<float>& {
    return std::get<tasks::EmbedResult>(reply.results[i]).embedding;
  };
  std::vector<float> scores;
  for (size_t i = firsts; i < reply.results.size(); ++i) {
    const size_t other = firsts == 1 ? 0 : i - firsts;
    scores.push_back(static_cast<float>(math::cosine(vector_of(other), vector_of(i))));
  }
  return scores;
}

HttpResponse print_scores(const Call& call, const Reply& reply, const std::vector<float>& scores) {
  JsonWriter json;
  begin("score", call, reply, json);
  for (size_t i = 0; i < scores.size(); ++i) {
    json.begin_object().member("index", static_cast<int64_t>(i)).member("object", "score");
    json.member("score", scores[i]).end_object();
  }
  return end(call, reply, json);
}

void score_by_vectors(const CallPtr& call, Sides sides, const Truncation& truncation,
                      Request request) {
  const size_t firsts = sides.first.size();
  for (auto* side : {&sides.first, &sides.second}) {
    for (std::string& text : *side) request.inputs.push_back({std::move(text)});
  }
  tasks::EmbedOptions options;
  options.truncation = truncation;
  request.options = std::move(options);
  call->submit(std::move(request), [firsts](Call& self, Reply& reply) {
    return print_scores(self, reply, cosines_of(reply, firsts));
  });
}

// A label's numbers in the model's order.
std::vector<float> numbers_of(const tasks::ClassifyResult& result) {
  std::vector<float> numbers(result.logits.size());
  for (const tasks::LabelScore& row : result.scores) {
    numbers[static_cast<size_t>(row.id)] = row.score;
  }
  return numbers;
}

// `activation` is the older word.
bool wants_raw(const Fields& fields) {
  const auto older = fields.knows("activation") ? fields.flag("activation") : std::nullopt;
  return !fields.flag("use_activation").value_or(older.value_or(true));
}

tasks::ClassifyOptions classify_options(const Fields& fields, const Call& call,
                                        const ModelLease& model) {
  tasks::ClassifyOptions options;
  options.function = score_or_number(wants_raw(fields), model);
  options.truncation = truncation_of(fields, call);
  return options;
}

HttpResponse print_classes(Call& call, Reply& reply) {
  JsonWriter json;
  begin("classify", call, reply, json);
  for (size_t i = 0; i < reply.results.size(); ++i) {
    const auto& result = std::get<tasks::ClassifyResult>(reply.results[i]);
    json.begin_object().member("index", static_cast<int64_t>(i));
    json.member("label", result.scores.front().label).key("probs").array(numbers_of(result));
    json.member("num_classes", static_cast<int64_t>(result.logits.size())).end_object();
  }
  return end(call, reply, json);
}

// Rows of numbers as /pooling lists them.
class PoolingPrinter {
 public:
  PoolingPrinter(const Call& call, const Reply& reply, bool base64)
      : call_(call), reply_(reply), form_{math::VectorType::kFloat, base64} {
    begin("pool", call_, reply_, json_);
  }
  void row(std::span<const float> numbers) {
    open();
    write_vector(numbers, form_, {}, json_);
    json_.end_object();
  }
  // Of `width` numbers each.
  void rows(std::span<const float> numbers, size_t width) {
    if (form_.base64) return row(numbers);
    open();
    json_.begin_array();
    for (; !numbers.empty(); numbers = numbers.subspan(width)) json_.array(numbers.first(width));
    json_.end_array().end_object();
  }
  [[nodiscard]] HttpResponse take() { return end(call_, reply_, json_); }

 private:
  void open() {
    json_.begin_object().member("index", index_++).member("object", "pooling").key("data");
  }

  const Call& call_;
  const Reply& reply_;
  VectorForm form_;
  int64_t index_ = 0;
  JsonWriter json_;
};

HttpResponse print_pooled(Call& call, Reply& reply, bool base64) {
  PoolingPrinter printer(call, reply, base64);
  for (const tasks::TaskResult& result : reply.results) {
    if (const auto* labels = std::get_if<tasks::ClassifyResult>(&result)) {
      printer.row(numbers_of(*labels));
    } else {
      printer.row(std::get<tasks::EmbedResult>(result).embedding);
    }
  }
  return printer.take();
}

HttpResponse print_tokens(Call& call, Reply& reply, bool base64) {
  PoolingPrinter printer(call, reply, base64);
  for (const RawOutput& output : reply.raw) {
    if (output.name != "token_embeddings") continue;
    const auto width = static_cast<size_t>(output.row_elements);
    std::span<const float> rest = output.values;
    for (const int64_t rows : output.rows_of_input) {
      const size_t size = static_cast<size_t>(rows) * width;
      printer.rows(rest.first(size), width);
      rest = rest.subspan(size);
    }
  }
  return printer.take();
}

std::string_view pooling_task(const Fields& fields, const ModelLease& model) {
  if (const auto word = fields.word("task")) return *word;
  const TaskKind task = model->info().task;
  return task == TaskKind::kClassify || task == TaskKind::kRerank ? "classify" : "embed";
}

// An option that the task would pass over.
void refuse(const Fields& fields, std::string_view key, std::string_view task) {
  if (!fields.has(key)) return;
  fail(ErrorCode::kInvalidArgument, "`", key, "` is not for the task ", task);
}

// Rows of tokens are the encoder's, as they are.
void refuse_token_options(const Fields& fields) {
  refuse(fields, "dimensions", "token_embed");
  for (const std::string_view key : {"normalize", "use_activation"}) {
    if (fields.flag(key).value_or(false)) refuse(fields, key, "token_embed");
  }
}

// vLLM's `use_activation` of a vector is its unit length.
tasks::EmbedOptions embed_options(const Fields& fields, const Call& call) {
  tasks::EmbedOptions options;
  options.normalize = fields.flag("normalize");
  if (!options.normalize) options.normalize = fields.flag("use_activation");
  options.dimensions = fields.integer("dimensions");
  options.truncation = truncation_of(fields, call);
  return options;
}

}  // namespace

void endpoint_vllm_score(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("ScoreRequest", body);
  Sides sides = read_sides(fields, *call->budget());
  const ModelLease model =
      call->route_by_turns(fields.text("model"), {TaskKind::kRerank, TaskKind::kEmbed});
  const Truncation truncation = truncation_of(fields, *call);
  Request request = call->new_request(model);
  if (model->info().task == TaskKind::kEmbed) {
    return score_by_vectors(call, std::move(sides), truncation, std::move(request));
  }
  add_pairs(std::move(sides), request);
  tasks::RerankOptions options;
  options.raw_scores = wants_raw(fields);
  options.truncation = truncation;
  request.options = options;
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    return print_scores(self, reply, scores_of_pairs(reply));
  });
}

void endpoint_vllm_classify(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("VllmClassifyRequest", body);
  const ModelLease model = call->route_by_turns(fields.text("model"), kClassifyTasks);
  Request request = call->new_request(model);
  add_texts(fields, "input", request);
  request.options = classify_options(fields, *call, model);
  call->submit(std::move(request), print_classes);
}

void endpoint_vllm_pooling(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("PoolingRequest", body);
  const ModelLease model = call->route_by_turns(
      fields.text("model"), {TaskKind::kEmbed, TaskKind::kClassify, TaskKind::kRerank});
  const bool base64 = fields.word("encoding_format").value_or("float") == "base64";
  const std::string_view task = pooling_task(fields, model);
  Request request = call->new_request(model);
  read_inputs(fields.json("input"), "input", request);
  if (task == "classify") {
    if (!request.rows.empty()) {
      fail(ErrorCode::kUnsupported, "`input`: labels are of texts, not of token ids");
    }
    for (const std::string_view key : {"normalize", "dimensions"}) refuse(fields, key, task);
    request.options = classify_options(fields, *call, model);
  } else {
    request.options = embed_options(fields, *call);
  }
  const bool by_token = task == "token_embed";
  if (by_token) {
    refuse_token_options(fields);
    request.raw = true;
    request.outputs = OutputSet::kTokens;
  }
  call->submit(std::move(request), [base64, by_token](Call& self, Reply& reply) {
    return by_token ? print_tokens(self, reply, base64) : print_pooled(self, reply, base64);
  });
}

}  // namespace tamis::serve
