// Texts in, padded token ids out: the first half of an ensemble whose model runs elsewhere.
#include <algorithm>

#include "base/error.h"
#include "base/length_limit.h"
#include "integrations/triton/runner.h"

namespace tamis::triton {

namespace {

using TokenizedPart = Part<TaskInput, TokenIds>;

/// Which of a row's numbers an output holds, and what it has in place of padding.
struct Column {
  const char* name;
  std::vector<int64_t> (*of)(const TokenIds& row);
  bool padded_by_id = false;
};

std::vector<int64_t> widened(const std::vector<int32_t>& values) {
  return {values.begin(), values.end()};
}

const Column kColumns[] = {
    {"input_ids", [](const TokenIds& row) { return widened(row.ids); }, true},
    {"attention_mask", [](const TokenIds& row) { return std::vector<int64_t>(row.ids.size(), 1); }},
    {"token_type_ids",
     [](const TokenIds& row) {
       return row.type_ids.empty() ? std::vector<int64_t>(row.ids.size(), 0)
                                   : widened(row.type_ids);
     }},
};

template <typename T>
std::string padded(const std::vector<std::vector<int64_t>>& rows, int64_t length, int64_t padding) {
  std::vector<T> values(rows.size() * static_cast<size_t>(length), static_cast<T>(padding));
  for (size_t r = 0; r < rows.size(); ++r) {
    TAMIS_CHECK(static_cast<int64_t>(rows[r].size()) <= length);
    std::ranges::transform(rows[r], values.begin() + static_cast<int64_t>(r) * length,
                           [](int64_t value) { return static_cast<T>(value); });
  }
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

class TokenizerRunner final : public Runner {
 public:
  TokenizerRunner(const std::string& folder, const Settings& settings, const ModelConfig& config)
      : config_(config),
        settings_(settings),
        tokenizer_(Tokenizer::load(folder)),
        info_(tokenizer_.info()),
        subject_{Mode::kTokenizer, info_.task, 0, info_.needs_pair} {
    if (settings.pad_to_max_length && longest() == 0) {
      fail(ErrorCode::kUnsupported, "config.pbtxt of ", config.name,
           ": parameter \"padding\" is \"max_length\", but the model has no longest length; give "
           "max_length too");
    }
  }

  [[nodiscard]] const Subject& subject() const override { return subject_; }

  void check() const override {
    if (const auto input = example_input(subject_)) {
      static_cast<void>(tokenizer_.encode({*input}, settings_.tokenize));
    }
  }

  void run(std::vector<Exchange>& exchanges, std::vector<int64_t>& counts,
           Times& times) const override {
    run_parts<TaskInput, TokenIds>(
        exchanges, counts, times,
        [this](const std::vector<InputTensor>& inputs) { return read_texts(inputs, subject_); },
        [this](const std::vector<TaskInput>& inputs) {
          return tokenizer_.encode(inputs, settings_.tokenize);
        },
        [this](const TokenizedPart& part) { write(part); });
  }

 private:
  // The length of a request's rows depends on that request alone, so its answer does.
  [[nodiscard]] int64_t length_of(const TokenizedPart& part) const {
    int64_t length = 0;
    for (const TokenIds& row : part.results) {
      length = std::max(length, static_cast<int64_t>(row.ids.size()));
    }
    const int64_t most = longest();
    TAMIS_CHECK(most == 0 || length <= most);
    if (settings_.pad_to_max_length) return most;
    const int64_t step = settings_.pad_to_multiple_of;
    const int64_t rounded = (length + step - 1) / step * step;
    return most == 0 ? rounded : std::min(rounded, most);
  }

  // In tokens; 0: any length.
  [[nodiscard]] int64_t longest() const {
    return tighter_limit(settings_.load.max_length, info_.max_length);
  }

  void write(const TokenizedPart& part) const {
    const int64_t length = length_of(part);
    for (const Column& column : kColumns) {
      if (!part.exchange.wants(column.name)) continue;
      std::vector<std::vector<int64_t>> rows;
      for (const TokenIds& row : part.results) rows.push_back(column.of(row));
      const int64_t padding = column.padded_by_id ? info_.pad_id : 0;
      const bool narrow = is_narrow(column.name);
      part.exchange.add_output(
          column.name, narrow ? TRITONSERVER_TYPE_INT32 : TRITONSERVER_TYPE_INT64,
          batched_shape(config_, column.name, static_cast<int64_t>(rows.size()), {length}),
          narrow ? padded<int32_t>(rows, length, padding) : padded<int64_t>(rows, length, padding));
    }
  }

  [[nodiscard]] bool is_narrow(std::string_view name) const {
    const auto found = std::ranges::find(config_.outputs, name, &TensorConfig::name);
    return found != config_.outputs.end() && found->type == "TYPE_INT32";
  }

  const ModelConfig& config_;
  Settings settings_;
  Tokenizer tokenizer_;
  TokenizerInfo info_;
  Subject subject_;
};

}  // namespace

std::unique_ptr<Runner> make_tokenizer_runner(const std::string& folder, const Settings& settings,
                                              const ModelConfig& config) {
  return std::make_unique<TokenizerRunner>(folder, settings, config);
}

}  // namespace tamis::triton
