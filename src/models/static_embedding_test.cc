#include <gtest/gtest.h>

#include "formats/safetensors.h"
#include "formats/test_util.h"
#include "models/models.h"

namespace tamis::models {
namespace {

BuildOptions static_options() {
  BuildOptions options;
  options.sentence_transformer.emplace().output = TransformerOutput::kStaticEmbedding;
  return options;
}

TEST(StaticEmbedding, PutsARowOfZerosBehindTheTable) {
  const TempFolder folder;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const Tensor table(dtype, {3, 2});
    const NamedTensor tensors[] = {{"embedding.weight", table.view()}};
    write_safetensors(folder.path() / "model.safetensors", tensors);
    const BuiltModel model = build_static_embedding(folder.path(), static_options());
    EXPECT_EQ(model.vocab_size, 3);
    EXPECT_EQ(model.hidden_size, 2);
    EXPECT_EQ(model.output_size, 2);
    EXPECT_EQ(model.empty_text_id, 3);
    EXPECT_EQ(model.max_positions, 0);
    const auto& constant = model.graph.value(model.graph.find_value("embedding.weight")).constant;
    EXPECT_EQ(constant->dtype(), dtype);
    EXPECT_EQ(constant->shape(), Shape({4, 2}));
    const Tensor values = to_float32(constant->view());
    EXPECT_EQ(values.as<float>()[6], 0.0F);
    EXPECT_EQ(values.as<float>()[7], 0.0F);
  }
}

TEST(StaticEmbedding, HasOneHead) {
  BuildOptions options = static_options();
  options.head = HeadKind::kTokenClassification;
  expect_error(ErrorCode::kUnsupported,
               "a StaticEmbedding has no head for token classification; accepted is embedding",
               [&] { (void)build_static_embedding("folder", options); });
}

}  // namespace
}  // namespace tamis::models
