#include "kernels/cpu/embedding/embedding.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bf16.h"
#include "base/error.h"
#include "kernels/cpu/layer_norm/layer_norm.h"
#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const EmbeddingKernel embedding_##row;
#include "kernels/cpu/embedding/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<EmbeddingKernel> kRows[] = {
#define X(row, level) {Isa::level, &embedding_##row},
#include "kernels/cpu/embedding/kernels.inc"
#undef X
};

struct Problem {
  Problem(int64_t token_count, int64_t row_width)
      : tokens(token_count),
        width(row_width),
        words(random_floats(11 * width, 1, 1)),
        positions(random_floats(7 * width, 1, 2)),
        types(random_floats(width, 1, 3)),
        gamma(random_floats(width, 1, 4)),
        beta(random_floats(width, 1, 5)),
        ids(tokens),
        places(tokens) {
    for (int64_t t = 0; t < tokens; ++t) {
      ids[t] = static_cast<int32_t>(t * 5 % 11);
      places[t] = static_cast<int32_t>(t % 7);
    }
  }

  int64_t tokens, width;
  Guarded<float> words, positions, types, gamma, beta;
  Guarded<int32_t> ids, places;
};

EmbeddingArgs arguments(const Problem& problem, int tables, bool norm, Guarded<float>& y) {
  EmbeddingArgs args;
  args.tokens = problem.tokens;
  args.width = args.ldy = problem.width;
  args.tables[0] = {problem.words.data(), problem.ids.data()};
  if (tables > 1) args.tables[1] = {problem.types.data(), nullptr};
  if (tables > 2) args.tables[2] = {problem.positions.data(), problem.places.data()};
  args.gamma = norm ? problem.gamma.data() : nullptr;
  args.beta = norm ? problem.beta.data() : nullptr;
  args.eps = 1e-12f;
  args.y = y.data();
  return args;
}

TEST(Embedding, EveryRow) {
  for (const int64_t width : {1, 16, 17, 100}) {
    for (const int64_t tokens : {0, 1, 9}) {
      for (const int tables : {1, 2, 3}) {
        const Problem problem(tokens, width);
        Guarded<float> truth(tokens * width);
        reference::embedding(arguments(problem, tables, false, truth));
        for (const auto& row : rows_here(kRows)) {
          SCOPED_TRACE(row.kernel->name);
          Guarded<float> y(tokens * width);
          row.kernel->run(arguments(problem, tables, false, y));
          EXPECT_TRUE(y.same_bits(truth));
        }
      }
    }
  }
}

/// The problem's tables once more, in types that hold the same numbers in every row of a table.
struct Stored {
  explicit Stored(const Problem& problem)
      : f16(11 * problem.width),
        bf16(problem.width),
        s8(11 * problem.width),
        scale(11),
        words_of_f16(11 * problem.width),
        words_of_s8(11 * problem.width),
        types(problem.width) {
    for (int64_t i = 0; i < 11 * problem.width; ++i) {
      f16[i] = float_to_f16(problem.words[i]);
      words_of_f16[i] = f16_to_float(f16[i]);
      s8[i] = static_cast<int8_t>(i * 37 % 255 - 127);
      scale[i / problem.width] = 0.01f + 0.3f * static_cast<float>(i / problem.width);
      words_of_s8[i] = scale[i / problem.width] * static_cast<float>(s8[i]);
    }
    for (int64_t i = 0; i < problem.width; ++i) {
      bf16[i] = float_to_bf16(problem.types[i]);
      types[i] = bf16_to_float(bf16[i]);
    }
  }

  Guarded<uint16_t> f16, bf16;
  Guarded<int8_t> s8;
  Guarded<float> scale, words_of_f16, words_of_s8, types;
};

// The same bits as from tables of floats with the same numbers, and nothing behind a row is read.
TEST(Embedding, EveryTypeOfRows) {
  for (const int64_t width : {1, 15, 16, 17, 100}) {
    const Problem problem(9, width);
    const Stored stored(problem);
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(cat(row.kernel->name, ", width ", width));
      for (const bool integers : {false, true}) {
        Guarded<float> expected(9 * width);
        EmbeddingArgs args = arguments(problem, 3, true, expected);
        args.tables[0].rows = integers ? stored.words_of_s8.data() : stored.words_of_f16.data();
        args.tables[1].rows = stored.types.data();
        row.kernel->run(args);
        Guarded<float> y(9 * width);
        args.y = y.data();
        args.tables[0].rows = args.tables[1].rows = nullptr;
        args.tables[1].bf16 = stored.bf16.data();
        if (integers) {
          args.tables[0].s8 = stored.s8.data();
          args.tables[0].scale = stored.scale.data();
        } else {
          args.tables[0].f16 = stored.f16.data();
        }
        row.kernel->run(args);
        EXPECT_TRUE(y.same_bits(expected)) << (integers ? "s8" : "f16");
      }
    }
  }
}

TEST(Embedding, NormIsLayerNormOfTheSum) {
  const Problem problem(9, 100);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    Guarded<float> sum(9 * 100);
    row.kernel->run(arguments(problem, 3, false, sum));
    LayerNormArgs norm;
    norm.rows = 9;
    norm.width = norm.ldx = norm.ldy = 100;
    norm.x = sum.data();
    norm.gamma = problem.gamma.data();
    norm.beta = problem.beta.data();
    norm.eps = 1e-12f;
    Guarded<float> expected(9 * 100);
    norm.y = expected.data();
    select_layer_norm(isas_up_to(isa_name(row.isa))).run(norm);
    Guarded<float> y(9 * 100);
    row.kernel->run(arguments(problem, 3, true, y));
    EXPECT_TRUE(y.same_bits(expected));
  }
}

TEST(Embedding, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_embedding(IsaSet()).name), "embedding_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_embedding(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
