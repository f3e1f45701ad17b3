// A tokenizer of a dozen words and outputs made by hand, for this module's tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tasks/task.h"

namespace tamis::tasks {

// Ids: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, then the words in this order.
inline constexpr std::string_view kTestTokenizer = R"({
  "version": "1.0", "truncation": null, "padding": null,
  "added_tokens": [
    {"id": 0, "content": "[PAD]", "special": true, "normalized": false},
    {"id": 1, "content": "[UNK]", "special": true, "normalized": false},
    {"id": 2, "content": "[CLS]", "special": true, "normalized": false},
    {"id": 3, "content": "[SEP]", "special": true, "normalized": false},
    {"id": 4, "content": "[MASK]", "special": true, "normalized": false}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                 "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "anna": 5,
                      "li": 6, "##nd": 7, "##q": 8, "in": 9, "paris": 10, ".": 11, "cat": 12,
                      "where": 13, "?": 14, "the": 15, "sat": 16}}})";

inline const tokenizer::Tokenizer& test_tokenizer() {
  static const tokenizer::Tokenizer kTokenizer =
      tokenizer::Tokenizer::load_json(kTestTokenizer, "test");
  return kTokenizer;
}

inline TaskModel test_model(std::vector<std::string> labels = {}) {
  TaskModel model;
  model.tokenizer = &test_tokenizer();
  model.max_length = 16;
  model.labels = std::move(labels);
  return model;
}

/// decode() of one output with `width` columns.
inline TaskResult decode_rows(const Encoded& encoded, const std::vector<float>& values,
                              int64_t width, const TaskModel& model) {
  const auto rows = static_cast<int64_t>(values.size()) / width;
  const Tensor tensor = Tensor::from({rows, width}, values);
  const OutputView outputs[] = {{task_output(kind_of(encoded.options)), tensor.view()}};
  return decode(encoded, outputs, model);
}

/// What the call throws: code and message.
inline std::pair<ErrorCode, std::string> thrown(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {ErrorCode::kInternal, "nothing thrown"};
}

#define EXPECT_ERROR(statement, error_code, text)                          \
  do {                                                                     \
    const auto error = tamis::tasks::thrown([&] { (void)(statement); });   \
    EXPECT_EQ(error.first, error_code) << error.second;                    \
    EXPECT_NE(error.second.find(text), std::string::npos) << error.second; \
  } while (false)

}  // namespace tamis::tasks
