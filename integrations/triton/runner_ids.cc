// Token ids in, the model's own outputs out.
#include <algorithm>

#include "base/error.h"
#include "integrations/triton/runner.h"

namespace tamis::triton {

namespace {

/// A row of a padded batch.
struct Row {
  TokenIds tokens;
  int64_t length = 0;  ///< of the batch, padding included
};

using IdPart = Part<Row, std::vector<float>>;

// How many tokens are no padding, which lies at the end.
int64_t tokens_of(std::span<const int32_t> mask) {
  const auto ones = std::ranges::find_if(mask, [](int32_t value) { return value != 1; });
  const auto other = std::find_if(ones, mask.end(), [](int32_t value) { return value != 0; });
  if (other != mask.end()) {
    fail(ErrorCode::kInvalidArgument, "attention_mask: ",
         *other == 1 ? cat("a 1 behind a 0; padding is taken at the end of a row")
                     : cat("holds ", *other, ", must be 0 or 1"));
  }
  if (ones == mask.begin()) {
    fail(ErrorCode::kInvalidArgument, "attention_mask: a row has no 1");
  }
  return ones - mask.begin();
}

std::vector<int32_t> optional_values(const std::vector<InputTensor>& inputs, std::string_view name,
                                     const InputTensor& ids) {
  const InputTensor* const tensor = find_input(inputs, name);
  if (tensor == nullptr) return {};
  if (tensor->shape != ids.shape) {
    fail(ErrorCode::kInvalidArgument, name, " must have the shape of input_ids");
  }
  return integers_of(*tensor);
}

// `longest`: tokens of a row that the model takes; 0: any.
std::vector<Row> read_rows(const std::vector<InputTensor>& inputs, int64_t longest) {
  const InputTensor* const ids = find_input(inputs, "input_ids");
  if (ids == nullptr) fail(ErrorCode::kInvalidArgument, "input \"input_ids\" is missing");
  if (ids->shape.size() != 2) {
    fail(ErrorCode::kInvalidArgument, "input_ids has ", ids->shape.size(),
         " dimensions, must have 2");
  }
  const std::vector<int32_t> values = integers_of(*ids);
  const std::vector<int32_t> mask = optional_values(inputs, "attention_mask", *ids);
  const std::vector<int32_t> types = optional_values(inputs, "token_type_ids", *ids);
  const int64_t length = ids->shape[1];
  if (ids->shape[0] > 0 && length == 0) {
    fail(ErrorCode::kInvalidArgument, "input_ids has the shape [", ids->shape[0],
         ", 0]; a row needs at least one token");
  }
  if (longest > 0 && length > longest) {
    fail(ErrorCode::kInvalidArgument, "input_ids has rows of ", length,
         " tokens, padding included; the model takes at most ", longest);
  }
  std::vector<Row> rows(static_cast<size_t>(ids->shape[0]));
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto first = static_cast<int64_t>(r) * length;
    const int64_t count =
        mask.empty() ? length : tokens_of({mask.data() + first, static_cast<size_t>(length)});
    const auto slice = [&](const std::vector<int32_t>& from) {
      return std::vector<int32_t>(from.begin() + first, from.begin() + first + count);
    };
    rows[r].tokens.ids = slice(values);
    if (!types.empty()) rows[r].tokens.type_ids = slice(types);
    rows[r].length = length;
  }
  return rows;
}

class IdRunner final : public Runner {
 public:
  IdRunner(const std::string& folder, const Settings& settings, const ModelConfig& config)
      : config_(config), model_(Model::load(folder, settings.load)), info_(model_.info()) {
    tokens_ = rows_are_tokens(info_.task);
    output_ = info_.task == "embed"         ? "sentence_embedding"
              : info_.task == "embed-multi" ? "token_vectors"
                                            : "logits";
    // What a model gives of ids is told by a run of one.
    subject_ = {Mode::kIds, info_.task, model_.run({{{0}}}).columns};
  }

  [[nodiscard]] const Subject& subject() const override { return subject_; }

  void run(std::vector<Exchange>& exchanges, std::vector<int64_t>& counts,
           Times& times) const override {
    run_parts<Row, std::vector<float>>(
        exchanges, counts, times,
        [this](const std::vector<InputTensor>& inputs) {
          return read_rows(inputs, info_.max_length);
        },
        [this](const std::vector<Row>& rows) { return outputs_of(rows); },
        [this](const IdPart& part) { write(part); });
  }

 private:
  [[nodiscard]] std::vector<std::vector<float>> outputs_of(const std::vector<Row>& rows) const {
    std::vector<TokenIds> inputs;
    for (const Row& row : rows) inputs.push_back(row.tokens);
    const Matrix matrix = model_.run(inputs);
    std::vector<std::vector<float>> outputs;
    auto next = matrix.values.begin();
    for (const TokenIds& input : inputs) {
      const auto count = static_cast<int64_t>(tokens_ ? input.ids.size() : 1) * matrix.columns;
      TAMIS_CHECK(matrix.values.end() - next >= count);
      outputs.emplace_back(next, next + count);
      next += count;
    }
    return outputs;
  }

  // Rows of tokens stand where the tokens stood, with zeros in place of padding.
  void write(const IdPart& part) const {
    if (!part.exchange.wants(output_)) return;
    const int64_t width = subject_.width;
    std::vector<int64_t> sizes = {width};
    int64_t places = 1;
    if (tokens_) {
      places = part.inputs.empty() ? 0 : part.inputs.front().length;
      sizes.insert(sizes.begin(), places);
    }
    const auto row_size = static_cast<size_t>(places * width);
    std::vector<float> values(part.results.size() * row_size, 0.0F);
    for (size_t r = 0; r < part.results.size(); ++r) {
      std::ranges::copy(part.results[r], values.begin() + static_cast<int64_t>(r * row_size));
    }
    part.exchange.add_output(
        output_, TRITONSERVER_TYPE_FP32,
        batched_shape(config_, output_, static_cast<int64_t>(part.results.size()), sizes),
        {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }

  const ModelConfig& config_;
  Model model_;
  ModelInfo info_;
  Subject subject_;
  bool tokens_ = false;
  const char* output_ = "";
};

}  // namespace

std::unique_ptr<Runner> make_id_runner(const std::string& folder, const Settings& settings,
                                       const ModelConfig& config) {
  return std::make_unique<IdRunner>(folder, settings, config);
}

}  // namespace tamis::triton
