// attention_b16 of attention.h: a block has 64 query rows of one head, a warp 16 of them; 64 keys a
// step. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/attention/attention_terms-inl.h"
#include "kernels/cuda/rows/row_tail-inl.h"

namespace tamis::cuda::device {

/// For heads up to kSize, a multiple of 16; channels behind head_size are 0.
template <int kSize>
class AttentionB16 {
  static constexpr int kChunks = kSize / 8;  // of 16 bytes
  static constexpr int kRowBytes = attention_row_bytes(kSize);
  static constexpr int kStages = attention_stages(kSize);
  static constexpr int kTileBytes = kAttentionKeys * kRowBytes;
  static constexpr int kKeyBlocks = kAttentionKeys / 8;
  // Of wide heads the results leave no registers for the queries, which stay in shared memory.
  static constexpr bool kKeepsQueries = kSize <= 112;
  static constexpr float kLog2e = 1.44269504f;

 public:
  static TAMIS_DEVICE void run(const AttentionParams& p) {
    if (block_x() >= load_global(p.tile_count)) return;
    attend_tile(p);
    if constexpr (kSize <= kMostHeadSizeTail) {
      if (p.tail.finished == nullptr) return;
      const AttentionTile tile = load_tile(p);
      finish_rows<kAttentionThreads, false>(p.tail, block_x(), p.heads, tile.query_row,
                                            tile.query_row + tile.queries);
    }
  }

 private:
  static TAMIS_DEVICE void attend_tile(const AttentionParams& p) {
    AttentionB16 attention(p);
    attention.attend();
    attention.finish();
  }

  /// Rows of one operand.
  struct Source {
    Values values;
    int64_t first;
    int ld;
    int rows;
  };

  TAMIS_DEVICE explicit AttentionB16(const AttentionParams& p)
      : p_(p),
        head_(block_y()),
        lane_(thread_x() % 32),
        warp_(thread_x() / 32),
        q0_(shared_base()),
        k0_(q0_ + kAttentionRows * kRowBytes),
        v0_(k0_ + kStages * kTileBytes),
        tile_(load_tile(p)) {
    TAMIS_UNROLL
    for (int h = 0; h < 2; ++h) {
      const int row = warp_ * 16 + h * 8 + lane_ / 4;
      const int known = row < tile_.queries ? row : 0;
      place_[h] = load_global(p.places + tile_.query_row + known);
    }
    TAMIS_UNROLL
    for (int j = 0; j < kSize / 8; ++j) {
      TAMIS_UNROLL
      for (int r = 0; r < 4; ++r) o_[j][r] = 0;
    }
  }

  static TAMIS_DEVICE AttentionTile load_tile(const AttentionParams& p) {
    const Vec4 words = load_global(reinterpret_cast<const Vec4*>(p.tiles + block_x()));
    return {static_cast<int32_t>(words.x), static_cast<int32_t>(words.y),
            static_cast<int32_t>(words.z), static_cast<int32_t>(words.w)};
  }

  static TAMIS_DEVICE uint32_t place(int row, int chunk) {
    return static_cast<uint32_t>(row * kRowBytes + chunk * 16);
  }

  /// Rows [begin, begin + 64); zeros where there is none.
  TAMIS_DEVICE void fetch(const Source& from, int begin, uint32_t to) const {
    const bool in_chunks = from.values.stored == Stored::kB16 && p_.head_size % 8 == 0 &&
                           from.ld % 8 == 0 && from.first % 8 == 0;
    for (int id = thread_x(); id < kAttentionKeys * kChunks; id += kAttentionThreads) {
      const int row = id / kChunks;
      const int chunk = id % kChunks;
      const bool there = begin + row < from.rows && chunk * 8 < p_.head_size;
      const int64_t at = from.first + static_cast<int64_t>(begin + row) * from.ld + chunk * 8;
      if (in_chunks) {
        const auto* values = static_cast<const uint16_t*>(from.values.data);
        copy_async(to + place(row, chunk), there ? values + at : values, there ? 16 : 0);
      } else {
        fetch_chunk(from.values, at, there ? p_.head_size - chunk * 8 : 0, to + place(row, chunk));
      }
    }
  }

  /// Up to eight values, rounded.
  static TAMIS_DEVICE void fetch_chunk(Values from, int64_t at, int count, uint32_t to) {
    uint32_t words[4];
    TAMIS_UNROLL
    for (int w = 0; w < 4; ++w) {
      const float low = w * 2 < count ? load_value(from, at + w * 2) : 0.0f;
      const float high = w * 2 + 1 < count ? load_value(from, at + w * 2 + 1) : 0.0f;
      words[w] = pack_b16(low, high);
    }
    store_shared128(to, {words[0], words[1], words[2], words[3]});
  }

  TAMIS_DEVICE void fetch_keys(int begin, int stage) const {
    const auto side = static_cast<uint32_t>(stage * kTileBytes);
    const int group = head_ / p_.group * p_.head_size;
    const auto row = static_cast<int64_t>(tile_.key_row);
    fetch({p_.k, row * p_.ldk + group, p_.ldk, tile_.keys}, begin, k0_ + side);
    fetch({p_.v, row * p_.ldv + group, p_.ldv, tile_.keys}, begin, v0_ + side);
    copy_commit();
  }

  TAMIS_DEVICE void attend() {
    const int64_t query = static_cast<int64_t>(tile_.query_row) * p_.ldq + head_ * p_.head_size;
    fetch({p_.q, query, p_.ldq, tile_.queries}, 0, q0_);
    const int first = load_global(p_.places + tile_.query_row);
    const int last = load_global(p_.places + tile_.query_row + tile_.queries - 1);
    const KeyRange keys = seen_keys(p_, tile_.keys, first, last);
    const int begin = keys.begin / kAttentionKeys;
    const int end = (keys.end + kAttentionKeys - 1) / kAttentionKeys;
    fetch_keys(begin * kAttentionKeys, 0);
    for (int step = begin; step < end; ++step) {
      copy_wait<0>();
      sync_block();
      if (kKeepsQueries && step == begin) load_queries();
      const int stage = kStages == 2 ? (step - begin) & 1 : 0;
      if (kStages == 2 && step + 1 < end) fetch_keys((step + 1) * kAttentionKeys, stage ^ 1);
      attend_step(step * kAttentionKeys, static_cast<uint32_t>(stage * kTileBytes));
      if (kStages == 1 && step + 1 < end) {
        sync_block();
        fetch_keys((step + 1) * kAttentionKeys, 0);
      }
    }
  }

  TAMIS_DEVICE void load_queries(int i, uint32_t (&q)[4]) const {
    load_matrices(q, q0_ + place(warp_ * 16 + lane_ % 16, i * 2 + lane_ / 16));
  }
  TAMIS_DEVICE void load_queries() {
    TAMIS_UNROLL
    for (int i = 0; i < kSize / 16; ++i) load_queries(i, q_[i]);
  }

  TAMIS_DEVICE void attend_step(int first_key, uint32_t side) {
    float s[kKeyBlocks][4];
    TAMIS_UNROLL
    for (int j = 0; j < kKeyBlocks; ++j) {
      TAMIS_UNROLL
      for (int r = 0; r < 4; ++r) s[j][r] = 0;
    }
    TAMIS_UNROLL
    for (int i = 0; i < kSize / 16; ++i) {
      uint32_t q[4];
      if constexpr (kKeepsQueries) {
        TAMIS_UNROLL
        for (int r = 0; r < 4; ++r) q[r] = q_[i][r];
      } else {
        load_queries(i, q);
      }
      TAMIS_UNROLL
      for (int j = 0; j < kKeyBlocks / 2; ++j) {
        uint32_t k[4];
        load_matrices(
            k, k0_ + side + place(j * 16 + lane_ % 8 + lane_ / 16 * 8, i * 2 + lane_ / 8 % 2));
        multiply_b16(s[j * 2], q, k[0], k[1]);
        multiply_b16(s[j * 2 + 1], q, k[2], k[3]);
      }
    }
    add_terms(first_key, s);
    uint32_t probabilities[kKeyBlocks][2];
    TAMIS_UNROLL
    for (int h = 0; h < 2; ++h) soften(h, s, probabilities);
    add_values(side, probabilities);
  }

  /// Scores in units of log2; -infinity for keys that are not seen.
  TAMIS_DEVICE void add_terms(int first_key, float (&s)[kKeyBlocks][4]) const {
    const float scale = mul_rn(p_.scale, kLog2e);
    TAMIS_UNROLL
    for (int j = 0; j < kKeyBlocks; ++j) {
      TAMIS_UNROLL
      for (int r = 0; r < 4; ++r) {
        const int key = first_key + j * 8 + lane_ % 4 * 2 + r % 2;
        const int distance = key - place_[r / 2];
        s[j][r] = mul_rn(s[j][r], scale);
        if (p_.bias != nullptr) {
          s[j][r] = fma_rn(bias_of(p_, head_, distance), kLog2e, s[j][r]);
        }
        if (key >= tile_.keys || !sees(p_, distance)) s[j][r] = float_of(0xff800000u);
      }
    }
  }

  /// Rows h * 8 + lane / 4: probabilities of this step, and what went before brought to their
  /// scale.
  TAMIS_DEVICE void soften(int h, const float (&s)[kKeyBlocks][4],
                           uint32_t (&probabilities)[kKeyBlocks][2]) {
    float high = most_[h];
    TAMIS_UNROLL
    for (int j = 0; j < kKeyBlocks; ++j) high = max_of(high, max_of(s[j][h * 2], s[j][h * 2 + 1]));
    high = max_of(high, shuffle_xor(high, 1));
    high = max_of(high, shuffle_xor(high, 2));
    const float taken = high == float_of(0xff800000u) ? 0.0f : high;
    const float shrink = exp2_fast(sub_rn(most_[h], taken));
    most_[h] = high;
    float part = 0;
    TAMIS_UNROLL
    for (int j = 0; j < kKeyBlocks; ++j) {
      const uint32_t pair = pack_b16(exp2_fast(sub_rn(s[j][h * 2], taken)),
                                     exp2_fast(sub_rn(s[j][h * 2 + 1], taken)));
      probabilities[j][h] = pair;
      const float low = float_of_b16(static_cast<uint16_t>(pair));
      part = add_rn(part, add_rn(low, float_of_b16(static_cast<uint16_t>(pair >> 16))));
    }
    sum_[h] = fma_rn(sum_[h], shrink, part);
    TAMIS_UNROLL
    for (int j = 0; j < kSize / 8; ++j) {
      o_[j][h * 2] = mul_rn(o_[j][h * 2], shrink);
      o_[j][h * 2 + 1] = mul_rn(o_[j][h * 2 + 1], shrink);
    }
  }

  TAMIS_DEVICE void add_values(uint32_t side, const uint32_t (&probabilities)[kKeyBlocks][2]) {
    TAMIS_UNROLL
    for (int i = 0; i < kKeyBlocks / 2; ++i) {
      const uint32_t a[4] = {probabilities[i * 2][0], probabilities[i * 2][1],
                             probabilities[i * 2 + 1][0], probabilities[i * 2 + 1][1]};
      TAMIS_UNROLL
      for (int j = 0; j < kSize / 16; ++j) {
        uint32_t v[4];
        load_matrices_transposed(v, v0_ + side + place(i * 16 + lane_ % 16, j * 2 + lane_ / 16));
        multiply_b16(o_[j * 2], a, v[0], v[1]);
        multiply_b16(o_[j * 2 + 1], a, v[2], v[3]);
      }
    }
  }

  TAMIS_DEVICE void finish() {
    const int width = p_.heads * p_.head_size;
    TAMIS_UNROLL
    for (int h = 0; h < 2; ++h) {
      float sum = sum_[h];
      sum = add_rn(sum, shuffle_xor(sum, 1));
      sum = add_rn(sum, shuffle_xor(sum, 2));
      const int row = warp_ * 16 + h * 8 + lane_ / 4;
      if (row >= tile_.queries) continue;
      const int64_t to = static_cast<int64_t>(tile_.query_row + row) * width + head_ * p_.head_size;
      TAMIS_UNROLL
      for (int j = 0; j < kSize / 8; ++j) {
        const int channel = j * 8 + lane_ % 4 * 2;
        const float first = div_rn(o_[j][h * 2], sum);
        const float second = div_rn(o_[j][h * 2 + 1], sum);
        if (p_.head_size % 2 == 0) {
          if (channel < p_.head_size) store_two(p_.out, to + channel, first, second);
        } else {
          if (channel < p_.head_size) store_value(p_.out, to + channel, first);
          if (channel + 1 < p_.head_size) store_value(p_.out, to + channel + 1, second);
        }
      }
    }
  }

  const AttentionParams& p_;
  int head_;
  int lane_;
  int warp_;
  uint32_t q0_;
  uint32_t k0_;
  uint32_t v0_;
  AttentionTile tile_;
  int place_[2];
  uint32_t q_[kSize / 16][4];
  float most_[2] = {float_of(0xff800000u), float_of(0xff800000u)};
  float sum_[2] = {0, 0};
  float o_[kSize / 8][4];
};

}  // namespace tamis::cuda::device
