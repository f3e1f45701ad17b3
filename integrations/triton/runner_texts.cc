// Texts in, answers out.
#include <tamis/json.h>

#include <algorithm>

#include "base/error.h"
#include "integrations/triton/runner.h"

namespace tamis::triton {

namespace {

using TextPart = Part<TaskInput, TaskResult>;

std::vector<std::string> texts_of(const std::vector<TaskInput>& inputs) {
  std::vector<std::string> texts;
  for (const TaskInput& input : inputs) texts.push_back(input.text);
  return texts;
}

template <typename Result>
std::vector<TaskResult> as_results(std::vector<Result> results) {
  return {std::make_move_iterator(results.begin()), std::make_move_iterator(results.end())};
}

// Scores in the order of the model's labels, as its logits are.
std::vector<float> in_label_order(const ClassifyResult& result) {
  std::vector<float> scores(result.logits.size(), 0.0F);
  for (const LabelScore& item : result.scores) scores[static_cast<size_t>(item.id)] = item.score;
  return scores;
}

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

void append(std::vector<float>& values, const std::vector<float>& more) {
  values.insert(values.end(), more.begin(), more.end());
}

class TextRunner final : public Runner {
 public:
  TextRunner(const std::string& folder, const Settings& settings, const ModelConfig& config)
      : config_(config),
        settings_(settings),
        model_(Model::load(folder, settings.load)),
        info_(model_.info()),
        subject_{Mode::kTexts, info_.task, info_.output_size, info_.needs_pair} {
    if (info_.task == "embed") subject_.width = model_.embedding_size(settings_.embed);
  }

  [[nodiscard]] const Subject& subject() const override { return subject_; }

  void check() const override {
    if (const auto input = example_input(subject_)) static_cast<void>(answers({*input}));
  }

  void run(std::vector<Exchange>& exchanges, std::vector<int64_t>& counts,
           Times& times) const override {
    run_parts<TaskInput, TaskResult>(
        exchanges, counts, times,
        [this](const std::vector<InputTensor>& inputs) { return read_texts(inputs, subject_); },
        [this](const std::vector<TaskInput>& inputs) { return answers(inputs); },
        [this](const TextPart& part) { write(part); });
  }

 private:
  [[nodiscard]] std::vector<TaskResult> answers(const std::vector<TaskInput>& inputs) const {
    const std::string& task = info_.task;
    if (task == "ner") return as_results(model_.ner(texts_of(inputs), settings_.ner));
    if (task == "qa") return as_results(model_.answer(inputs, settings_.qa));
    if (task == "fill-mask") {
      return as_results(model_.fill_mask(texts_of(inputs), settings_.fill_mask));
    }
    if (task == "embed") return as_results(model_.embed(texts_of(inputs), settings_.embed));
    if (task == "embed-sparse") {
      return as_results(model_.embed_sparse(texts_of(inputs), settings_.sparse));
    }
    if (task == "embed-multi") {
      return as_results(model_.embed_multi(texts_of(inputs), settings_.multi));
    }
    if (task == "embed-all") {
      return as_results(model_.embed_all(texts_of(inputs), settings_.all));
    }
    return as_results(model_.classify(inputs, settings_.classify));  // classify, rerank, zero-shot
  }

  void write(const TextPart& part) const {
    std::vector<float> embeddings;
    std::vector<float> logits;
    std::vector<float> scores;
    std::vector<std::string> labels;
    std::vector<std::string> lines;
    for (const TaskResult& result : part.results) {
      if (const auto* embedded = std::get_if<EmbedResult>(&result)) {
        append(embeddings, embedded->embedding);
      } else if (const auto* classes = std::get_if<ClassifyResult>(&result)) {
        append(logits, classes->logits);
        append(scores, in_label_order(*classes));
        labels.push_back(classes->scores.front().label);
      } else {
        lines.push_back(to_json(result));
      }
    }
    write_floats(part, "embedding", embeddings);
    write_floats(part, "logits", logits);
    write_floats(part, "scores", scores);
    write_strings(part, "label", labels);
    write_strings(part, "result", lines);
  }

  void write_floats(const TextPart& part, const char* name,
                    const std::vector<float>& values) const {
    if (!part.exchange.wants(name)) return;
    const auto rows = static_cast<int64_t>(part.results.size());
    const int64_t width = rows == 0 ? subject_.width : static_cast<int64_t>(values.size()) / rows;
    part.exchange.add_output(name, TRITONSERVER_TYPE_FP32,
                             batched_shape(config_, name, rows, {width}), bytes_of(values));
  }

  void write_strings(const TextPart& part, const char* name,
                     const std::vector<std::string>& texts) const {
    if (!part.exchange.wants(name)) return;
    const auto rows = static_cast<int64_t>(part.results.size());
    part.exchange.add_output(name, TRITONSERVER_TYPE_BYTES, batched_shape(config_, name, rows, {1}),
                             packed_strings(texts));
  }

  const ModelConfig& config_;
  Settings settings_;
  Model model_;
  ModelInfo info_;
  Subject subject_;
};

}  // namespace

std::vector<TaskInput> read_texts(const std::vector<InputTensor>& inputs, const Subject& subject) {
  const InputTensor* const text = find_input(inputs, "text");
  if (text == nullptr) fail(ErrorCode::kInvalidArgument, "input \"text\" is missing");
  std::vector<std::string> texts = strings_of(*text);
  std::vector<std::string> pairs;
  const InputTensor* const pair = find_input(inputs, "text_pair");
  if (pair == nullptr && subject.needs_pair) {
    fail(ErrorCode::kInvalidArgument, "input \"text_pair\" is missing; this model's ", subject.task,
         " reads pairs of texts alone");
  }
  if (pair != nullptr) pairs = strings_of(*pair);
  if (pair != nullptr && pairs.size() != texts.size()) {
    fail(ErrorCode::kInvalidArgument, "input \"text\" has ", texts.size(),
         " elements and \"text_pair\" ", pairs.size());
  }
  std::vector<TaskInput> made(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    made[i].text = std::move(texts[i]);
    if (pair != nullptr) made[i].pair = std::move(pairs[i]);
  }
  return made;
}

std::vector<int64_t> batched_shape(const ModelConfig& config, std::string_view output, int64_t rows,
                                   std::vector<int64_t> sizes) {
  const auto tensor = std::ranges::find(config.outputs, output, &TensorConfig::name);
  TAMIS_CHECK(tensor != config.outputs.end());
  // The sizes of a model that does not batch begin with the batch's. After `reshape` to no sizes
  // the server puts a 1 back.
  const size_t of_batch = config.max_batch_size > 0 ? 0 : 1;
  if (tensor->dims.size() == of_batch) return {rows};
  sizes.insert(sizes.begin(), rows);
  return sizes;
}

std::optional<TaskInput> example_input(const Subject& subject) {
  if (subject.task == "fill-mask") return std::nullopt;
  TaskInput input{"a"};
  if (subject.needs_pair) input.pair = "b";
  return input;
}

std::unique_ptr<Runner> make_text_runner(const std::string& folder, const Settings& settings,
                                         const ModelConfig& config) {
  return std::make_unique<TextRunner>(folder, settings, config);
}

}  // namespace tamis::triton
