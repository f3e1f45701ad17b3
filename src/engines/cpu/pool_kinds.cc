#include "engines/cpu/pool_kinds.h"

namespace tamis::engines::cpu {

std::vector<Pooling> pool_kinds(const graph::Node& node) {
  if (node.op == graph::OpKind::kVocabularyPool) return {Pooling::kVocabulary};
  return node.attribute<graph::PoolAttributes>().modes;
}

}  // namespace tamis::engines::cpu
