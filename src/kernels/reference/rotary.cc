#include <cmath>

#include "base/bf16.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

float element(const RotaryArgs& args, int64_t at) {
  return args.x_f16 != nullptr ? f16_to_float(args.x_f16[at]) : args.x[at];
}

void write(const RotaryArgs& args, int64_t at, float value) {
  if (args.y_bf16 != nullptr) {
    args.y_bf16[at] = float_to_bf16(value);
  } else {
    args.y[at] = value;
  }
}

// One pair of one head of row r, whose columns start at `column`.
void turn(const RotaryArgs& args, int64_t r, int64_t column, int64_t pair) {
  const int64_t left = column + (args.interleaved ? 2 * pair : pair);
  const int64_t right = args.interleaved ? left + 1 : left + args.pairs;
  // Interleaved, the second of a pair's two sines is the one that is not negated.
  const int64_t angle = r * args.ld_angles + (args.interleaved ? 2 * pair + 1 : pair);
  const double cosine = args.cosine[angle];
  const double sine = args.sine[angle];
  const double a = element(args, r * args.ldx + left);
  const double b = element(args, r * args.ldx + right);
  write(args, r * args.ldy + left, static_cast<float>(a * cosine - b * sine));
  write(args, r * args.ldy + right, static_cast<float>(b * cosine + a * sine));
}

void copy(const RotaryArgs& args, int64_t r, int64_t begin, int64_t end) {
  for (int64_t j = begin; j < end; ++j) {
    write(args, r * args.ldy + j, element(args, r * args.ldx + j));
  }
}

}  // namespace

void rotary(const RotaryArgs& args) {
  for (int64_t r = 0; r < args.rows; ++r) {
    for (int64_t head = 0; head < args.heads; ++head) {
      const int64_t column = head * args.head_size;
      for (int64_t pair = 0; pair < args.pairs; ++pair) turn(args, r, column, pair);
      copy(args, r, column + 2 * args.pairs, column + args.head_size);
    }
    copy(args, r, args.heads * args.head_size, args.width);
  }
}

void rotary_table(const RotaryTableArgs& args) {
  for (int64_t p = 0; p < args.count * args.sets; ++p) {
    const float* frequencies = args.frequencies + p % args.sets * args.pairs;
    for (int64_t i = 0; i < args.pairs; ++i) {
      const float angle = static_cast<float>(args.first + p / args.sets) * frequencies[i];
      const float cosine = static_cast<float>(std::cos(double{angle})) * args.scale;
      const float sine = static_cast<float>(std::sin(double{angle})) * args.scale;
      if (!args.interleaved) {
        args.cosine[p * args.pairs + i] = cosine;
        args.sine[p * args.pairs + i] = sine;
        continue;
      }
      const int64_t at = 2 * (p * args.pairs + i);
      args.cosine[at] = args.cosine[at + 1] = cosine;
      args.sine[at] = -sine;
      args.sine[at + 1] = sine;
    }
  }
}

}  // namespace tamis::kernels::reference
