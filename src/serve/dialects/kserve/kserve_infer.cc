#include "serve/dialects/kserve/kserve_infer.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

#include "base/error.h"
#include "serve/batching/current_error.h"
#include "tasks/task_json.h"

namespace tamis::serve {

namespace {

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, parts...);
}

/// What the answer must know of the request.
struct Plan {
  KserveTarget target;
  std::string id;
  std::vector<KserveOutputRequest> outputs;
  BudgetPtr budget;
  // Token ids: the padded shape, and where each row's tokens stood in it.
  int64_t batch = 0;
  int64_t length = 0;
  std::vector<std::vector<int64_t>> places;
};

// The inputs by name, all of them known and none twice.
std::map<std::string_view, const KserveTensor*> by_name(const KserveRequest& request,
                                                        const std::set<std::string_view>& known) {
  std::map<std::string_view, const KserveTensor*> inputs;
  for (const KserveTensor& input : request.inputs) {
    if (!known.contains(input.name)) {
      std::string names;
      for (const std::string_view name : known) names += cat(names.empty() ? "" : ", ", name);
      refuse("unexpected input \"", input.name, "\"; the model takes ", names);
    }
    if (!inputs.emplace(input.name, &input).second) refuse("input \"", input.name, "\" came twice");
    check_kserve_data(input);
  }
  return inputs;
}

tasks::TaskOptions text_options(tasks::TaskKind task, bool truncate) {
  // A cross-encoder's pair is classified: logits and scores in the order they came.
  const bool scores = task == tasks::TaskKind::kRerank || task == tasks::TaskKind::kZeroShot;
  tasks::TaskOptions options = tasks::default_options(scores ? tasks::TaskKind::kClassify : task);
  std::visit(
      [truncate](auto& own) {
        if constexpr (requires { own.truncation; }) own.truncation.enabled = truncate;
      },
      options);
  return options;
}

void read_texts(const KserveRequest& request, Request& made, const Plan& plan,
                const KserveMetadata& metadata, bool truncate) {
  std::set<std::string_view> known;
  for (const KserveTensorSpec& spec : metadata.inputs) known.insert(spec.name);
  const auto inputs = by_name(request, known);
  const auto text = inputs.find("text");
  if (text == inputs.end()) refuse("input \"text\" is missing");
  made.budget->check_items("text", static_cast<size_t>(kserve_elements(*text->second)));
  std::vector<std::string> texts = kserve_strings(*text->second);
  std::vector<std::string> pairs;
  if (const auto pair = inputs.find("text_pair"); pair != inputs.end()) {
    pairs = kserve_strings(*pair->second);
    if (pairs.size() != texts.size()) {
      refuse("text has ", texts.size(), " elements and text_pair ", pairs.size());
    }
  }
  if (texts.empty()) refuse("input \"text\" has no elements");
  for (size_t i = 0; i < texts.size(); ++i) {
    tasks::TaskInput input;
    input.text = std::move(texts[i]);
    if (!pairs.empty()) input.pair = std::move(pairs[i]);
    made.inputs.push_back(std::move(input));
  }
  made.options = text_options(plan.target.model->info().task, truncate);
  const auto labels = inputs.find("labels");
  if (labels == inputs.end()) return;
  made.budget->check_items("labels", static_cast<size_t>(kserve_elements(*labels->second)));
  std::get<tasks::NerOptions>(*made.options).labels = kserve_strings(*labels->second);
}

// One padded row to a sequence: tokens whose mask is 0 are left out, with their places kept.
Row read_row(const std::vector<int32_t>& ids, const std::vector<int32_t>& mask,
             const std::vector<int32_t>& types, std::vector<int64_t>& places) {
  Row row;
  const auto length = static_cast<int64_t>(ids.size());
  for (int64_t t = 0; t < length; ++t) {
    const auto at = static_cast<size_t>(t);
    if (!mask.empty() && mask[at] == 0) continue;
    if (!mask.empty() && mask[at] != 1)
      refuse("attention_mask holds ", mask[at], ", must be 0 or 1");
    places.push_back(t);
    row.sequence.ids.push_back(ids[at]);
    if (!types.empty()) row.sequence.type_ids.push_back(types[at]);
  }
  if (places.empty()) refuse("a row of attention_mask has no 1");
  return row;
}

// What takes masked tokens out must not change for the others: Hugging Face counts positions over
// the padded row, masked or not, and from `first` on over those whose id is not the padding's.
void set_positions(Row& row, std::span<const int32_t> ids, const std::vector<int64_t>& places,
                   const Servable& model) {
  const auto kept = static_cast<int64_t>(places.size());
  if (places.back() + 1 == kept) return;
  if (places.back() - places.front() + 1 != kept && model.counts_distances()) {
    refuse(
        "attention_mask has a 0 between 1s; this model counts how far apart tokens stand, and "
        "takes 0 before and behind a text");
  }
  const int32_t first = model.first_position();
  const int32_t padding = first - 1;
  int32_t next = first;
  size_t at = 0;
  for (size_t t = 0; at < places.size(); ++t) {
    const bool counted = first == 0 || ids[t] != padding;
    if (static_cast<int64_t>(t) == places[at]) {
      row.positions.push_back(counted ? next : padding);
      ++at;
    }
    if (counted) ++next;
  }
}

std::vector<int32_t> slice(const std::vector<int32_t>& values, int64_t row, int64_t length) {
  if (values.empty()) return {};
  const auto begin = values.begin() + row * length;
  return {begin, begin + length};
}

bool wants_tokens(const Plan& plan) {
  return std::any_of(
      plan.outputs.begin(), plan.outputs.end(),
      [](const KserveOutputRequest& output) { return output.name == "token_embeddings"; });
}

// Places of padding are cheap to ask for, and cost as much as tokens in every output by token.
void price_padding(const std::vector<int64_t>& shape, const Plan& plan, Budget& budget,
                   int64_t float_bytes) {
  // The three inputs as int32, a row's copies of them, and where its tokens stood.
  constexpr int64_t kPlaceBytes = 32;
  budget.check_items("input_ids", static_cast<size_t>(shape[0]));
  int64_t width = wants_tokens(plan) ? plan.target.model->info().hidden_size : 0;
  for (const OutputInfo& output : plan.target.model->model().outputs(OutputSet::kTask)) {
    if (output.unit != engine::RowUnit::kSequence) width += output.row_elements;
  }
  budget.take("padded tokens", shape[0] * shape[1], kPlaceBytes + width * float_bytes);
}

void read_ids(const KserveRequest& request, Request& made, Plan& plan) {
  const auto inputs = by_name(request, {"input_ids", "attention_mask", "token_type_ids"});
  const auto ids = inputs.find("input_ids");
  if (ids == inputs.end()) refuse("input \"input_ids\" is missing");
  const std::vector<int64_t>& shape = ids->second->shape;
  if (shape.size() != 2) refuse("input_ids has ", shape.size(), " dimensions, must have 2");
  price_padding(shape, plan, *made.budget, made.float_bytes);
  const auto values_of = [&](std::string_view name) -> std::vector<int32_t> {
    const auto at = inputs.find(name);
    if (at == inputs.end()) return {};
    if (at->second->shape != shape) refuse(name, " must have the shape of input_ids");
    return kserve_integers(*at->second);
  };
  const std::vector<int32_t> all_ids = values_of("input_ids");
  const std::vector<int32_t> masks = values_of("attention_mask");
  const std::vector<int32_t> types = values_of("token_type_ids");
  plan.batch = shape[0];
  plan.length = shape[1];
  if (plan.batch == 0 || plan.length == 0) refuse("input_ids has no elements");
  for (int64_t r = 0; r < plan.batch; ++r) {
    plan.places.emplace_back();
    const std::vector<int32_t> row_ids = slice(all_ids, r, plan.length);
    Row row = read_row(row_ids, slice(masks, r, plan.length), slice(types, r, plan.length),
                       plan.places.back());
    set_positions(row, row_ids, plan.places.back(), plan.target.model->model());
    made.rows.push_back(std::move(row));
  }
  made.raw = true;
  if (wants_tokens(plan)) made.outputs = OutputSet::kTokens;
}

// The outputs a request names are the model's, and each comes once.
void check_outputs(const KserveMetadata& metadata, const Plan& plan) {
  std::set<std::string_view> seen;
  for (const KserveOutputRequest& output : plan.outputs) {
    if (!seen.insert(output.name).second) refuse("output \"", output.name, "\" came twice");
    const bool known =
        std::any_of(metadata.outputs.begin(), metadata.outputs.end(),
                    [&](const KserveTensorSpec& spec) { return spec.name == output.name; });
    if (known) continue;
    std::string names;
    for (const KserveTensorSpec& spec : metadata.outputs) {
      names += cat(names.empty() ? "" : ", ", spec.name);
    }
    refuse("unexpected output \"", output.name, "\"; the model gives ", names);
  }
}

// Scores in the order of the model's labels, as its logits are.
std::vector<float> in_label_order(const tasks::ClassifyResult& result, size_t labels) {
  std::vector<float> scores(labels, 0.0F);
  for (const tasks::LabelScore& item : result.scores) {
    scores[static_cast<size_t>(item.id)] = item.score;
  }
  return scores;
}

void add_classes(const Reply& reply, const ServableInfo& info, KserveResponse& response) {
  std::vector<float> logits;
  std::vector<float> scores;
  std::vector<std::string> names;
  for (const tasks::TaskResult& result : reply.results) {
    const auto& classes = std::get<tasks::ClassifyResult>(result);
    logits.insert(logits.end(), classes.logits.begin(), classes.logits.end());
    const std::vector<float> row = in_label_order(classes, info.labels.size());
    scores.insert(scores.end(), row.begin(), row.end());
    names.push_back(classes.scores.front().label);
  }
  const auto rows = static_cast<int64_t>(reply.results.size());
  const auto width = static_cast<int64_t>(info.labels.size());
  response.outputs.push_back(kserve_float_tensor("logits", {rows, width}, logits));
  response.outputs.push_back(kserve_float_tensor("scores", {rows, width}, scores));
  response.outputs.push_back(kserve_bytes_tensor("label", {rows}, names));
}

void add_text_outputs(const Plan& plan, const Reply& reply, KserveResponse& response) {
  const ServableInfo& info = plan.target.model->info();
  const auto rows = static_cast<int64_t>(reply.results.size());
  if (std::holds_alternative<tasks::ClassifyResult>(reply.results.front())) {
    add_classes(reply, info, response);
    return;
  }
  if (std::holds_alternative<tasks::EmbedResult>(reply.results.front())) {
    std::vector<float> values;
    for (const tasks::TaskResult& result : reply.results) {
      const std::vector<float>& row = std::get<tasks::EmbedResult>(result).embedding;
      values.insert(values.end(), row.begin(), row.end());
    }
    const int64_t width = static_cast<int64_t>(values.size()) / rows;
    response.outputs.push_back(kserve_float_tensor("embedding", {rows, width}, values));
    return;
  }
  std::vector<std::string> lines;
  for (const tasks::TaskResult& result : reply.results) lines.push_back(tasks::to_json(result));
  response.outputs.push_back(kserve_bytes_tensor("result", {rows}, lines));
}

// Rows by sequence as they are; rows by token back in their places, with zeros where nothing was.
void add_raw_outputs(const Plan& plan, const Reply& reply, KserveResponse& response) {
  const std::vector<OutputInfo> infos = plan.target.model->model().outputs(OutputSet::kTask);
  for (const RawOutput& output : reply.raw) {
    const int64_t width = output.row_elements;
    const auto info = std::find_if(infos.begin(), infos.end(), [&](const OutputInfo& item) {
      return item.name == output.name;
    });
    if (info != infos.end() && info->unit == engine::RowUnit::kSequence) {
      response.outputs.push_back(
          kserve_float_tensor(output.name, {plan.batch, width}, output.values));
      continue;
    }
    std::vector<float> padded(static_cast<size_t>(plan.batch * plan.length * width), 0.0F);
    const float* from = output.values.data();
    for (int64_t r = 0; r < plan.batch; ++r) {
      for (const int64_t place : plan.places[static_cast<size_t>(r)]) {
        std::copy(from, from + width, padded.begin() + (r * plan.length + place) * width);
        from += width;
      }
    }
    response.outputs.push_back(
        kserve_float_tensor(output.name, {plan.batch, plan.length, width}, padded));
  }
}

std::string float_text(float value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

// Triton's classification extension: the best k of each row as "value:index:label".
KserveTensor best_classes(const KserveTensor& tensor, int64_t k,
                          const std::vector<std::string>& labels, Budget& budget) {
  if (tensor.type != KserveType::kFp32 || tensor.shape.size() < 2) {
    refuse("output \"", tensor.name, "\" has no classes");
  }
  const auto width = static_cast<size_t>(tensor.shape.back());
  const auto* const values = reinterpret_cast<const float*>(tensor.data.data());
  const size_t rows = width == 0 ? 0 : tensor.data.size() / sizeof(float) / width;
  const auto count = static_cast<size_t>(std::min<int64_t>(k, tensor.shape.back()));
  // A string with a number and an index, its copy in the tensor, and its JSON.
  constexpr int64_t kClassBytes = 128;
  budget.take("classes", static_cast<int64_t>(rows * count), kClassBytes);
  std::vector<std::string> texts;
  std::vector<size_t> order(width);
  for (size_t r = 0; r < rows; ++r) {
    const float* const row = values + r * width;
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [row](size_t a, size_t b) { return row[a] > row[b]; });
    for (size_t i = 0; i < count; ++i) {
      std::string text = cat(float_text(row[order[i]]), ":", order[i]);
      if (labels.size() == width) text += cat(":", labels[order[i]]);
      texts.push_back(std::move(text));
    }
  }
  std::vector<int64_t> shape = tensor.shape;
  shape.back() = static_cast<int64_t>(count);
  return kserve_bytes_tensor(tensor.name, std::move(shape), texts);
}

KserveResponse answer(const Plan& plan, const Reply& reply) {
  KserveResponse response;
  response.model = plan.target.name;
  response.version = plan.target.model->version();
  response.id = plan.id;
  if (plan.target.tensors) {
    add_raw_outputs(plan, reply, response);
  } else {
    add_text_outputs(plan, reply, response);
  }
  if (plan.outputs.empty()) return response;
  std::vector<KserveTensor> chosen;
  for (const KserveOutputRequest& wanted : plan.outputs) {
    for (KserveTensor& output : response.outputs) {
      if (output.name != wanted.name) continue;
      if (wanted.classification > 0) {
        output = best_classes(output, wanted.classification, plan.target.model->info().labels,
                              *plan.budget);
      }
      chosen.push_back(std::move(output));
      break;
    }
  }
  response.outputs = std::move(chosen);
  return response;
}

}  // namespace

void kserve_infer(Core& core, KserveRequest request, const KserveCaller& caller, KserveDone done) {
  try {
    const auto plan = std::make_shared<Plan>();
    plan->target = kserve_target(core.models(), request.model, request.version);
    plan->id = request.id;
    plan->outputs = std::move(request.outputs);
    const KserveMetadata metadata = kserve_metadata(core.models(), plan->target);
    check_outputs(metadata, *plan);
    Request made;
    made.model = plan->target.model->name();
    made.version = plan->target.model->version();
    made.priority = request.priority;
    made.timeout_us = request.timeout_us;
    made.client = caller.client;
    made.cancelled = caller.cancelled;
    made.reply_on = caller.reply_on;
    made.id = caller.log_id;
    made.traceparent = caller.traceparent;
    plan->budget = std::make_shared<Budget>(core.limits());
    made.budget = plan->budget;
    made.float_bytes = caller.float_bytes;
    if (plan->target.tensors) {
      read_ids(request, made, *plan);
    } else {
      read_texts(request, made, *plan, metadata, request.truncate.value_or(caller.auto_truncate));
    }
    core.submit(std::move(made), [plan, done, note = caller.note](Reply&& reply) {
      if (note) note(reply);
      if (reply.error) return done({}, reply.error, reply.retry_after_ms);
      std::optional<Error> error;
      KserveResponse response;
      try {
        response = answer(*plan, reply);
      } catch (...) {
        error = current_error();
      }
      done(std::move(response), error, 0);
    });
  } catch (...) {
    done({}, current_error(), 0);
  }
}

}  // namespace tamis::serve
