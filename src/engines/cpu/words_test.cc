// Words and labels of sequences, from plain loops: the memory over words, and the scores of spans.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "engines/cpu/session.h"
#include "engines/cpu/test_encoder.h"
#include "graph/testing/text_constants.h"

namespace tamis::engines::cpu {
namespace {

constexpr int64_t kCells = 5;  // a multiple of no vector or panel
constexpr int64_t kInner = 17;
constexpr int64_t kWidth = 3;
constexpr int64_t kLabels = 4;
constexpr int32_t kMark = 3;

std::string graph_text(bool behind) {
  const std::string fields = cat("label_token=", kMark, behind ? ", behind_token=true" : "");
  return cat(R"(tamis graph 2
input %input_ids : I32[T]
constant %table : F32[64, 24]
constant %w_gates : F32[40, 24]
constant %forward : F32[20, 5]
constant %backward : F32[20, 5]
constant %w_starts : F32[17, 10]
constant %w_ends : F32[17, 10]
constant %w_labels : F32[18, 24]
%x = Gather(table=%table, ids=%input_ids) : F32[T, 24]
%s = SelectTokens(x=%x) : F32[S, 24]
%gates = MatMul(x=%s, weight=%w_gates) {activation=none} : F32[S, 40]
%words = Lstm(x=%gates, forward=%forward, backward=%backward, ids=%input_ids) {)",
             fields, R"(} : F32[S, 10]
%starts = MatMul(x=%words, weight=%w_starts) {activation=none} : F32[S, 17]
%ends = MatMul(x=%words, weight=%w_ends) {activation=none} : F32[S, 17]
%labels = MatMul(x=%s, weight=%w_labels) {activation=none} : F32[S, 18]
%y = ScoreSpans(starts=%starts, ends=%ends, labels=%labels, ids=%input_ids) {)",
             fields, R"(, max_width=3, labels=4} : F32[S, 12]
output logits = %y
)");
}

graph::Graph parsed(bool behind) {
  const std::string text = graph_text(behind);
  graph::testing::TextConstants constants(text);
  return graph::parse_graph(text, "test", graph::testing::TextConstants::find, &constants);
}

/// Sequences of marked labels and words, some of them selected.
struct Words {
  struct Shape {
    int32_t labels;
    int32_t words;
  };
  explicit Words(const std::vector<Shape>& shapes, bool behind) {
    for (const Shape& shape : shapes) {
      for (int32_t l = 0; l < shape.labels; ++l) {
        select(behind ? 1 : 0);
        ids.insert(ids.end(), {kMark, next()});
      }
      ids.push_back(next());
      for (int32_t w = 0; w < shape.words; ++w) {
        select(0);
        ids.push_back(next());
        if (w % 3 == 0) ids.push_back(next());  // a second token, which is not read
      }
      cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
      label_counts.push_back(shape.labels);
    }
  }

  void select(int32_t behind) { selected.push_back(static_cast<int32_t>(ids.size()) + behind); }
  int32_t next() { return 10 + static_cast<int32_t>(ids.size() * 7 % 50); }

  [[nodiscard]] engine::PackedBatch packed() const {
    engine::PackedBatch batch;
    batch.input_ids = ids;
    batch.cu_seqlens = cu_seqlens;
    batch.selected_tokens = selected;
    for (size_t s = 1; s < cu_seqlens.size(); ++s) {
      batch.max_seqlen = std::max(batch.max_seqlen, cu_seqlens[s] - cu_seqlens[s - 1]);
    }
    return batch;
  }
  // Rows of the outputs before the sequence.
  [[nodiscard]] int64_t rows_before(size_t sequence) const {
    return std::ranges::lower_bound(selected, cu_seqlens[sequence]) - selected.begin();
  }
  [[nodiscard]] Words only(size_t sequence) const {
    Words one({}, false);
    const int32_t begin = cu_seqlens[sequence];
    one.ids.assign(ids.begin() + begin, ids.begin() + cu_seqlens[sequence + 1]);
    for (const int32_t token : selected) {
      if (token >= begin && token < cu_seqlens[sequence + 1]) one.selected.push_back(token - begin);
    }
    one.cu_seqlens.push_back(static_cast<int32_t>(one.ids.size()));
    one.label_counts = {label_counts[sequence]};
    return one;
  }

  std::vector<int32_t> ids;
  std::vector<int32_t> selected;
  std::vector<int32_t> cu_seqlens = {0};
  std::vector<int32_t> label_counts;
};

using Row = std::vector<double>;

/// The graph's arithmetic in double, one sequence at a time.
class Plain {
 public:
  explicit Plain(const graph::Graph& graph) : graph_(graph) {}

  // Of each selected row of the sequence its scores.
  [[nodiscard]] std::vector<Row> scores(const Words& batch) const {
    std::vector<Row> rows;
    for (const int32_t token : batch.selected) {
      rows.push_back(table_row(batch.ids[static_cast<size_t>(token)]));
    }
    const auto labels = static_cast<size_t>(batch.label_counts[0]);
    const std::vector<Row> words(rows.begin() + static_cast<int64_t>(labels), rows.end());
    const std::vector<Row> memory = remember(words);
    std::vector<Row> all(labels, Row(kWidth * kLabels));
    for (size_t i = 0; i < words.size(); ++i) {
      Row& scores = all.emplace_back(kWidth * kLabels);
      for (size_t j = i; j < std::min(words.size(), i + kWidth); ++j) {
        for (size_t l = 0; l < std::min<size_t>(labels, kLabels); ++l) {
          scores[(j - i) * kLabels + l] = score(memory[i], memory[j], rows[l]);
        }
      }
    }
    return all;
  }

 private:
  [[nodiscard]] std::span<const float> constant(std::string_view name) const {
    return graph_.value(graph_.find_value(name)).constant->as<float>();
  }
  [[nodiscard]] Row table_row(int32_t id) const {
    const auto row = constant("table").subspan(static_cast<size_t>(id) * 24, 24);
    return {row.begin(), row.end()};
  }
  [[nodiscard]] Row times(const Row& x, std::string_view weight) const {
    const auto w = constant(weight);
    Row y(w.size() / x.size());
    for (size_t i = 0; i < y.size(); ++i) {
      for (size_t k = 0; k < x.size(); ++k) y[i] += double{w[i * x.size() + k]} * x[k];
    }
    return y;
  }
  // Both directions side by side.
  [[nodiscard]] std::vector<Row> remember(const std::vector<Row>& words) const {
    std::vector<Row> memory(words.size(), Row(2 * kCells));
    for (const size_t direction : {0, 1}) {
      Row hidden(kCells);
      Row cell(kCells);
      for (size_t step = 0; step < words.size(); ++step) {
        const size_t at = direction == 0 ? step : words.size() - 1 - step;
        const Row gates = times(words[at], "w_gates");
        const Row before = times(hidden, direction == 0 ? "forward" : "backward");
        for (size_t i = 0; i < kCells; ++i) {
          const auto gate = [&](size_t number) {
            return gates[(4 * direction + number) * kCells + i] + before[number * kCells + i];
          };
          cell[i] = sigmoid(gate(1)) * cell[i] + sigmoid(gate(0)) * std::tanh(gate(2));
          hidden[i] = sigmoid(gate(3)) * std::tanh(cell[i]);
          memory[at][direction * kCells + i] = hidden[i];
        }
      }
    }
    return memory;
  }
  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
  [[nodiscard]] double score(const Row& first, const Row& last, const Row& label) const {
    const Row starts = times(first, "w_starts");
    const Row ends = times(last, "w_ends");
    const Row own = times(label, "w_labels");
    double sum = own[kInner];
    for (size_t i = 0; i < kInner; ++i) sum += std::max(starts[i] + ends[i], 0.0) * own[i];
    return sum;
  }

  const graph::Graph& graph_;
};

std::vector<PlanOptions> all_options() {
  std::vector<PlanOptions> all;
  for (const Isa isa : all_isas()) {
    if (!detected_isas().has(isa)) continue;
    all.emplace_back().isas = isas_up_to(isa_name(isa));
  }
  return all;
}

// More sequences than go together, one without labels, one without words, one of more labels than
// there is room for.
std::vector<Words::Shape> shapes() {
  std::vector<Words::Shape> all = {{2, 7}, {0, 4}, {3, 0}, {1, 1}, {6, 5}, {4, 90}};
  for (int32_t i = 0; i < 40; ++i) all.push_back({1 + i % 3, 1 + i % 11});
  return all;
}

TEST(Words, EveryIsaAgreesWithPlainLoops) {
  for (const bool behind : {false, true}) {
    const graph::Graph graph = parsed(behind);
    const Plain plain(graph);
    const Words batch(shapes(), behind);
    for (const PlanOptions& options : all_options()) {
      const std::vector<float> got = run(graph, options, batch.packed(), 2);
      ASSERT_EQ(got.size(), batch.selected.size() * kWidth * kLabels);
      for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
        const std::vector<Row> want = plain.scores(batch.only(s));
        for (size_t i = 0; i < want.size(); ++i) {
          const auto row = static_cast<size_t>(batch.rows_before(s)) + i;
          for (size_t j = 0; j < want[i].size(); ++j) {
            // Sums of 24, 10 and 17 products of values of about 1, of a memory that is bounded.
            ASSERT_NEAR(got[row * kWidth * kLabels + j], want[i][j], 64 * 0x1p-24 * 24)
                << "sequence " << s << " row " << i << " column " << j;
          }
        }
      }
    }
  }
}

TEST(Words, AnyThreadCountAndBatchGivesTheSameBits) {
  const graph::Graph graph = parsed(false);
  const Words batch(shapes(), false);
  for (const PlanOptions& options : all_options()) {
    const std::vector<float> one = run(graph, options, batch.packed(), 1);
    for (const int threads : {2, 3, 8})
      EXPECT_EQ(run(graph, options, batch.packed(), threads), one);
    size_t at = 0;
    for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
      const Words alone_batch = batch.only(s);
      const std::vector<float> alone = run(graph, options, alone_batch.packed(), 2);
      if (alone_batch.selected.empty()) continue;
      ASSERT_LE(at + alone.size(), one.size());
      EXPECT_EQ(std::memcmp(alone.data(), one.data() + at, alone.size() * sizeof(float)), 0) << s;
      at += alone.size();
    }
    EXPECT_EQ(at, one.size());
  }
}

// Without a selection every token has a row; marks are labels, all others words.
TEST(Words, ReadAllTokensOfABatchThatSelectsNone) {
  const graph::Graph graph = parsed(false);
  Words all({{2, 3}}, false);
  engine::PackedBatch batch = all.packed();
  batch.selected_tokens = {};
  const std::vector<float> got = run(graph, {}, batch, 1);
  Words named = all;
  named.selected.resize(all.ids.size());
  for (size_t i = 0; i < named.selected.size(); ++i) named.selected[i] = static_cast<int32_t>(i);
  EXPECT_EQ(got, run(graph, {}, named.packed(), 1));
  for (size_t i = 0; i < all.ids.size(); ++i) {
    const float* row = got.data() + i * kWidth * kLabels;
    const bool scored = std::any_of(row, row + kWidth * kLabels, [](float x) { return x != 0; });
    EXPECT_EQ(scored, all.ids[i] != kMark) << i;
  }
}

}  // namespace
}  // namespace tamis::engines::cpu
