// Accuracy and F1 of labels: of texts, and of the entities in them.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "math/agreement.h"
#include "math/finite.h"
#include "model/measure.h"
#include "model/tagged_text.h"
#include "tasks/metrics.h"

namespace tamis::api {

namespace {

constexpr auto kInvalid = ErrorCode::kInvalidArgument;

// As many as fit in a line.
std::string list_names(const std::vector<std::string>& names) {
  constexpr size_t kMost = 20;
  std::string list;
  for (size_t i = 0; i < std::min(kMost, names.size()); ++i) {
    list += cat(i == 0 ? "" : ", ", names[i]);
  }
  return names.size() > kMost ? list + ", ..." : list;
}

// A name of id2label, else a class index.
size_t label_index(const std::vector<std::string>& names, const std::string& label,
                   std::string_view where) {
  const auto found = std::find(names.begin(), names.end(), label);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  size_t index = 0;
  const char* end = label.data() + label.size();
  const auto parsed = std::from_chars(label.data(), end, index);
  if (parsed.ec != std::errc() || parsed.ptr != end || index >= names.size()) {
    fail(kInvalid, where, ": label ", json_quote(label.substr(0, 100)),
         " is none of this model's; accepted are ", list_names(names), " and the indices 0..",
         names.size() - 1);
  }
  return index;
}

class ClassifyMeasure final : public Measure {
 public:
  ClassifyMeasure(const LoadedModel& model, std::span<const TextRow> rows)
      : names_(model.manifest().labels),
        several_(model.manifest().problem == tasks::Problem::kMultiLabel),
        by_label_(names_.size()) {
    for (const TextRow& row : rows) labelled_ |= row.label || !row.labels.empty();
  }

  [[nodiscard]] bool has_truth() const override { return labelled_; }
  [[nodiscard]] tasks::TaskOptions options() const override { return tasks::ClassifyOptions{}; }

  [[nodiscard]] std::vector<tasks::TaskInput> inputs(const TextRow& row,
                                                     std::string_view where) const override {
    if (!row.text) fail(kInvalid, where, ": classify needs a text");
    return {{*row.text, row.text_pair}};
  }

  void score(const TextRow& row, std::span<const Run> runs, std::string_view where) override {
    std::set<size_t> truth;
    for (const std::string& label : row.labels) truth.insert(label_index(names_, label, where));
    if (row.label) truth.insert(label_index(names_, *row.label, where));
    if (several_) {
      score_several(truth, runs[0].raw);
      return;
    }
    if (truth.size() != 1) {
      fail(kInvalid, where,
           truth.empty() ? ": has no label, though other rows have"
                         : ": has several labels, but this model gives one");
    }
    truth_.push_back(static_cast<int64_t>(*truth.begin()));
    found_.push_back(static_cast<int64_t>(greatest(runs[0].raw)));
    // Of numbers that are none the first would be the greatest.
    const bool decided = math::all_finite(runs[0].raw);
    verdicts_.push_back(decided && truth_.back() == found_.back() ? 1 : 0);
  }

  void compare(std::span<const Run> reference, std::span<const Run> runs,
               std::string_view where) override {
    check_alike(reference[0], runs[0], where);
    const auto& theirs = reference[0].raw;
    const auto& mine = runs[0].raw;
    differences_.add(several_ ? math::threshold_flips(theirs, mine)
                              : math::argmax_flips(theirs, mine));
    differences_.add_kl(several_ ? math::sigmoid_kl(theirs, mine) : math::softmax_kl(theirs, mine));
    if (!several_ && mine.size() > 1) {
      differences_.margins.push_back(math::decision_margin(theirs, mine));
    }
  }

  void finish(Evaluation& evaluation) const override {
    if (evaluation.against) evaluation.against = differences_.agreement();
    if (!labelled_) return;
    if (!several_) {
      evaluation.accuracy = tasks::accuracy(truth_, found_);
      evaluation.macro_f1 = tasks::macro_f1(truth_, found_);
      return;
    }
    double sum = 0;
    for (const tasks::EntityCounts& counts : by_label_) sum += counts.f1();
    evaluation.accuracy = static_cast<double>(exact_) / static_cast<double>(evaluation.rows);
    evaluation.macro_f1 = sum / static_cast<double>(by_label_.size());
  }

  [[nodiscard]] std::span<const uint8_t> verdicts() const override { return verdicts_; }

 private:
  // Accuracy is of whole sets, as scikit-learn's; F1 the mean over all labels.
  void score_several(const std::set<size_t>& truth, std::span<const float> logits) {
    bool exact = math::all_finite(logits);
    for (size_t i = 0; i < logits.size(); ++i) {
      const bool found = logits[i] > 0;
      const bool right = truth.contains(i);
      exact &= found == right;
      by_label_[i] += {found && right ? 1 : 0, found ? 1 : 0, right ? 1 : 0};
    }
    exact_ += exact ? 1 : 0;
    verdicts_.push_back(exact ? 1 : 0);
  }

  const std::vector<std::string>& names_;
  bool several_;
  bool labelled_ = false;
  std::vector<int64_t> truth_;
  std::vector<int64_t> found_;
  std::vector<tasks::EntityCounts> by_label_;
  std::vector<uint8_t> verdicts_;
  int64_t exact_ = 0;
  Differences differences_;
};

class NerMeasure final : public Measure {
 public:
  NerMeasure(const LoadedModel& model, std::span<const TextRow> rows)
      : names_(model.manifest().labels), scheme_(names_) {
    for (const std::string& name : names_) types_.insert(scheme_.type_of(name));
    for (const TextRow& row : rows) labelled_ |= row.has_entities;
  }

  [[nodiscard]] bool has_truth() const override { return labelled_; }
  [[nodiscard]] tasks::TaskOptions options() const override {
    tasks::NerOptions options;
    options.aggregation = tasks::Aggregation::kFirst;
    return options;
  }

  [[nodiscard]] std::vector<tasks::TaskInput> inputs(const TextRow& row,
                                                     std::string_view where) const override {
    if (!row.text && row.tokens.empty()) fail(kInvalid, where, ": ner needs a text, or tokens");
    if (!row.tokens.empty()) return {{join(row.tokens).text}};
    return {{*row.text}};
  }

  void score(const TextRow& row, std::span<const Run> runs, std::string_view where) override {
    if (!row.has_entities) {
      fail(kInvalid, where, ": has neither tags nor entities, though other rows have");
    }
    if (!row.tokens.empty()) {
      for (const std::string& tag : row.tags) check_type(tag, where);
      counts_ +=
          tasks::count_entities(row.tags, predicted_tags(join(row.tokens), runs[0]), scheme_);
      return;
    }
    score_spans(row, std::get<tasks::NerResult>(runs[0].result), where);
  }

  void compare(std::span<const Run> reference, std::span<const Run> runs,
               std::string_view where) override {
    check_alike(reference[0], runs[0], where);
    const auto& special = runs[0].encoded.windows[0].special_mask;
    for (size_t i = 0; i < special.size(); ++i) {
      if (special[i] != 0) continue;
      const auto theirs = raw_row(reference[0], static_cast<int64_t>(i));
      const auto mine = raw_row(runs[0], static_cast<int64_t>(i));
      differences_.add(math::argmax_flips(theirs, mine));
      differences_.add_kl(math::softmax_kl(theirs, mine));
    }
  }

  void finish(Evaluation& evaluation) const override {
    if (labelled_) evaluation.entity_f1 = counts_.f1();
    if (evaluation.against) evaluation.against = differences_.agreement();
  }

 private:
  void check_type(std::string_view tag, std::string_view where) const {
    if (tag == "O" || types_.contains(scheme_.type_of(tag))) return;
    fail(kInvalid, where, ": tag ", json_quote(tag.substr(0, 100)),
         " is of no type that this model knows; its labels are ", list_names(names_));
  }

  // The label of each word's first token; "O" for a word that has none.
  [[nodiscard]] std::vector<std::string> predicted_tags(const JoinedText& joined,
                                                        const Run& run) const {
    const tasks::Window& window = run.encoded.windows[0];
    std::vector<std::string> tags;
    size_t token = 0;
    for (const auto& word : joined.words) {
      const auto outside = [&](size_t i) {
        return window.special_mask[i] != 0 || window.offsets[i].end <= word.first;
      };
      while (token < window.offsets.size() && outside(token)) ++token;
      const bool found = token < window.offsets.size() && window.offsets[token].start < word.second;
      tags.push_back(found ? names_[greatest(raw_row(run, static_cast<int64_t>(token)))] : "O");
    }
    return tags;
  }

  void score_spans(const TextRow& row, const tasks::NerResult& result, std::string_view where) {
    std::set<std::tuple<int64_t, int64_t, std::string>> truth;
    for (const EntitySpan& span : row.entities) {
      check_type(span.label, where);
      truth.emplace(span.start, span.end, scheme_.type_of(span.label));
    }
    counts_.truth += static_cast<int64_t>(truth.size());
    counts_.predicted += static_cast<int64_t>(result.entities.size());
    for (const tasks::Entity& entity : result.entities) {
      // Each true entity is found once.
      counts_.correct += static_cast<int64_t>(
          truth.erase({entity.start, entity.end, std::string(scheme_.type_of(entity.label))}));
    }
  }

  const std::vector<std::string>& names_;
  tasks::TagScheme scheme_;
  std::set<std::string_view> types_;
  bool labelled_ = false;
  tasks::EntityCounts counts_;
  Differences differences_;
};

}  // namespace

void check_truth(const LoadedModel& model, std::span<const TextRow> rows, std::string_view source) {
  if (model.task() != tasks::TaskKind::kClassify) return;
  const std::vector<std::string>& names = model.manifest().labels;
  for (const TextRow& row : rows) {
    const std::string where = cat(source, ":", row.line);
    if (row.label) (void)label_index(names, *row.label, where);
    for (const std::string& label : row.labels) (void)label_index(names, label, where);
  }
}

std::unique_ptr<Measure> measure_classify(const LoadedModel& model, std::span<const TextRow> rows) {
  return std::make_unique<ClassifyMeasure>(model, rows);
}

std::unique_ptr<Measure> measure_ner(const LoadedModel& model, std::span<const TextRow> rows) {
  if (model.task_model().span_labels) return measure_spans(model, rows);
  return std::make_unique<NerMeasure>(model, rows);
}

}  // namespace tamis::api
