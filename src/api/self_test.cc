#include "api/self_test.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace tamis::api {

namespace {

// Short, so that the reference kernels answer in seconds on a base-sized model too.
constexpr std::string_view kTexts[] = {"The quick brown fox.", "42 Straßen, naïve café!"};

std::vector<float> first_row(const LoadedModel& model, const std::vector<int32_t>& ids) {
  BatchBuffer batch;
  batch.clear();
  tasks::Sequence sequence;
  sequence.ids = ids;
  sequence.selected = {0};
  batch.append(sequence);
  runtime::Outputs outputs;
  model.engine().run(batch.packed(), outputs);
  const auto row =
      outputs.view(0).as<float>().first(static_cast<size_t>(outputs.view(0).shape()[1]));
  return {row.begin(), row.end()};
}

// Numbers of a masked-word head beyond the first thousand say nothing new.
constexpr size_t kMostNumbers = 1000;

}  // namespace

SelfTest make_self_test(const LoadedModel& model) {
  SelfTest test;
  for (const std::string_view text : kTexts) {
    SelfTestCase item;
    item.text = text;
    tokenizer::EncodeOptions options;
    options.max_length = model.manifest().max_length;
    item.input_ids = model.tokenizer().encode(text, options).ids;
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

std::string write_self_test(const SelfTest& test) {
  JsonWriter json(1);
  json.begin_object().member("tolerance", test.tolerance).key("cases").begin_array();
  for (const SelfTestCase& item : test.cases) {
    json.begin_object().member("text", item.text);
    json.key("input_ids").array(item.input_ids).key("output").array(item.output).end_object();
  }
  return json.end_array().end_object().take() + "\n";
}

SelfTest parse_self_test(std::string_view text, std::string_view source) {
  const JsonDocument document = JsonDocument::parse(text, source);
  const JsonView root = document.root();
  SelfTest test;
  test.tolerance = root.get("tolerance").as_double(cat(source, ": tolerance"));
  const JsonView cases = root.get("cases");
  for (size_t i = 0; i < cases.size(); ++i) {
    SelfTestCase item;
    const std::string where = cat(source, ": cases[", i, "]");
    item.text = cases.at(i).get("text").as_string(where + ".text");
    const JsonView ids = cases.at(i).get("input_ids");
    for (size_t j = 0; j < ids.size(); ++j) {
      item.input_ids.push_back(static_cast<int32_t>(ids.at(j).as_int(where + ".input_ids")));
    }
    const JsonView output = cases.at(i).get("output");
    for (size_t j = 0; j < output.size(); ++j) {
      item.output.push_back(static_cast<float>(output.at(j).as_double(where + ".output")));
    }
    if (item.input_ids.empty() || item.output.empty()) {
      fail(ErrorCode::kCorruptData, where, ": input_ids and output must not be empty");
    }
    test.cases.push_back(std::move(item));
  }
  if (test.cases.empty()) fail(ErrorCode::kCorruptData, source, ": no cases");
  return test;
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
