#include "model/calibration_rows.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "model/calibration_texts.h"
#include "model/measure.h"
#include "tasks/code_points.h"

namespace tamis::api {

namespace {

using tasks::TaskKind;

constexpr auto kInvalid = ErrorCode::kInvalidArgument;
// Texts below which GPTQ sees fewer tokens than a layer has columns: about 20 tokens a text against
// 384 to 3,072 columns.
constexpr size_t kFewTexts = 64;

// Code points of a built-in text that stand in for a question: as long as questions are.
constexpr int64_t kQuestionLength = 48;

TextRow text_row(std::string_view text, int64_t line) {
  TextRow row;
  row.text = std::string(text);
  row.line = line;
  return row;
}

// A mask in place of the middle word, or behind the text if it is a single one.
std::string with_mask(const std::string& text, const std::string& mask) {
  if (text.find(mask) != std::string::npos) return text;
  const size_t begin = text.find(' ', text.size() / 2);
  if (begin == std::string::npos) return text + " " + mask;
  const size_t end = text.find(' ', begin + 1);
  return text.substr(0, begin + 1) + mask + (end == std::string::npos ? "" : text.substr(end));
}

std::string mask_of(const LoadedModel& model) {
  const auto id = model.tokenizer().special_ids().mask;
  return id ? std::string(model.tokenizer().id_to_token(*id)) : std::string();
}

// A built-in text and the next two, as the task takes them.
TextRow shaped(TaskKind task, std::span<const std::string_view> texts, size_t i) {
  const std::string first(texts[i]);
  const std::string second(texts[(i + 1) % texts.size()]);
  TextRow row = text_row(first, static_cast<int64_t>(i) + 1);
  switch (task) {
    case TaskKind::kQa:
      row.text.reset();
      row.question = std::string(tasks::CodePoints(first).slice(0, kQuestionLength));
      row.context = second + " " + std::string(texts[(i + 2) % texts.size()]);
      return row;
    case TaskKind::kRerank:
      row.text_pair = second;
      return row;
    case TaskKind::kClassify:
    case TaskKind::kZeroShot:
      // Nobody knows whether a classifier reads texts or pairs of them; half and half shows it
      // both, in calibration and in what is held out.
      if (i % 4 >= 2) row.text_pair = second;
      return row;
    case TaskKind::kEmbed:
    case TaskKind::kNer:
    case TaskKind::kFillMask:
    case TaskKind::kEmbedSparse:
    case TaskKind::kEmbedMulti:
    case TaskKind::kEmbedAll:
      return row;
  }
  return row;
}

void add_mask(const LoadedModel& model, TextRow& row) {
  const std::string mask = mask_of(model);
  if (row.text && !mask.empty()) row.text = with_mask(*row.text, mask);
}

// A tiny model may have no room for a question beside its context, or cut the mask off.
bool can_be_encoded(const LoadedModel& model, const TextRow& row) {
  try {
    const std::unique_ptr<Measure> measure = make_measure(model, {&row, 1});
    for (tasks::TaskInput& input : measure->inputs(row, "")) {
      (void)model.encode(std::move(input), measure->options());
    }
  } catch (const Error&) {
    return false;
  }
  return true;
}

std::vector<TextRow> built_in_rows(const LoadedModel& model) {
  return shaped_rows(model, calibration_texts());
}

// What tells one row from another for the model.
std::string words_of(const TextRow& row) {
  std::string words;
  const auto add = [&words](const std::optional<std::string>& text) {
    words += text.value_or("") + '\x1f';
  };
  add(row.text);
  add(row.text_pair);
  add(row.question);
  add(row.context);
  add(row.query);
  for (const std::string& text : row.texts) add(text);
  for (const std::string& token : row.tokens) add(token);
  return words;
}

void check_rows(const std::vector<TextRow>& rows, const std::string& source) {
  if (rows.size() < 2) {
    fail(
        kInvalid, source, ": ", rows.empty() ? "no texts" : "one text",
        "; at least two are needed: every second one is held out, unless they are what is measured "
        "on");
  }
  const std::string first = words_of(rows[0]);
  const bool same = std::all_of(rows.begin(), rows.end(),
                                [&](const TextRow& row) { return words_of(row) == first; });
  if (same) {
    fail(kInvalid, source, ": all ", rows.size(),
         " texts are the same; calibration needs texts like those the model will read");
  }
}

bool row_has_truth(TaskKind task, const TextRow& row) {
  if (task == TaskKind::kClassify) return row.label || !row.labels.empty();
  return task == TaskKind::kQa && row.has_answers;
}

// Truth is of use where each row has a verdict; everywhere else it would only have to fit.
bool keep_truth(const LoadedModel& model, const std::vector<TextRow>& rows) {
  const TaskKind task = model.task();
  if (task == TaskKind::kClassify && model.manifest().labels.size() < 2) return false;
  return std::all_of(rows.begin(), rows.end(),
                     [task](const TextRow& row) { return row_has_truth(task, row); });
}

// Every second one is held out, or of rows to calibrate on alone none. A text that comes again goes
// where it went before: what was looked at measures nothing, and a text that is measured twice
// would be counted as two. Notes for the words of each whether it is held out.
void divide(std::vector<TextRow> rows, bool to_calibrate, std::map<std::string, bool>& held_out,
            CalibrationRows& parts) {
  for (TextRow& row : rows) {
    const bool holds = !to_calibrate && held_out.size() % 2 != 0;
    const auto [place, is_new] = held_out.emplace(words_of(row), holds);
    if (place->second && !is_new) continue;
    (place->second ? parts.held_out : parts.used).push_back(std::move(row));
  }
}

void drop_truth(TextRow& row) {
  row.label.reset();
  row.labels.clear();
  row.score.reset();
  row.answers.clear();
  row.has_answers = false;
  row.entities.clear();
  row.tags.clear();
  row.has_entities = false;
}

// Rows as the model takes them, with the truth that counts.
void prepare(const LoadedModel& model, bool given, const std::string& source,
             std::vector<TextRow>& rows) {
  check_rows(rows, source);
  if (given && keep_truth(model, rows)) {
    check_truth(model, rows, source);
  } else {
    for (TextRow& row : rows) drop_truth(row);
  }
  if (model.task() != TaskKind::kFillMask) return;
  for (TextRow& row : rows) add_mask(model, row);
}

}  // namespace

std::vector<TextRow> shaped_rows(const LoadedModel& model,
                                 std::span<const std::string_view> texts) {
  std::vector<TextRow> rows;
  for (size_t i = 0; i < texts.size(); ++i) {
    TextRow row = shaped(model.task(), texts, i);
    if (model.task() == TaskKind::kFillMask) add_mask(model, row);
    if (can_be_encoded(model, row)) rows.push_back(std::move(row));
  }
  return rows;
}

CalibrationRows split_rows(const LoadedModel& model, SourcedRows calibration,
                           SourcedRows certify_on) {
  CalibrationRows parts;
  std::vector<TextRow>& rows = calibration.rows;
  parts.built_in = rows.empty() && calibration.source.empty();
  parts.source = parts.built_in ? cat(calibration_texts().size(), " built-in texts in 12 languages")
                                : cat(rows.size(), " rows of ", calibration.source);
  parts.held_source = parts.built_in ? "built-in text" : calibration.source;
  parts.measured_on = cat("every second of ", parts.source);
  if (parts.built_in) rows = built_in_rows(model);
  prepare(model, !parts.built_in, parts.held_source, rows);
  const bool own = !certify_on.source.empty();
  std::map<std::string, bool> held_out;
  if (own) {
    parts.held_source = certify_on.source;
    parts.measured_on = cat(certify_on.rows.size(), " rows of ", certify_on.source);
    prepare(model, true, certify_on.source, certify_on.rows);
    for (TextRow& row : certify_on.rows) {
      if (held_out.emplace(words_of(row), true).second) parts.held_out.push_back(std::move(row));
    }
  }
  divide(std::move(rows), own, held_out, parts);
  if (parts.used.size() < kFewTexts && !parts.built_in) {
    const std::vector<TextRow> more = built_in_rows(model);
    for (size_t i = 0; i < more.size(); i += 2) {
      const auto known = held_out.find(words_of(more[i]));
      if (known != held_out.end() && known->second) continue;
      parts.used.push_back(more[i]);
      ++parts.added;
    }
    parts.source += cat(", and ", parts.added, " built-in texts, as the file has few");
  }
  if (own && parts.used.empty()) {
    fail(kInvalid, certify_on.source, ": has every text of ", calibration.source,
         "; what is calibrated on measures nothing");
  }
  return parts;
}

}  // namespace tamis::api
