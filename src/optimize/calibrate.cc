#include "optimize/calibrate.h"

#include "base/error.h"
#include "quant/centre_attention.h"
#include "quant/equalize_values.h"
#include "quant/token_set.h"

namespace tamis::api {

namespace {

// The texts of a row, each with its optional second.
std::vector<tokenizer::TextInput> inputs_of(const TextRow& row, tasks::TaskKind task) {
  std::vector<tokenizer::TextInput> inputs;
  if (row.text && row.text_pair && models::is_embedding(head_of(task))) {
    inputs.push_back({*row.text, std::nullopt});
    inputs.push_back({*row.text_pair, std::nullopt});
  } else if (row.text) {
    inputs.push_back({*row.text, row.text_pair});
  } else if (!row.tokens.empty()) {
    std::string text;
    for (const std::string& token : row.tokens) text += (text.empty() ? "" : " ") + token;
    inputs.push_back({text, std::nullopt});
  } else if (row.question) {
    inputs.push_back({*row.question, row.context});
  } else if (row.query) {
    for (const std::string& text : row.texts) inputs.push_back({*row.query, text});
  }
  if (inputs.empty()) {
    fail(ErrorCode::kInvalidArgument, "calibration: line ", row.line, " has no text");
  }
  return inputs;
}

tasks::Sequence encode(const LoadedModel& model, const tokenizer::TextInput& input) {
  tokenizer::EncodeOptions options;
  options.max_length = model.manifest().max_length;
  options.offsets = false;
  options.details = false;
  options.truncation_side = model.tokenizer().truncation_side();
  tokenizer::Encoding encoding = model.tokenizer().encode(input, options);
  tasks::Sequence sequence;
  sequence.ids = std::move(encoding.ids);
  if (model.manifest().uses_type_ids) sequence.type_ids = std::move(encoding.type_ids);
  return sequence;
}

}  // namespace

engine::BatchBuilder encode_rows(const LoadedModel& model, std::span<const TextRow> rows) {
  engine::BatchBuilder batch;
  for (const TextRow& row : rows) {
    for (const tokenizer::TextInput& input : inputs_of(row, model.task())) {
      const tasks::Sequence sequence = encode(model, input);
      if (sequence.size() > 0) batch.append(sequence.view());
    }
  }
  if (batch.tokens() == 0) {
    fail(ErrorCode::kInvalidArgument, "calibration: the file has no texts; at least one is needed");
  }
  return batch;
}

Calibrated calibrate(const LoadedModel& model, graph::Graph marked, std::span<const TextRow> rows,
                     const quant::QuantizeOptions& options,
                     const std::function<void(double)>& progress) {
  const engine::BatchBuilder batch = encode_rows(model, rows);
  const engine::PackedBatch packed = batch.batch();
  // The truth that the integers are fitted to is float32 throughout.
  ThreadPool& pool = model.runner().pool();
  graph::Graph source = std::move(marked);
  const quant::TokenSet tokens({&packed, 1}, options.max_tokens);
  quant::QuantizeOptions with_ranges = options;
  if (model.trained_ranges().empty()) {
    quant::centre_attention(source, tokens.batch(), pool);
    if (options.tensorrt) quant::equalize_values(source, tokens.batch(), pool);
  } else {
    with_ranges.trained = &model.trained_ranges();
  }
  quant::Quantized quantized =
      quant::quantize(source, {&packed, 1}, with_ranges, pool, [&progress](double done) {
        if (progress) progress(done);
        return true;
      });
  if (!quant::needs_simulation(quantized.graph)) {
    graph::set_attention_arithmetic(quantized.graph, graph::FloatArithmetic::kBf16);
  }
  return {std::move(source), std::move(quantized)};
}

}  // namespace tamis::api
