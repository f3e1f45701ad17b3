#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

#include <vector>

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

#define TAMIS_PRE_TOKENIZER(type, factory) \
  std::unique_ptr<PreTokenizer> factory(const JsonView& json, const std::string& where);
#include "tokenizer/pre_tokenizers/pre_tokenizers.inc"
#undef TAMIS_PRE_TOKENIZER

namespace {

struct Row {
  std::string_view type;
  PreTokenizerFactory factory;
};

constexpr Row kRows[] = {
#define TAMIS_PRE_TOKENIZER(type, factory) {#type, factory},
#include "tokenizer/pre_tokenizers/pre_tokenizers.inc"
#undef TAMIS_PRE_TOKENIZER
};

class SequencePreTokenizer : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  void split(Text& text, Scratch& scratch) const override {
    for (const auto& step : steps_) step->split(text, scratch);
  }
  bool ends_with_byte_level() const override {
    return !steps_.empty() && steps_.back()->ends_with_byte_level();
  }
  void leave_bytes_raw() override {
    if (!steps_.empty()) steps_.back()->leave_bytes_raw();
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_sequence_pre_tokenizer(const JsonView& json,
                                                          const std::string& where) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  const JsonView list = array_field(json, "pretokenizers", where);
  for (size_t i = 0; i < list.size(); ++i) {
    auto step = make_pre_tokenizer(list.at(i), cat(where, ".pretokenizers[", i, "]"));
    if (step) steps.push_back(std::move(step));
  }
  return std::make_unique<SequencePreTokenizer>(std::move(steps));
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const JsonView& json, const std::string& where) {
  if (json.is_null()) return nullptr;
  const std::string_view type = string_field(json, "type", where);
  for (const Row& row : kRows) {
    if (row.type == type) return row.factory(json, where);
  }
  fail_unknown_type(where, "pre-tokenizer", type);
}

}  // namespace tamis::tokenizer
