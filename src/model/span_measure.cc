// F1 of entities over labels that come with the text, and how far two models agree on the spans of
// its words.
#include <algorithm>
#include <set>
#include <tuple>

#include "base/error.h"
#include "math/agreement.h"
#include "model/measure.h"
#include "model/span_labels.h"
#include "model/tagged_text.h"
#include "tasks/metrics.h"

namespace tamis::api {

namespace {

constexpr auto kInvalid = ErrorCode::kInvalidArgument;

class SpanMeasure final : public Measure {
 public:
  SpanMeasure(const LoadedModel& model, std::span<const TextRow> rows)
      : shape_(*model.task_model().span_labels) {
    std::set<std::string> tags;
    for (const TextRow& row : rows) {
      labelled_ |= row.has_entities;
      tags.insert(row.tags.begin(), row.tags.end());
      for (const EntitySpan& span : row.entities) tags.insert(span.label);
    }
    scheme_ = tasks::TagScheme(std::vector<std::string>(tags.begin(), tags.end()));
    std::set<std::string> types;
    for (const std::string& tag : tags) {
      if (tag != "O") types.emplace(scheme_.type_of(tag));
    }
    labels_.assign(types.begin(), types.end());
    if (labels_.empty()) labels_ = usual_labels();
  }

  [[nodiscard]] bool has_truth() const override { return labelled_; }
  [[nodiscard]] tasks::TaskOptions options() const override {
    tasks::NerOptions options;
    options.labels = labels_;
    return options;
  }

  [[nodiscard]] std::vector<tasks::TaskInput> inputs(const TextRow& row,
                                                     std::string_view where) const override {
    if (!row.text && row.tokens.empty()) fail(kInvalid, where, ": ner needs a text, or tokens");
    return {{row.tokens.empty() ? *row.text : join(row.tokens).text}};
  }

  void score(const TextRow& row, std::span<const Run> runs, std::string_view where) override {
    if (!row.has_entities) {
      fail(kInvalid, where, ": has neither tags nor entities, though other rows have");
    }
    const auto& found = std::get<tasks::NerResult>(runs[0].result).entities;
    if (!row.tokens.empty()) {
      counts_ += tasks::count_entities(row.tags, tags_of(join(row.tokens), found), scheme_);
      return;
    }
    std::set<std::tuple<int64_t, int64_t, std::string>> truth;
    for (const EntitySpan& span : row.entities) {
      truth.emplace(span.start, span.end, scheme_.type_of(span.label));
    }
    counts_.truth += static_cast<int64_t>(truth.size());
    counts_.predicted += static_cast<int64_t>(found.size());
    for (const tasks::Entity& entity : found) {
      // Each true entity is found once.
      counts_.correct +=
          static_cast<int64_t>(truth.erase({entity.start, entity.end, entity.label}));
    }
  }

  // A decision is which labels name a span, each for itself.
  void compare(std::span<const Run> reference, std::span<const Run> runs,
               std::string_view where) override {
    check_alike(reference[0], runs[0], where);
    const auto labels = static_cast<int64_t>(labels_.size());
    const auto words = static_cast<int64_t>(runs[0].encoded.windows[0].offsets.size());
    for (int64_t word = 0; word < words; ++word) {
      const auto theirs = raw_row(reference[0], labels + word);
      const auto mine = raw_row(runs[0], labels + word);
      const int64_t widths = std::min(shape_.max_width, words - word);
      for (int64_t width = 0; width < widths; ++width) {
        const auto first = static_cast<size_t>(width * shape_.most_labels);
        const auto a = theirs.subspan(first, labels_.size());
        const auto b = mine.subspan(first, labels_.size());
        differences_.add(math::threshold_flips(a, b));
        differences_.add_kl(math::sigmoid_kl(a, b));
      }
    }
  }

  void finish(Evaluation& evaluation) const override {
    if (labelled_) evaluation.entity_f1 = counts_.f1();
    if (evaluation.against) evaluation.against = differences_.agreement();
  }

 private:
  // A tag for each word: those within an entity have its label.
  static std::vector<std::string> tags_of(const JoinedText& joined,
                                          const std::vector<tasks::Entity>& found) {
    std::vector<std::string> tags(joined.words.size(), "O");
    for (const tasks::Entity& entity : found) {
      bool begun = false;
      for (size_t i = 0; i < tags.size(); ++i) {
        const auto& [start, end] = joined.words[i];
        if (start >= entity.end || end <= entity.start) continue;
        tags[i] = cat(begun ? "I-" : "B-", entity.label);
        begun = true;
      }
    }
    return tags;
  }

  tasks::SpanLabels shape_;
  tasks::TagScheme scheme_;
  std::vector<std::string> labels_;
  bool labelled_ = false;
  tasks::EntityCounts counts_;
  Differences differences_;
};

}  // namespace

std::unique_ptr<Measure> measure_spans(const LoadedModel& model, std::span<const TextRow> rows) {
  return std::make_unique<SpanMeasure>(model, rows);
}

}  // namespace tamis::api
