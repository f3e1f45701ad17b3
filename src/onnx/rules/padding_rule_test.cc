// Files whose attention reads its mask, and files whose attention does not.
#include "onnx/rules/padding_rule.h"

#include <gtest/gtest.h>

#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

bool masks(const EditableModel& edit) {
  const std::string answer = edit.model.graph.outputs[0].name;
  return masks_padding(edit.model.graph, "attention_mask", std::vector{answer});
}

TEST(MasksPadding, WhereEverySoftmaxReadsTheMask) {
  for (const char* file :
       {"bert-cls-dynamo-op18-eager-tf524.onnx", "bert-cls-op14-tf437-fusedq.onnx",
        "deberta-v2-cls-legacy-op14-eager.onnx",
        "modernbert-base-legacy-op14-eager-tf524-level2.onnx"}) {
    EXPECT_TRUE(masks(EditableModel(file))) << file;
  }
}

TEST(MasksPadding, NotWhereAnInputIsReadByNothing) {
  EditableModel edit;
  for (NodeProto& node : edit.model.graph.nodes) {
    for (std::string& input : node.inputs) {
      if (input == "attention_mask") input = "input_ids";
    }
  }
  EXPECT_FALSE(masks(edit));
  std::erase_if(edit.model.graph.inputs,
                [](const ValueProto& input) { return input.name == "attention_mask"; });
  EXPECT_FALSE(masks(edit));
}

// The mask of the answer alone: what attention saw of padding is in every token by then.
TEST(MasksPadding, NotWhereAttentionGoesWithoutIt) {
  EditableModel edit;
  edit.maker("softmax").inputs[0] = "mul";
  EXPECT_FALSE(masks(edit));
  // Outputs and inputs that are left out have no name to go by.
  edit.maker("_to_copy").outputs.emplace_back("");
  edit.maker("softmax").inputs.emplace_back("");
  EXPECT_FALSE(masks(edit));
  EditableModel fused("bert-cls-op14-tf437-fusedq.onnx");
  for (NodeProto& node : fused.model.graph.nodes) {
    if (node.op_type == "QAttention") node.inputs[5] = "";
  }
  EXPECT_FALSE(masks(fused));
}

// An attention that the answer is not made of says nothing about it.
TEST(MasksPadding, OfTheAnswersAlone) {
  EditableModel edit;
  edit.append(make_node("Softmax", {"layer_norm"}, "other"));
  EXPECT_TRUE(masks(edit));
  EXPECT_FALSE(
      masks_padding(edit.model.graph, "attention_mask", std::vector<std::string>{"other"}));
}

}  // namespace
}  // namespace tamis::onnx
