#include "tokenizer/decoder.h"

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

#define TAMIS_DECODER(type, factory) \
  std::unique_ptr<Decoder> factory(const JsonView& json, const std::string& where);
#include "tokenizer/decoders.inc"
#undef TAMIS_DECODER

namespace {

struct Row {
  std::string_view type;
  DecoderFactory factory;
};

constexpr Row kRows[] = {
#define TAMIS_DECODER(type, factory) {#type, factory},
#include "tokenizer/decoders.inc"
#undef TAMIS_DECODER
};

class SequenceDecoder : public Decoder {
 public:
  explicit SequenceDecoder(std::vector<std::unique_ptr<Decoder>> steps)
      : steps_(std::move(steps)) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (const auto& step : steps_) step->decode(tokens);
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

}  // namespace

std::unique_ptr<Decoder> make_sequence_decoder(const JsonView& json, const std::string& where) {
  std::vector<std::unique_ptr<Decoder>> steps;
  const JsonView list = array_field(json, "decoders", where);
  for (size_t i = 0; i < list.size(); ++i) {
    auto step = make_decoder(list.at(i), cat(where, ".decoders[", i, "]"));
    if (step) steps.push_back(std::move(step));
  }
  return std::make_unique<SequenceDecoder>(std::move(steps));
}

std::unique_ptr<Decoder> make_decoder(const JsonView& json, const std::string& where) {
  if (json.is_null()) return nullptr;
  const std::string_view type = string_field(json, "type", where);
  for (const Row& row : kRows) {
    if (row.type == type) return row.factory(json, where);
  }
  fail_unknown_type(where, "decoder", type);
}

}  // namespace tamis::tokenizer
