// Ranges that quantizers had when a checkpoint was saved.
//
// Is: the buffers `<quantizer>._amax` that pytorch-quantization and tamis.torch leave beside the
// weights. Is not: applied (quant/trained_ranges.h). May use: the standard library.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tamis::graph {

struct TrainedRanges {
  /// amax by the checkpoint's spelling of the quantizer's name: one of an activation, one for each
  /// output row of a weight. NaN: the quantizer is off.
  std::map<std::string, std::vector<float>> amax;
  /// Of those, quantizers of linear layers whose weight lies in the checkpoint and was not read:
  /// poolers and heads of other tasks.
  std::set<std::string> of_unread_layers;
  /// What names of the encoder's modules begin with, but for checkpoints of the encoder alone.
  std::string prefix;
  std::string source;  ///< the folder, for messages

  [[nodiscard]] bool empty() const { return amax.empty(); }
};

}  // namespace tamis::graph
