// INT8 from texts: encodes them and hands the token ids to quant.
//
// Is: the bridge between a model's tokenizer and the calibration, which sees no text. Is not: the
// treatments (quant). May use: loaded_model, quant.
#pragma once

#include <functional>
#include <span>

#include "engine/batch_builder.h"
#include "formats/text_data.h"
#include "model/loaded_model.h"
#include "quant/quantize.h"

namespace tamis::api {

/// What was made of a graph with its marks.
struct Calibrated {
  graph::Graph source;  ///< in float, as `quantized` was made of it: attention is centred
  quant::Quantized quantized;
};

/// The rows' texts as token ids (pairs as pairs, but each by itself for embeddings; questions with
/// their contexts; a query with each of its texts). Throws Error{kInvalidArgument}: no rows, a row
/// without a text.
[[nodiscard]] engine::BatchBuilder encode_rows(const LoadedModel& model,
                                               std::span<const TextRow> rows);

/// Quantizes `marked`, the model's marked_graph() or one that differs from it in how tables are
/// stored, on the rows' texts. Throws as encode_rows() and quant::quantize.
[[nodiscard]] Calibrated calibrate(const LoadedModel& model, graph::Graph marked,
                                   std::span<const TextRow> rows,
                                   const quant::QuantizeOptions& options,
                                   const std::function<void(double)>& progress);

}  // namespace tamis::api
