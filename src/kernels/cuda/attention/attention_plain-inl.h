// attention_plain of attention.h: a warp has a query row of one head at a time, a lane a key of 32.
// For kernels.cu and tests.
#pragma once

#include "kernels/cuda/activation-inl.h"
#include "kernels/cuda/attention/attention_terms-inl.h"

namespace tamis::cuda::device {

class AttentionPlain {
  static constexpr int kWarps = kAttentionThreads / 32;
  static constexpr int kChannels = kMostHeadSize / 32;  // of a lane

 public:
  static TAMIS_DEVICE void run(const AttentionParams& p) {
    if (block_x() >= load_global(p.tile_count)) return;
    AttentionPlain attention(p);
    for (int row = thread_x() / 32; row < attention.tile_.queries; row += kWarps) {
      attention.attend(row);
    }
  }

 private:
  TAMIS_DEVICE explicit AttentionPlain(const AttentionParams& p)
      : p_(p),
        head_(block_y()),
        lane_(thread_x() % 32),
        q0_(shared_base() + static_cast<uint32_t>(thread_x() / 32) * (kMostHeadSize + 32) * 4),
        p0_(q0_ + kMostHeadSize * 4),
        kv_column_(head_ / p.group * p.head_size) {
    const Vec4 words = load_global(reinterpret_cast<const Vec4*>(p.tiles + block_x()));
    tile_ = {static_cast<int32_t>(words.x), static_cast<int32_t>(words.y),
             static_cast<int32_t>(words.z), static_cast<int32_t>(words.w)};
  }

  TAMIS_DEVICE void attend(int row) {
    const int64_t query_row = tile_.query_row + row;
    const int place = load_global(p_.places + query_row);
    load_query(query_row * p_.ldq + head_ * p_.head_size);
    float most = float_of(0xff800000u);
    float sum = 0;
    TAMIS_UNROLL
    for (int c = 0; c < kChannels; ++c) o_[c] = 0;
    KeyRange keys = seen_keys(p_, tile_.keys, place, place);
    const bool some = p_.seen_by_all != nullptr || in_blocks();
    if (some) keys = {0, tile_.keys};
    for (int begin = keys.begin; begin < keys.end; begin += 32) {
      const int key = begin + lane_;
      const bool seen = key < keys.end && sees(key, place);
      // Outside the window or block few keys are seen, if any: most steps of a long text end here.
      if (some && warp_max(seen ? 1.0f : 0.0f) == 0) continue;
      const float score = seen ? score_of(key, place) : float_of(0xff800000u);
      const float high = max_of(most, warp_max(score));
      float probability = seen ? exp_of(sub_rn(score, high)) : 0.0f;
      if (p_.rounded) probability = float_of_b16(b16_of(probability));
      const float shrink = most == float_of(0xff800000u) ? 0.0f : exp_of(sub_rn(most, high));
      sum = fma_rn(sum, shrink, warp_sum(probability));
      most = high;
      add_values(begin, keys.end - begin < 32 ? keys.end - begin : 32, probability, shrink);
    }
    store(query_row * p_.heads * p_.head_size + head_ * p_.head_size, sum);
  }

  TAMIS_DEVICE void load_query(int64_t at) const {
    sync_warp();
    for (int c = lane_; c < p_.head_size; c += 32) {
      store_shared32(q0_ + static_cast<uint32_t>(c) * 4, bits_of(operand(p_, p_.q, at + c)));
    }
    sync_warp();
  }
  [[nodiscard]] TAMIS_DEVICE float query(int c) const {
    return float_of(load_shared32(q0_ + static_cast<uint32_t>(c) * 4));
  }

  /// Of keys that are looked at.
  [[nodiscard]] TAMIS_DEVICE bool sees(int key, int place) const {
    if (in_blocks()) return shares_block(key, place);
    if (p_.seen_by_all == nullptr) return true;
    const int distance = key - place;
    if (distance >= -p_.left && distance <= p_.right) return true;
    return load_global(p_.seen_by_all + tile_.key_row + key) != 0;
  }

  [[nodiscard]] TAMIS_DEVICE bool in_blocks() const {
    return p_.block_size != 0 && tile_.keys > p_.block_tokens;
  }
  /// Neither of the first block nor of the last.
  [[nodiscard]] TAMIS_DEVICE bool between(int place) const {
    return place >= p_.block_size && place / p_.block_size != (tile_.keys - 1) / p_.block_size;
  }
  [[nodiscard]] TAMIS_DEVICE bool shares_block(int key, int place) const {
    if (!between(place) || !between(key)) return true;
    const int apart = key / p_.block_size - place / p_.block_size;
    return apart >= -1 && apart <= 1;
  }

  [[nodiscard]] TAMIS_DEVICE float score_of(int key, int place) const {
    const int distance = key - place;
    const int64_t at = static_cast<int64_t>(tile_.key_row + key) * p_.ldk + kv_column_;
    float sum = 0;
    for (int c = 0; c < p_.head_size; ++c) {
      sum = fma_rn(query(c), operand(p_, p_.k, at + c), sum);
    }
    if (p_.position_keys != nullptr || p_.position_queries != nullptr) {
      sum = add_rn(sum, position_score(at, distance));
    }
    sum = mul_rn(sum, p_.scale);
    if (in_blocks() && key < p_.block_size && between(place)) sum = add_rn(sum, p_.block_gain);
    return p_.bias == nullptr ? sum : add_rn(sum, bias_of(p_, head_, distance));
  }

  /// q position_keys[slot] + k position_queries[slot]
  [[nodiscard]] TAMIS_DEVICE float position_score(int64_t key_at, int distance) const {
    const int slot =
        load_global(p_.slots + held(distance, -p_.slot_reach, p_.slot_reach) + p_.slot_reach);
    const int64_t at = static_cast<int64_t>(slot) * p_.ld_positions + head_ * p_.head_size;
    const Values keys = {p_.position_keys, Stored::kF32};
    const Values queries = {p_.position_queries, Stored::kF32};
    float content_to_position = 0;
    float position_to_content = 0;
    for (int c = 0; c < p_.head_size; ++c) {
      if (keys.data != nullptr) {
        content_to_position = fma_rn(query(c), operand(p_, keys, at + c), content_to_position);
      }
      if (queries.data != nullptr) {
        position_to_content = fma_rn(operand(p_, p_.k, key_at + c), operand(p_, queries, at + c),
                                     position_to_content);
      }
    }
    return add_rn(content_to_position, position_to_content);
  }

  TAMIS_DEVICE void add_values(int begin, int count, float probability, float shrink) {
    sync_warp();
    store_shared32(p0_ + static_cast<uint32_t>(lane_) * 4, bits_of(probability));
    sync_warp();
    TAMIS_UNROLL
    for (int c = 0; c < kChannels; ++c) o_[c] = mul_rn(o_[c], shrink);
    for (int key = 0; key < count; ++key) {
      const float weight = float_of(load_shared32(p0_ + static_cast<uint32_t>(key) * 4));
      const int64_t at = static_cast<int64_t>(tile_.key_row + begin + key) * p_.ldv + kv_column_;
      TAMIS_UNROLL
      for (int c = 0; c < kChannels; ++c) {
        const int channel = c * 32 + lane_;
        if (channel < p_.head_size) {
          o_[c] = fma_rn(weight, operand(p_, p_.v, at + channel), o_[c]);
        }
      }
    }
  }

  TAMIS_DEVICE void store(int64_t to, float sum) const {
    TAMIS_UNROLL
    for (int c = 0; c < kChannels; ++c) {
      const int channel = c * 32 + lane_;
      if (channel < p_.head_size) store_value(p_.out, to + channel, div_rn(o_[c], sum));
    }
  }

  const AttentionParams& p_;
  int head_;
  int lane_;
  uint32_t q0_;
  uint32_t p0_;
  int kv_column_;
  AttentionTile tile_;
  float o_[kChannels];
};

}  // namespace tamis::cuda::device
