// A committed checkpoint in BF16 or INT8, and how far its answers may lie from float32's.
#pragma once

#include <filesystem>
#include <string>

#include "formats/checkpoint.h"
#include "models/models.h"
#include "passes/pipeline.h"
#include "quant/marks.h"
#include "tests/golden/golden.h"

namespace tamis::golden {

using engine::Precision;

/// In FP32 too, where nothing is rounded.
struct Rounded {
  Rounded(const std::string& folder, Precision wanted)
      : precision(wanted),
        golden(read_golden(std::filesystem::path(TAMIS_TESTDATA) / folder)),
        checkpoint(Checkpoint::open(std::filesystem::path(TAMIS_TESTDATA) / folder)),
        graph(models::build_model(*checkpoint).graph) {
    if (precision == Precision::kInt8) quant::add_marks(graph);
    passes::run_pipeline(graph);
    if (precision == Precision::kFp32) return;
    graph::set_attention_arithmetic(graph, graph::FloatArithmetic::kBf16);
  }

  // For the last output alone: without the rows that it does not need.
  [[nodiscard]] graph::Graph narrowed() const {
    graph::Graph narrow = graph;
    const std::vector<std::string> wanted = {narrow.outputs().back().name};
    narrow.keep_outputs(wanted);
    passes::run_pipeline(narrow, {}, passes::Stage::kLoad);
    return narrow;
  }

  [[nodiscard]] Subject subject(Isa isa, const graph::Graph& of) const {
    return make_subject(of, isa, precision);
  }

  Precision precision;
  Golden golden;
  std::shared_ptr<const Checkpoint> checkpoint;
  graph::Graph graph;
};

/// How far such an evaluation may lie from the float32 one. A layer has six products (q, k, v as
/// one; scores; context; output; two of the feed-forward), each of two operands that are rounded
/// independently, value by value, with a relative error r: 12 a layer and 4 more in the head. Taken
/// as independent, an output's error has a standard deviation under r sqrt(roundings) times its
/// magnitude; six of these.
///
///   bf16: half a unit in the last of 8 bits, r = 2^-9.
///   int8: half a level of 255 is 1 / 510 of a row's range, which is up to 2 times its greatest
///   value and that 4 standard deviations: errors up to 8 / 510 of what is typical in it, evenly
///   spread, r = 8 / 510 / sqrt(3).
[[nodiscard]] double rounded_tolerance(const Rounded& model, const std::string& output,
                                       const Recorded& recorded);

}  // namespace tamis::golden
