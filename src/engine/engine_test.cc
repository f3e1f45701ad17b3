// The factory over rows of this test's own: it asks each in turn and says why none can.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis::engine {

namespace {

class FakeSession final : public Session {
 public:
  void run(const PackedBatch& batch, Outputs&, const RunControl&) override {
    if (batch.tokens() == 0) fail(ErrorCode::kInvalidArgument, "nothing to run");
    ++runs;
  }
  int runs = 0;
};

class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(std::string_view name) : Engine(named(name)) {}
  [[nodiscard]] std::unique_ptr<Session> make_session() const override {
    return std::make_unique<FakeSession>();
  }

 private:
  static EngineInfo named(std::string_view name) {
    EngineInfo info;
    info.name = name;
    return info;
  }
};

std::optional<std::string> only_bf16(const EngineSource&, const EngineOptions& options) {
  if (options.precision == Precision::kBf16) return std::nullopt;
  return "runs bf16 only";
}

std::optional<std::string> only_graphs(const EngineSource& source, const EngineOptions&) {
  if (std::holds_alternative<graph::Graph>(source)) return std::nullopt;
  return "runs graphs only";
}

template <int kRow>
std::shared_ptr<const Engine> make(EngineSource, const EngineOptions& options) {
  EXPECT_NE(options.pool, nullptr);
  return std::make_shared<FakeEngine>(kRow == 0 ? "halves" : "graphs");
}

// Adds one row of floats to itself.
graph::Graph small_graph() {
  graph::Graph graph;
  const graph::ValueId x = graph.add_input(
      "x", DType::kF32, {graph::Dim::of(graph::Symbol::kTokens), graph::Dim::of(4)});
  graph.add_output("y", graph.add_node(graph::OpKind::kAdd, {x, x}, graph::NoAttributes{}, "sum"));
  return graph;
}

std::string refusal(const EngineSource& source, const EngineOptions& options, ErrorCode code) {
  try {
    (void)make_engine(source, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "";
}

TEST(MakeEngine, TakesTheFirstThatCan) {
  EngineOptions options;
  EXPECT_EQ(make_engine(small_graph(), options)->info().name, "graphs");
  options.precision = Precision::kBf16;
  EXPECT_EQ(make_engine(small_graph(), options)->info().name, "halves");
  options.engine = "graphs";
  EXPECT_EQ(make_engine(small_graph(), options)->info().name, "graphs");
}

TEST(MakeEngine, SaysWhyNoneCan) {
  EngineOptions options;
  const OpaqueModel opaque{"model.onnx", {}, {}};
  EXPECT_EQ(refusal(opaque, options, ErrorCode::kUnsupported),
            "no engine runs this model: halves: runs bf16 only; graphs: runs graphs only");
  options.engine = "halves";
  EXPECT_EQ(refusal(small_graph(), options, ErrorCode::kUnsupported),
            "no engine runs this model: halves: runs bf16 only");
  options.engine = "tpu";
  EXPECT_EQ(refusal(small_graph(), options, ErrorCode::kNotFound),
            "engine \"tpu\": this build has halves, graphs");
}

TEST(MakeEngine, RefusesAGraphThatDoesNotVerify) {
  graph::Graph graph = small_graph();
  graph.outputs().clear();
  EXPECT_EQ(refusal(graph, {}, ErrorCode::kInvalidArgument), "graph: no outputs");
}

TEST(KeepWanted, AddsTapsAndDropsTheRest) {
  graph::Graph graph = small_graph();
  const graph::ValueId y = graph.outputs()[0].value;
  graph.add_output("z", graph.add_node(graph::OpKind::kAdd, {y, y}, graph::NoAttributes{}, "z"));
  EngineOptions options;
  options.outputs = {"z"};
  options.taps = {graph.value(y).name};
  keep_wanted(graph, options);
  ASSERT_EQ(graph.outputs().size(), 2u);
  EXPECT_EQ(graph.outputs()[0].name, "z");
  EXPECT_EQ(graph.outputs()[1].name, options.taps[0]);
  options.taps = {"nowhere"};
  EXPECT_THROW(keep_wanted(graph, options), Error);
}

TEST(Session, SubmitRunsAtOnceAndWaitThrows) {
  FakeSession session;
  Outputs outputs;
  const std::vector<int32_t> ids = {1};
  PackedBatch batch;
  batch.input_ids = ids;
  const Ticket good = session.submit(batch, outputs, {});
  const Ticket bad = session.submit({}, outputs, {});
  EXPECT_EQ(session.runs, 1);
  session.wait(good);
  EXPECT_THROW(session.wait(bad), Error);
}

TEST(Precision, NamesReadBack) {
  for (const char* name : {"fp32", "bf16", "int8"}) {
    ASSERT_TRUE(precision_from_name(name));
    EXPECT_EQ(precision_name(*precision_from_name(name)), name);
  }
  for (const char* name : {"", "fp16", "FP32", "int4", "fp32 "}) {
    EXPECT_FALSE(precision_from_name(name)) << name;
  }
}

}  // namespace

std::span<const EngineRow> engine_rows() {
  static const EngineRow kRows[] = {{"halves", only_bf16, make<0>},
                                    {"graphs", only_graphs, make<1>}};
  return kRows;
}

}  // namespace tamis::engine
