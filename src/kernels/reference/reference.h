// Every op as plain loops: the oracle for all engines and ISAs.
//
// Is: the definition of each op's arithmetic: float32 in, sums and functions in double, one
// rounding to float32 at each output. Is not: fast. May use: the
// argument structs beside it, which kernels/cpu takes too.
//
// All functions are thread-safe, allocate nothing, and trust their arguments (the plan proved
// them). Strides count elements. Names of arguments and layouts are those of cpu/.
#pragma once

#include <cstdint>
#include <span>

#include "base/activation.h"
#include "kernels/reference/attention_args.h"
#include "kernels/reference/embedding_args.h"
#include "kernels/reference/experts_args.h"
#include "kernels/reference/gemm_args.h"
#include "kernels/reference/glu_args.h"
#include "kernels/reference/layer_norm_args.h"
#include "kernels/reference/pooling_args.h"
#include "kernels/reference/quantize_rows_args.h"
#include "kernels/reference/rotary_args.h"
#include "kernels/reference/words_args.h"

namespace tamis::kernels::reference {

/// activation(x), in double.
[[nodiscard]] double activate(Activation activation, double x);

/// y[i] = activation(x[i]); y may be x.
void activate(Activation activation, std::span<const float> x, std::span<float> y);

/// y = activation(x W^T + bias) + residual.
struct MatMulArgs {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const float* x = nullptr;  // [m, k]
  int64_t ldx = 0;
  const float* w = nullptr;  // [n, k] as Hugging Face stores it, out x in
  int64_t ldw = 0;
  const float* bias = nullptr;  // [n], or null
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  // [m, n], or null; added after the activation
  int64_t ldr = 0;
  float* y = nullptr;  // [m, n]; may be residual
  int64_t ldy = 0;
};
void matmul(const MatMulArgs& args);

/// Columns [column_begin, column_end) of the product of cpu/gemm_s8/gemm_s8.h: the integers in
/// int32, the rest in double. args.packed is not looked at.
void matmul_s8(const GemmS8Args& args, const GemmS8Weights& weights, int64_t column_begin,
               int64_t column_end);

/// Columns [column_begin, column_end) of the product of cpu/gemm_bf16/gemm_bf16.h with `w` [n, k]
/// in bf16; args.packed is not looked at.
void matmul_bf16(const GemmBf16Args& args, const uint16_t* w, int64_t column_begin,
                 int64_t column_end);

/// See cpu/quantize_rows/quantize_rows.h, bit for bit.
void quantize_rows(const QuantizeRowsArgs& args);

/// Softmax of each row of args.logits, in place and rounded to float32, and of each row the first
/// top_k of the greatest, from the first expert to the last: graph::RouteTokensAttributes. Rows
/// that hold what is no number go to the first experts, and stay none.
void route_tokens(const RouteTokensArgs& args);

/// y of each row and expert = activation(x W_e^T), one row at a time.
void expert_matmul(const ExpertMatMulArgs& args);

/// Of each row the sum of its experts' results, each times its probability, in their order.
void combine_experts(const CombineExpertsArgs& args);

/// cell = sigmoid(forget) cell + sigmoid(input) tanh(cell gate), y = sigmoid(output) tanh(cell).
void lstm_cell(const LstmCellArgs& args);

/// y of each span and label = relu(start + end) label[0, n) + label[n].
void score_spans(const ScoreSpansArgs& args);

/// y[i] = a[i] + b[i]; y may be a or b.
void add(std::span<const float> a, std::span<const float> b, std::span<float> y);

/// y[i] = a[i] * b[i]; y may be a or b.
void multiply(std::span<const float> a, std::span<const float> b, std::span<float> y);

/// y[i] = x[i] * factor; y may be x.
void scale(std::span<const float> x, float factor, std::span<float> y);

/// y = activation(gate) * up, one rounding.
void glu(const GluArgs& args);

/// LayerNormalization, RMSNormalization and TokenNormalize, and with args.residual
/// SkipLayerNormalization. The sum x + residual is rounded to float32 before it is normalized,
/// whether it is stored or not.
void layer_norm(const LayerNormArgs& args);

/// Sum of table rows (rounded to float32), then LayerNorm where gamma is given.
void embedding(const EmbeddingArgs& args);

/// out[cu_seqlens[s] + t] = t. `cu_seqlens` has one entry more than there are sequences.
void position_ids(std::span<const int32_t> cu_seqlens, std::span<int32_t> out);

/// RoBERTa's rule (transformers, create_position_ids_from_input_ids): a padding token gets
/// `padding_idx`, any other padding_idx + the count of non-padding tokens up to and with itself.
void position_ids_roberta(std::span<const int32_t> input_ids, std::span<const int32_t> cu_seqlens,
                          int32_t padding_idx, std::span<int32_t> out);

/// Each sequence's ids moved one place towards its end, and in front `first`; where that is
/// negative, the sequence's id number c - 1, c being the count of those other than padding_idx, or
/// its first where all are (transformers, shift_tokens_right of BART and mBART).
void shift_ids(std::span<const int32_t> input_ids, std::span<const int32_t> cu_seqlens,
               int32_t first, int32_t padding_idx, std::span<int32_t> out);

/// The place in [begin, end) whose row answers for the whole: of the last id that is `token`, their
/// last where none is; or, if that is negative, of the last id other than padding_idx, their first
/// where all are. -1 where there are none.
[[nodiscard]] int32_t last_place_of(std::span<const int32_t> ids, int32_t begin, int32_t end,
                                    int64_t token, int64_t padding_idx);

/// Of each token what its embedding is multiplied with: 0 for `mask`, for others kept / (1 - the
/// share of `mask` in their sequence), and no number in sequences of nothing else.
void token_dropout(std::span<const int32_t> ids, std::span<const int32_t> cu_seqlens, int32_t mask,
                   float kept, std::span<float> out);

/// The whole of attention: softmax(scale * q k^T) v for each sequence and head.
void attention(const AttentionArgs& args);

/// The part of attention() that `work` names.
void attention_rows(const AttentionArgs& args, const AttentionWork& work);

/// The part of cpu/attention_bf16/attention_bf16.h that `work` names.
void attention_bf16_rows(const AttentionBf16Args& args, const AttentionWork& work);

/// Elements of packed pairs of one head: the sum of len^2 over the sequences.
[[nodiscard]] int64_t attention_pairs(const int32_t* cu_seqlens, int64_t sequences);

/// scores[h * A + a_s + i * len + j] = scale * dot(q_i, k_j), A = attention_pairs(), a_s the sum of
/// len^2 of the sequences before s. Uses q, k; not v and out.
void attention_scores(const AttentionArgs& args, float* scores);

/// Softmax of each row of packed pairs, in place or not.
void attention_softmax(const AttentionArgs& args, const float* scores, float* probabilities);

/// out = probabilities v. Uses v and out; not q and k.
void attention_context(const AttentionArgs& args, const float* probabilities);

/// Softmax over each of `rows` contiguous rows; y may be x. An empty row stays empty.
void softmax_rows(int64_t rows, int64_t width, const float* x, float* y);

/// See cpu/pooling/pooling.h.
void pooling(const PoolingArgs& args);

/// See cpu/rotary/rotary.h.
void rotary(const RotaryArgs& args);

/// Cosines and sines of places [first, first + count), as RotaryArgs::cosine and sine hold them.
/// The angle place * frequency is rounded to float32, then its cosine and sine, then their products
/// with `scale`: what transformers computes.
void rotary_table(const RotaryTableArgs& args);

}  // namespace tamis::kernels::reference
