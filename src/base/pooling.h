// How the tokens' rows of a sequence become one, by sentence-transformers' names.
//
// Is: the closed list, shared by formats, graph and kernels. Is not: the arithmetic
// (kernels/reference/pooling.cc is its definition). May use: nothing, so that per-ISA files can
// include it.
#pragma once

#include <cstdint>

namespace tamis {

enum class Pooling : uint8_t {
  kCls,           ///< the first token
  kMean,          ///< sum / length
  kMax,           ///< the greatest, channel by channel
  kMeanSqrtLen,   ///< sum / sqrt(length)
  kWeightedMean,  ///< sum of (t + 1) x_t / sum of (t + 1)
  kLastToken,
  /// log(1 + max(0, the greatest)), channel by channel, of SPLADE: an op of its own in graphs. Not
  /// finite where a token is not.
  kVocabulary,
};

}  // namespace tamis
