#include "engines/cuda/batch_arrays.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "engines/cpu/attention_terms.h"
#include "kernels/reference/global_tokens.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::cuda {

using engine::PackedBatch;
using graph::Symbol;
using tamis::cuda::AttentionTile;

namespace {

constexpr int64_t kTileRows = tamis::cuda::kAttentionRows;
// Of the products' tiles and attention's the lowest.
constexpr int64_t kLeastTileRows = 16;
constexpr size_t kAlignment = 16;

int64_t elements(const ArrayKey& key, const Extent& extent) {
  switch (key.kind) {
    case ArrayKind::kRows:
    case ArrayKind::kTileCount:
      return 1;
    case ArrayKind::kInputIds:
    case ArrayKind::kShiftedIds:
    case ArrayKind::kTokenTypeIds:
    case ArrayKind::kPositions:
    case ArrayKind::kSeenByAll:
    case ArrayKind::kDropout:
      return extent.tokens;
    case ArrayKind::kCuSeqlens:
      return extent.sequences + 1;
    case ArrayKind::kPlaces:
    case ArrayKind::kGivenPlaces:
    case ArrayKind::kTokenOf:
      return extent.rows(key.symbol);
    case ArrayKind::kTiles:
      return extent.tiles(key.symbol) * 4;
    case ArrayKind::kLastOf:
    case ArrayKind::kFilled:
    case ArrayKind::kUnpooled:
      return extent.sequences;
    case ArrayKind::kFinished:
      return extent.rows(key.symbol) / kLeastTileRows + extent.sequences + 1;
    case ArrayKind::kAround:
      return extent.tokens * key.width;
  }
  return 0;
}

/// One batch, sequence by sequence.
class Filler {
 public:
  explicit Filler(const PackedBatch& batch) : batch_(batch) {}

  /// `count` is what the array has room for.
  void fill(const ArrayKey& key, int64_t count, int32_t* to) const {
    switch (key.kind) {
      case ArrayKind::kRows:
        *to = static_cast<int32_t>(extent_of(batch_).rows(key.symbol));
        return;
      case ArrayKind::kInputIds:
        std::ranges::copy(batch_.input_ids, to);
        return;
      case ArrayKind::kShiftedIds:
        return kernels::reference::shift_ids(batch_.input_ids, batch_.cu_seqlens,
                                             static_cast<int32_t>(key.shift.first),
                                             static_cast<int32_t>(key.shift.padding_idx),
                                             {to, static_cast<size_t>(batch_.tokens())});
      case ArrayKind::kTokenTypeIds:
        return copy_or_zeros(batch_.token_type_ids, batch_.tokens(), to);
      case ArrayKind::kPositions:
        return positions(key.rule, to);
      case ArrayKind::kCuSeqlens:
        std::ranges::copy(batch_.cu_seqlens, to);
        return;
      case ArrayKind::kPlaces:
        return for_each_row(key.symbol, [&](int64_t row, int32_t token, int64_t sequence) {
          to[row] = token < 0 ? 0 : token - begin(sequence);
        });
      case ArrayKind::kGivenPlaces:
        return given_places(key, to);
      case ArrayKind::kTileCount:
        *to = static_cast<int32_t>(tiles(key.symbol, nullptr));
        return;
      case ArrayKind::kTiles:
        (void)tiles(key.symbol, reinterpret_cast<AttentionTile*>(to));
        return;
      case ArrayKind::kTokenOf:
        return for_each_row(key.symbol,
                            [&](int64_t row, int32_t token, int64_t) { to[row] = token; });
      case ArrayKind::kLastOf:
        for (int64_t s = 0; s < batch_.sequences(); ++s) to[s] = last_of(s, key);
        return;
      case ArrayKind::kFilled:
        for (int64_t s = 0; s < batch_.sequences(); ++s) {
          to[s] = length(s) == 0 ? -1 : static_cast<int32_t>(s);
        }
        return;
      case ArrayKind::kUnpooled:
        return copy_or_zeros(batch_.unpooled, batch_.sequences(), to);
      case ArrayKind::kFinished:
        std::fill_n(to, count, 0);
        return;
      case ArrayKind::kAround:
        return around(key.width, to);
      case ArrayKind::kSeenByAll:
        return seen_by_all(key.global, to);
      case ArrayKind::kDropout:
        return kernels::reference::token_dropout(
            batch_.input_ids, batch_.cu_seqlens, static_cast<int32_t>(key.dropout.mask_token),
            key.dropout.kept, {reinterpret_cast<float*>(to), static_cast<size_t>(batch_.tokens())});
    }
  }

 private:
  [[nodiscard]] int32_t begin(int64_t sequence) const {
    return batch_.cu_seqlens[static_cast<size_t>(sequence)];
  }
  [[nodiscard]] int32_t length(int64_t sequence) const {
    return begin(sequence + 1) - begin(sequence);
  }
  [[nodiscard]] int32_t given_place(int32_t token, int64_t sequence) const {
    return batch_.position_ids.empty() ? token - begin(sequence)
                                       : batch_.position_ids[static_cast<size_t>(token)];
  }

  [[nodiscard]] int32_t last_place(int64_t sequence) const {
    if (batch_.position_ids.empty()) return length(sequence) - 1;
    return *std::ranges::max_element(batch_.position_ids.subspan(
        static_cast<size_t>(begin(sequence)), static_cast<size_t>(length(sequence))));
  }

  // Rows of a table that has one for each place, or two.
  void given_places(const ArrayKey& key, int32_t* to) const {
    int64_t known = -1;  // the sequence that `behind` is of
    int32_t behind = 0;
    for_each_row(key.symbol, [&](int64_t row, int32_t token, int64_t sequence) {
      to[row] = token < 0 ? 0 : given_place(token, sequence);
      if (token < 0 || key.long_from == 0) return;
      if (sequence != known) {
        known = sequence;
        behind = last_place(sequence) >= key.long_from ? 1 : 0;
      }
      to[row] = 2 * to[row] + behind;
    });
  }

  /// Keys that tokens of the sequence see.
  [[nodiscard]] int32_t keys(int64_t sequence) const {
    return batch_.key_lengths.empty() ? length(sequence)
                                      : batch_.key_lengths[static_cast<size_t>(sequence)];
  }
  [[nodiscard]] int32_t last_of(int64_t sequence, const ArrayKey& key) const {
    return kernels::reference::last_place_of(batch_.input_ids, begin(sequence), begin(sequence + 1),
                                             key.token, key.padding_idx);
  }

  static void copy_or_zeros(std::span<const int32_t> from, int64_t count, int32_t* to) {
    if (from.empty()) {
      std::fill_n(to, count, 0);
    } else {
      std::ranges::copy(from, to);
    }
  }

  void positions(const graph::PositionIdsAttributes& rule, int32_t* to) const {
    const std::span<int32_t> out(to, static_cast<size_t>(batch_.tokens()));
    if (!batch_.position_ids.empty()) {
      std::ranges::copy(batch_.position_ids, to);
    } else if (rule.rule == graph::PositionRule::kAbsolute) {
      kernels::reference::position_ids(batch_.cu_seqlens, out);
    } else {
      kernels::reference::position_ids_roberta(batch_.input_ids, batch_.cu_seqlens,
                                               static_cast<int32_t>(rule.padding_idx), out);
    }
  }

  /// Rows [first, first + count) that the symbol counts in a sequence.
  struct Rows {
    int64_t first = 0;
    int64_t count = 0;
  };
  [[nodiscard]] Rows rows_of(Symbol symbol, int64_t sequence) const {
    if (symbol == Symbol::kFirst) return {sequence, 1};
    if (symbol == Symbol::kTokens || batch_.selected_tokens.empty()) {
      return {begin(sequence), length(sequence)};
    }
    const auto& selected = batch_.selected_tokens;
    const auto first = std::ranges::lower_bound(selected, begin(sequence));
    const auto end = std::lower_bound(first, selected.end(), begin(sequence + 1));
    return {first - selected.begin(), end - first};
  }
  [[nodiscard]] int32_t token_of(Symbol symbol, int64_t row, int64_t sequence) const {
    if (symbol == Symbol::kFirst) return length(sequence) == 0 ? -1 : begin(sequence);
    if (symbol == Symbol::kTokens || batch_.selected_tokens.empty()) {
      return static_cast<int32_t>(row);
    }
    return batch_.selected_tokens[static_cast<size_t>(row)];
  }
  template <typename Body>
  void for_each_row(Symbol symbol, const Body& body) const {
    for (int64_t s = 0; s < batch_.sequences(); ++s) {
      const Rows rows = rows_of(symbol, s);
      for (int64_t row = rows.first; row < rows.first + rows.count; ++row) {
        body(row, token_of(symbol, row, s), s);
      }
    }
  }

  /// Writes the tiles where there is a place for them; returns their number. A sequence without
  /// keys has none.
  int64_t tiles(Symbol symbol, AttentionTile* to) const {
    int64_t count = 0;
    for (int64_t s = 0; s < batch_.sequences(); ++s) {
      const Rows rows = rows_of(symbol, s);
      if (length(s) == 0) continue;
      for (int64_t row = 0; row < rows.count; row += kTileRows, ++count) {
        if (to == nullptr) continue;
        to[count] = {static_cast<int32_t>(rows.first + row),
                     static_cast<int32_t>(std::min(kTileRows, rows.count - row)), begin(s),
                     keys(s)};
      }
    }
    return count;
  }

  void seen_by_all(const graph::MergeGlobalAttributes& global, int32_t* to) const {
    std::fill_n(to, batch_.tokens(), 0);
    for (int64_t s = 0; s < batch_.sequences(); ++s) {
      const auto range = kernels::reference::global_tokens(
          cpu::global_rule(global.rule), static_cast<int32_t>(global.separator),
          batch_.input_ids.data() + begin(s), length(s));
      std::fill(to + begin(s) + range.begin, to + begin(s) + range.end, 1);
    }
  }

  void around(int64_t width, int32_t* to) const {
    for_each_row(Symbol::kTokens, [&](int64_t row, int32_t token, int64_t sequence) {
      for (int64_t i = 0; i < width; ++i) {
        const int64_t from = token + i - width / 2;
        const bool inside = from >= begin(sequence) && from < begin(sequence + 1);
        to[row * width + i] = inside ? static_cast<int32_t>(from) : -1;
      }
    });
  }

  const PackedBatch& batch_;
};

}  // namespace

int64_t Extent::rows(Symbol symbol) const {
  switch (symbol) {
    case Symbol::kConst:
      return 1;
    case Symbol::kSequences:
    case Symbol::kFirst:
      return sequences;
    case Symbol::kTokens:
      return tokens;
    case Symbol::kSelected:
      return selected;
    case Symbol::kPairs:
      break;
  }
  TAMIS_CHECK(false);
  return 0;
}

int64_t Extent::tiles(Symbol symbol) const {
  if (symbol == Symbol::kFirst) return sequences;
  return rows(symbol) / kTileRows + sequences;
}

Extent extent_of(const PackedBatch& batch) {
  return {batch.sequences(), batch.tokens(), batch.selected()};
}

Extent bucket_of(const Extent& extent) {
  constexpr uint64_t kLeast = 16;
  const auto up = [&](int64_t n) {
    return static_cast<int64_t>(std::bit_ceil(std::max(static_cast<uint64_t>(n), kLeast)));
  };
  return {up(extent.sequences), up(extent.tokens), up(extent.selected)};
}

int BatchArrays::add(const ArrayKey& key) {
  const auto found = std::ranges::find(keys_, key);
  if (found != keys_.end()) return static_cast<int>(found - keys_.begin());
  keys_.push_back(key);
  return static_cast<int>(keys_.size()) - 1;
}

size_t BatchArrays::layout(const Extent& extent, std::vector<size_t>& offsets) const {
  offsets.clear();
  size_t total = 0;
  for (const ArrayKey& key : keys_) {
    offsets.push_back(total);
    const auto bytes = static_cast<size_t>(elements(key, extent)) * sizeof(int32_t);
    total += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  return total;
}

void BatchArrays::fill(const PackedBatch& batch, const Extent& extent,
                       const std::vector<size_t>& offsets, std::byte* block) const {
  const Filler filler(batch);
  for (size_t i = 0; i < keys_.size(); ++i) {
    filler.fill(keys_[i], elements(keys_[i], extent),
                reinterpret_cast<int32_t*>(block + offsets[i]));
  }
}

}  // namespace tamis::engines::cuda
