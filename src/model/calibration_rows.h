// Which texts a model is calibrated on, and which it is measured on.
//
// Is: the built-in texts in the shape that each task takes, the split of any texts in two, and the
// refusal of texts that cannot serve. Is not: encoding (calibrate.h, held_out.h). May use:
// loaded_model, calibration_texts.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/text_data.h"
#include "model/loaded_model.h"

namespace tamis::api {

/// Rows and where they are from: a file's name; none and "": the built-in texts.
struct SourcedRows {
  std::vector<TextRow> rows = {};
  std::string source = {};
};

/// Texts to calibrate on, and texts to measure on.
struct CalibrationRows {
  std::vector<TextRow> used;
  std::vector<TextRow> held_out;
  std::string source;       ///< as reports say it: "312 built-in texts in 12 languages"
  std::string held_source;  ///< of the rows held out, for messages: the file's name
  std::string measured_on;  ///< and for reports: "every second of 312 built-in texts"
  bool built_in = false;
  int64_t added = 0;  ///< built-in rows among `used` that fill up a file of few texts
};

/// Every second text is held out; one that comes again stays on the side where it is, and is
/// measured once. No rows: the built-in texts, as pairs where the task asks for two
/// texts (a question and a context, a query and what to rank), with a mask where it asks for one.
/// A file of few texts is filled up with built-in ones for calibration only. Truth (labels,
/// answers) is kept on the rows held out where every row has it and the task knows it; it is
/// dropped elsewhere.
///
/// With rows to measure on, `certify_on`, those are what is held out, and all others are calibrated
/// on.
///
/// Throws Error{kInvalidArgument}: fewer than two texts, texts that are all the same, a label that
/// the model does not have.
[[nodiscard]] CalibrationRows split_rows(const LoadedModel& model, SourcedRows calibration,
                                         SourcedRows certify_on = {});

/// The texts in the shape that the model's task takes, without those that it has no room for.
[[nodiscard]] std::vector<TextRow> shaped_rows(const LoadedModel& model,
                                               std::span<const std::string_view> texts);

}  // namespace tamis::api
