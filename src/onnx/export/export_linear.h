// Linear layers that one MatMul node stands for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "onnx/export/export_context.h"

namespace tamis::onnx {

/// One linear layer of a MatMul node: of a merged one there are several, by rows of the weight.
struct LinearPart {
  std::string module;  ///< path of its nodes
  std::string weight;  ///< name of the constant
  std::string bias;
  int64_t first_row = 0;
  int64_t rows = 0;
};

/// A merged MatMul keeps the mark of each weight, in the order of the rows.
[[nodiscard]] std::vector<LinearPart> linear_parts(const ExportContext& c, const graph::Node& node);

/// The part's rows of a constant.
[[nodiscard]] std::shared_ptr<const Tensor> rows_of(const ExportContext& c, graph::ValueId id,
                                                    const LinearPart& part);

}  // namespace tamis::onnx
