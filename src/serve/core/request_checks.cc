#include "serve/core/request_checks.h"

#include "base/error.h"
#include "base/length_limit.h"
#include "model/input_error.h"
#include "tasks/code_points.h"

namespace tamis::serve {

namespace {

// A sequence of ids as texts are cut: special tokens at both ends stay.
void cut_row(Row& row, int64_t longest, const Truncation& truncation,
             const tokenizer::Tokenizer* tokenizer) {
  std::vector<int32_t>& ids = row.sequence.ids;
  longest = tighter_limit(longest, truncation.max_length);
  const auto size = static_cast<int64_t>(ids.size());
  if (longest == 0 || size <= longest) return;
  if (!truncation.enabled) {
    fail(ErrorCode::kInvalidArgument, "the sequence of ", size, " token ids is longer than ",
         longest, " tokens, and truncation is off");
  }
  const auto special = [&](int32_t id) {
    return tokenizer != nullptr && tokenizer->is_special(id);
  };
  int64_t head = 0;
  while (head < longest && special(ids[static_cast<size_t>(head)])) ++head;
  int64_t tail = 0;
  while (head + tail < longest && special(ids[static_cast<size_t>(size - tail - 1)])) ++tail;
  const bool left = truncation.side == Side::kLeft;
  const int64_t gap = size - longest;
  const auto begin = ids.begin() + (left ? head : size - tail - gap);
  ids.erase(begin, begin + gap);
  row.truncated = true;
}

// Names the row in the error of one of several.
template <typename Each>
void for_each_row(Request& request, const Each& each) {
  for (size_t i = 0; i < request.rows.size(); ++i) {
    try {
      each(request.rows[i]);
    } catch (const Error& error) {
      throw api::InputError(i, request.rows.size(), error);
    }
  }
}

const Truncation* truncation_of(const tasks::TaskOptions& options) {
  return std::visit(
      [](const auto& own) -> const Truncation* {
        if constexpr (requires { own.truncation; }) {
          return &own.truncation;
        } else {
          return nullptr;
        }
      },
      options);
}

// What stands before a text, or is looked up for it, is none of its token ids.
template <typename Options>
void check_rows_options(const Options& options) {
  if constexpr (requires { options.prompt_name; }) {
    if (options.prompt_name) {
      fail(ErrorCode::kInvalidArgument, "a prompt is put before texts, not before token ids");
    }
  }
  if constexpr (requires { options.query; }) {
    if (options.query) {
      fail(ErrorCode::kInvalidArgument, "queries are read as texts, not as token ids");
    }
  }
}

}  // namespace

void check_rows(const Servable& model, Request& request) {
  if (request.rows.empty()) return;
  if (request.options) {
    model.check_task(tasks::kind_of(*request.options));
    std::visit([](const auto& own) { check_rows_options(own); }, *request.options);
    const tasks::TaskModel* const task = model.task_model();
    const bool embeds = std::holds_alternative<tasks::EmbedOptions>(*request.options);
    if (embeds && task != nullptr && task->unnamed_side != tasks::TextSide::kDocument) {
      fail(ErrorCode::kInvalidArgument,
           "token ids are of documents, which the model's Router does not take texts for by "
           "default; send texts");
    }
    if (const Truncation* truncation = truncation_of(*request.options)) {
      for_each_row(request, [&](Row& row) {
        cut_row(row, model.info().max_length, *truncation, task ? task->tokenizer : nullptr);
      });
    }
  }
  for_each_row(request, [&](const Row& row) { model.check_row(row); });
}

void check_dimensions(Servable& model, const Request& request) {
  const auto* const embed =
      request.options ? std::get_if<tasks::EmbedOptions>(&*request.options) : nullptr;
  if (embed == nullptr || !embed->dimensions) return;
  for (const OutputInfo& output : model.outputs(OutputSet::kTask)) {
    if (output.name != tasks::kSentenceEmbedding || output.row_elements >= *embed->dimensions) {
      continue;
    }
    fail(ErrorCode::kInvalidArgument, "dimensions must be at most the model's ",
         output.row_elements, ", not ", *embed->dimensions);
  }
}

int64_t characters_of(const Request& request) {
  int64_t count = 0;
  for (const Row& row : request.rows) count += row.sequence.size();
  for (const tasks::TaskInput& input : request.inputs) {
    const int64_t own = tasks::count_code_points(input.text);
    if (input.texts.empty()) count += own;
    if (input.pair) count += tasks::count_code_points(*input.pair);
    for (const std::string& text : input.texts) count += own + tasks::count_code_points(text);
  }
  return count;
}

LabelSizes sizes_of(const std::vector<std::string>& labels) {
  LabelSizes sizes;
  sizes.count = static_cast<int64_t>(labels.size());
  for (const std::string& label : labels) sizes.bytes += static_cast<int64_t>(label.size());
  return sizes;
}

void price_request(Request& request, const BudgetLimits& limits) {
  if (request.budget == nullptr) request.budget = std::make_shared<Budget>(limits);
  Budget& budget = *request.budget;
  for (const tasks::TaskInput& input : request.inputs) take_texts(budget, input);
  if (request.options) {
    take_options(budget, *request.options, static_cast<int64_t>(request.inputs.size()));
    if (const auto* zero_shot = std::get_if<tasks::ZeroShotOptions>(&*request.options)) {
      for (const tasks::TaskInput& input : request.inputs) {
        take_hypotheses(budget, *zero_shot, input);
      }
    }
  }
  int64_t tokens = 0;
  for (const Row& row : request.rows) tokens += row.sequence.size();
  take_sequences(budget, static_cast<int64_t>(request.rows.size()));
  budget.take("token ids", tokens, token_bytes(tasks::EmbedOptions{}));
}

void price_answer(const Request& request, const tasks::Encoded& encoded, const LabelSizes& labels) {
  if (!request.raw) return take_result(*request.budget, encoded, labels);
  const bool embeds = std::holds_alternative<tasks::EmbedOptions>(encoded.options) ||
                      std::holds_alternative<tasks::EmbedSparseOptions>(encoded.options);
  if (!embeds || !encoded.sequences.empty()) return;
  fail(ErrorCode::kUnsupported,
       "the model reads this text by a table alone, which gives its embedding and no other output; "
       "accepted are texts of documents");
}

void price_outputs(const Request& request, Servable& model, const Job& job) {
  Budget& budget = *request.budget;
  int64_t selected = 0;
  for (const RowRef& row : job.rows) {
    const auto count = static_cast<int64_t>(row.sequence->selected.size());
    selected += count == 0 ? row.sequence->size() : count;
  }
  const auto prints = [&request]<typename Options>(std::type_identity<Options>) {
    return std::holds_alternative<Options>(request.options.value());
  };
  const bool whole = request.raw || prints(std::type_identity<tasks::EmbedOptions>{}) ||
                     prints(std::type_identity<tasks::EmbedMultiOptions>{}) ||
                     prints(std::type_identity<tasks::EmbedAllOptions>{});
  // Logits are read, not printed: the row and a copy of it.
  const int64_t bytes = whole ? request.float_bytes : int64_t{2 * sizeof(float)};
  const auto take = [&](int64_t rows, int64_t elements) {
    budget.take("rows of outputs", rows, elements * bytes);
  };
  for (const OutputInfo& output : model.outputs(OutputSet::kTask)) {
    const bool by_sequence = output.unit == engine::RowUnit::kSequence;
    const bool by_mask = output.unit == engine::RowUnit::kSelectedToken;
    const auto sequences = static_cast<int64_t>(job.rows.size());
    take(by_sequence ? sequences : by_mask ? selected : job.tokens, output.row_elements);
  }
  if (job.outputs == OutputSet::kTokens) take(job.tokens, model.info().hidden_size);
}

}  // namespace tamis::serve
