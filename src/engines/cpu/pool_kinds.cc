#include "engines/cpu/pool_kinds.h"

namespace tamis::engines::cpu {

namespace {

kernels::Pooling kernel_mode(graph::PoolMode mode) {
  switch (mode) {
    case graph::PoolMode::kCls:
      return kernels::Pooling::kCls;
    case graph::PoolMode::kMean:
      return kernels::Pooling::kMean;
    case graph::PoolMode::kMax:
      return kernels::Pooling::kMax;
    case graph::PoolMode::kMeanSqrtLen:
      return kernels::Pooling::kMeanSqrtLen;
    case graph::PoolMode::kWeightedMean:
      return kernels::Pooling::kWeightedMean;
    case graph::PoolMode::kLastToken:
      return kernels::Pooling::kLastToken;
  }
  return kernels::Pooling::kMean;
}

}  // namespace

std::vector<kernels::Pooling> pool_kinds(const graph::Node& node) {
  if (node.op == graph::OpKind::kVocabularyPool) return {kernels::Pooling::kVocabulary};
  std::vector<kernels::Pooling> kinds;
  for (const graph::PoolMode mode : node.attribute<graph::PoolAttributes>().modes) {
    kinds.push_back(kernel_mode(mode));
  }
  return kinds;
}

}  // namespace tamis::engines::cpu
