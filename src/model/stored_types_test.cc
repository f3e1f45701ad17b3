// Weights in the types that checkpoints store them in: the bits of the same numbers in float32, in
// every precision and on every kernel set.
#include "model/test_util.h"

namespace tamis::api {
namespace {

using engine::Precision;

bool has_short_constants(const graph::Graph& graph) {
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const graph::Value& value = graph.value(static_cast<graph::ValueId>(i));
    if (value.dtype == DType::kF16 || value.dtype == DType::kBF16) return true;
  }
  return false;
}

class StoredTypes : public testing::TestWithParam<const char*> {};

TEST_P(StoredTypes, GiveTheBitsOfFloat32) {
  for (const std::string_view isa : {"reference", "avx2", "avx512", "native"}) {
    ModelOptions options = on_threads(2);
    try {
      if (isa != "native") options.isas = isas_up_to(isa);
    } catch (const Error&) {
      continue;  // this CPU lacks it
    }
    for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
      options.precision = precision;
      const auto model = LoadedModel::load(resolve_model(testdata(GetParam()).string()), options);
      const auto inputs = example_inputs(*model);
      ASSERT_TRUE(has_short_constants(model->graph()));
      const auto plain = model->make_runner(in_float32(model->graph()), precision);
      EXPECT_EQ(raw_outputs(*model, inputs, 64), raw_outputs(*model, inputs, 64, plain.get()))
          << isa << " in " << engine::precision_name(precision);
    }
  }
}

// A tied decoder, packed projections, grouped heads, position tables that a family computes.
INSTANTIATE_TEST_SUITE_P(All, StoredTypes,
                         testing::Values("models/variants/f16", "models/variants/bf16",
                                         "models/variants/mixed-dtypes", "models/ernie-masked-lm",
                                         "models/modernbert-base", "models/deberta-base",
                                         "models/llama-base", "models/esm-base", "models/t5-base"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '-' || c == '/'; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace tamis::api
