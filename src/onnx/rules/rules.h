// What tensors made from ids, masks and sizes mean, told by what they are in every probe.
//
// Is: the closed list of masks and positions that import understands. Is not: the arithmetic that
// made them. May use: graph, onnx/probe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/attributes.h"
#include "onnx/probe.h"

namespace tamis::onnx {

enum class IdsKind : uint8_t {
  kInputIds,
  kTokenTypeIds,
  kConstant,          ///< one id everywhere
  kPositions,         ///< offset + index in the sequence
  kRobertaPositions,  ///< offset + count of tokens so far that are not `offset`, which keep
                      ///< `offset`
  kShifted,           ///< input_ids one place on, behind the id `offset`
  kShiftedFromEnd     ///< the same behind each sequence's last id, `offset` being padding's
};

struct IdsRule {
  IdsKind kind = IdsKind::kInputIds;
  int64_t offset = 0;  ///< or the constant, or what the kind says
  friend bool operator==(const IdsRule&, const IdsRule&) = default;
};

/// The rule that the ids [sequences or 1, tokens] follow wherever a token is; nothing: none does.
[[nodiscard]] std::optional<IdsRule> ids_rule(std::span<const Array> ids,
                                              std::span<const Probe> probes);

/// What hides a key from a softmax, or padding from a maximum, is at most this. Scores are sums of
/// products of normalized rows: far below this. In half precision -65504 is the least number;
/// -10000, which old exports use, may leave something of a key.
inline constexpr double kMaskLimit = -60000;

/// Tokens that all others see, by the ids of their sequence.
struct GlobalTokenRule {
  graph::GlobalRule rule = graph::GlobalRule::kNone;
  int64_t separator = 0;  ///< of the rules that have one
  friend bool operator==(const GlobalTokenRule&, const GlobalTokenRule&) = default;
};

/// Keys that a query sees besides padding: -1: all of that side.
struct MaskRule {
  int64_t left = -1;
  int64_t right = -1;
  GlobalTokenRule global = {};  ///< and these, wherever they are
  int64_t block_size = 0;       ///< graph::AttentionAttributes' of both
  int64_t random_blocks = 0;
  friend bool operator==(const MaskRule&, const MaskRule&) = default;
};

struct DistanceRule {
  int64_t max_distance = 0;
  bool is_certain = true;  ///< false: others fit too, which differ beyond the longest probe
};

/// Which of T5's buckets there are.
enum class BucketSides : uint8_t {
  kBoth,   ///< a half for each direction
  kBefore  ///< all of them for keys before the query; those behind it are in the query's own
};

/// The distance where T5's buckets end, if the ids [tokens, tokens] are those buckets of each key's
/// place less the query's; nothing: they are not.
[[nodiscard]] std::optional<DistanceRule> t5_max_distance(std::span<const Array> ids,
                                                          std::span<const Probe> probes,
                                                          int64_t buckets, BucketSides sides);

/// Slopes of ALiBi, one for each head: what a key's distance is multiplied by and taken away.
struct AlibiRule {
  std::vector<float> slopes;
  bool masks = false;  ///< the same array hides keys, as `mask` says
  MaskRule mask;
};

/// The rule of what is added to scores [.., heads, queries, keys] if it falls with the distance of
/// each key from its query. Nothing: it does not, or not for every token.
[[nodiscard]] std::optional<AlibiRule> alibi_rule(std::span<const Array> added,
                                                  std::span<const Probe> probes);

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
