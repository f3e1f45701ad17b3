#include "model/self_test.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/loaded_model.h"
#include "model/span_labels.h"

namespace tamis::api {

namespace {

// Short, so that the reference kernels answer in seconds on a base-sized model too.
constexpr std::string_view kTexts[] = {"The quick brown fox.", "42 Straßen, naïve café!"};

std::vector<float> first_row(const LoadedModel& model, const std::vector<int32_t>& ids) {
  engine::BatchBuilder batch;
  tasks::Sequence sequence;
  sequence.ids = ids;
  sequence.selected = {0};
  // A word's row, as it alone reads the labels'.
  const auto& labels = model.manifest().span_labels;
  if (labels) sequence.selected = select_first_word(ids, *labels);
  batch.append(sequence.view());
  engine::Outputs outputs;
  model.runner().run(batch.batch(), outputs);
  const auto width = static_cast<size_t>(outputs.view(0).shape()[1]);
  const size_t at = labels && !sequence.selected.empty() ? sequence.selected.size() - 1 : 0;
  const auto row = outputs.view(0).as<float>().subspan(at * width, width);
  return {row.begin(), row.end()};
}

// Without a tokenizer the first few ids stand for each text.
std::vector<int32_t> test_ids(const LoadedModel& model, std::string_view text) {
  if (!model.has_tokenizer()) return {0, 1, 2};
  if (model.manifest().span_labels) {
    return model.encode({std::string(text)}, usual_options(model)).sequences[0].ids;
  }
  tokenizer::EncodeOptions options;
  options.max_length = model.manifest().max_length;
  const std::vector<int32_t> ids = model.tokenizer().encode(text, options).ids;
  return ids.empty() ? std::vector<int32_t>{0} : ids;
}

// Numbers of a masked-word head beyond the first thousand say nothing new.
constexpr size_t kMostNumbers = 1000;

}  // namespace

SelfTest make_self_test(const LoadedModel& model) {
  SelfTest test;
  for (const std::string_view text : kTexts) {
    SelfTestCase item;
    item.text = text;
    item.input_ids = test_ids(model, text);
    item.output = first_row(model, item.input_ids);
    if (item.output.size() > kMostNumbers) item.output.resize(kMostNumbers);
    test.cases.push_back(std::move(item));
  }
  return test;
}

double largest_difference(const SelfTest& a, const SelfTest& b) {
  double largest = 0;
  for (size_t i = 0; i < a.cases.size(); ++i) {
    const std::vector<float>& x = a.cases[i].output;
    const std::vector<float>& y = b.cases[i].output;
    TAMIS_CHECK(x.size() == y.size());
    for (size_t j = 0; j < x.size(); ++j) {
      largest = std::max(largest, std::abs(static_cast<double>(x[j]) - static_cast<double>(y[j])));
    }
  }
  return largest;
}

void check_self_test(const SelfTest& test, const LoadedModel& model) {
  for (const SelfTestCase& item : test.cases) {
    const std::vector<float> row = first_row(model, item.input_ids);
    if (row.size() < item.output.size()) {
      fail(ErrorCode::kCorruptData, "self-test: \"", item.text, "\" gives ", row.size(),
           " numbers, ", item.output.size(), " were recorded");
    }
    for (size_t i = 0; i < item.output.size(); ++i) {
      const double difference =
          std::abs(static_cast<double>(row[i]) - static_cast<double>(item.output[i]));
      // Not (a > b), so that NaN fails.
      if (!(difference <= test.tolerance)) {
        fail(ErrorCode::kCorruptData, "self-test: \"", item.text, "\" gives ", row[i], " at ", i,
             ", ", item.output[i], " was recorded; ", difference, " is over the tolerance of ",
             test.tolerance);
      }
    }
  }
}

}  // namespace tamis::api
