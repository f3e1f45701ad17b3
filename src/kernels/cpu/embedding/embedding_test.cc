#include "kernels/cpu/embedding/embedding.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <vector>

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
