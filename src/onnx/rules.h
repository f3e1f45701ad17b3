// What tensors made from ids, masks and sizes mean, told by what they are in every probe.
//
// Is: the closed list of masks and positions that import understands. Is not: the arithmetic that
// made them. May use: onnx/probe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "onnx/probe.h"

namespace tamis::onnx {

enum class IdsKind : uint8_t {
  kInputIds,
  kTokenTypeIds,
  kConstant,         ///< one id everywhere
  kPositions,        ///< offset + index in the sequence
  kRobertaPositions  ///< offset + count of tokens so far that are not `offset`, which keep `offset`
};

struct IdsRule {
  IdsKind kind = IdsKind::kInputIds;
  int64_t offset = 0;  ///< or the constant
  friend bool operator==(const IdsRule&, const IdsRule&) = default;
};

/// The rule that the ids [sequences or 1, tokens] follow wherever a token is; nothing: none does.
[[nodiscard]] std::optional<IdsRule> ids_rule(std::span<const Array> ids,
                                              std::span<const Probe> probes);

/// The distance where T5's buckets of both directions end, if the ids [tokens, tokens] are those
/// buckets of each key's place less the query's; nothing: they are not.
[[nodiscard]] std::optional<int64_t> t5_max_distance(std::span<const Array> ids,
                                                     std::span<const Probe> probes,
                                                     int64_t buckets);

/// Keys that a query sees besides padding: -1: all of that side.
struct MaskRule {
  int64_t left = -1;
  int64_t right = -1;
  friend bool operator==(const MaskRule&, const MaskRule&) = default;
};

/// The rule of what is added to scores [sequences, heads, queries, keys]: 0 where a key is seen,
/// and so low that nothing is left of it after the softmax where it is not. `why` says what speaks
/// against it where there is none.
[[nodiscard]] std::optional<MaskRule> mask_rule(std::span<const Array> added,
                                                std::span<const Probe> probes, std::string& why);

/// Whether the array is `one` for tokens and `zero` for padding, in every probe. Its dims are
/// [sequences, tokens] with any sizes of 1 around, or spread over a last axis.
[[nodiscard]] bool follows_mask(std::span<const Array> values, std::span<const Probe> probes,
                                double one, double zero);

}  // namespace tamis::onnx
