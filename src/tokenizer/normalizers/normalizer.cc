#include "tokenizer/normalizers/normalizer.h"

#include <vector>

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

#define TAMIS_NORMALIZER(type, factory) \
  std::unique_ptr<Normalizer> factory(const JsonView& json, const std::string& where);
#include "tokenizer/normalizers/normalizers.inc"
#undef TAMIS_NORMALIZER

namespace {

struct Row {
  std::string_view type;
  NormalizerFactory factory;
};

constexpr Row kRows[] = {
#define TAMIS_NORMALIZER(type, factory) {#type, factory},
#include "tokenizer/normalizers/normalizers.inc"
#undef TAMIS_NORMALIZER
};

class SequenceNormalizer : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> steps)
      : steps_(std::move(steps)) {}
  void normalize(Text& text, Scratch& scratch) const override {
    for (const auto& step : steps_) step->normalize(text, scratch);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

}  // namespace

std::unique_ptr<Normalizer> make_sequence_normalizer(const JsonView& json,
                                                     const std::string& where) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  const JsonView list = array_field(json, "normalizers", where);
  for (size_t i = 0; i < list.size(); ++i) {
    auto step = make_normalizer(list.at(i), cat(where, ".normalizers[", i, "]"));
    if (step) steps.push_back(std::move(step));
  }
  return std::make_unique<SequenceNormalizer>(std::move(steps));
}

std::unique_ptr<Normalizer> make_normalizer(const JsonView& json, const std::string& where) {
  if (json.is_null()) return nullptr;
  const std::string_view type = string_field(json, "type", where);
  for (const Row& row : kRows) {
    if (row.type == type) return row.factory(json, where);
  }
  fail_unknown_type(where, "normalizer", type);
}

}  // namespace tamis::tokenizer
