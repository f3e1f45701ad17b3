#include "model/measure.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "math/agreement.h"
#include "math/finite.h"
#include "tasks/finite.h"
#include "tasks/metrics.h"

namespace tamis::api {

namespace {

using tasks::TaskKind;

constexpr auto kInvalid = ErrorCode::kInvalidArgument;

template <typename Has>
bool any(std::span<const TextRow> rows, Has has) {
  return std::any_of(rows.begin(), rows.end(), has);
}

tasks::TaskInput text_input(const TextRow& row, std::string_view where) {
  if (!row.text) fail(kInvalid, where, ": this task needs a text");
  tasks::TaskInput input;
  input.text = *row.text;
  input.pair = row.text_pair;
  return input;
}

// As the folder's similarity_fn_name says: the nearer the greater.
double vector_similarity(std::string_view name, std::span<const float> a,
                         std::span<const float> b) {
  if (name == "cosine") return math::cosine(a, b);
  if (name == "dot" || name == "dot_product") return math::dot(a, b);
  if (name == "euclidean") return -math::euclidean_distance(a, b);
  if (name == "manhattan") return -math::manhattan_distance(a, b);
  fail(ErrorCode::kUnsupported, "similarity_fn_name \"", name,
       "\" is not known; accepted are cosine, dot, euclidean and manhattan");
}

// Of words' weights: those of a word that only one text has meet zero.
double sparse_similarity(std::string_view name, const tasks::EmbedSparseResult& a,
                         const tasks::EmbedSparseResult& b) {
  std::map<int64_t, std::pair<float, float>> weights;
  for (const auto& word : a.weights) weights[word.id].first = word.weight;
  for (const auto& word : b.weights) weights[word.id].second = word.weight;
  std::vector<float> left;
  std::vector<float> right;
  for (const auto& [id, pair] : weights) {
    left.push_back(pair.first);
    right.push_back(pair.second);
  }
  return vector_similarity(name, left, right);
}

// Where the folder names nothing: as sentence-transformers' classes have it.
std::string_view default_similarity(TaskKind task) {
  return task == TaskKind::kEmbedSparse ? "dot" : "cosine";
}

// What a pair of vectors is compared by.
double similarity(const Run& a, const Run& b, std::string_view name) {
  if (const auto* query = std::get_if<tasks::EmbedMultiResult>(&a.result)) {
    const auto& document = std::get<tasks::EmbedMultiResult>(b.result);
    return name == "meanmaxsim" ? tasks::mean_max_sim(*query, document)
                                : tasks::max_sim(*query, document);
  }
  if (const auto* words = std::get_if<tasks::EmbedSparseResult>(&a.result)) {
    return sparse_similarity(name, *words, std::get<tasks::EmbedSparseResult>(b.result));
  }
  if (const auto* vector = std::get_if<tasks::EmbedResult>(&a.result)) {
    return vector_similarity(name, vector->embedding,
                             std::get<tasks::EmbedResult>(b.result).embedding);
  }
  return vector_similarity(name, a.raw, b.raw);
}

/// Pairs of texts whose similarity should follow the score. With another model the outputs are
/// compared as they are: for vectors of tokens that is the cosine of all of them together.
class EmbedMeasure final : public Measure {
 public:
  EmbedMeasure(const LoadedModel& model, std::span<const TextRow> rows, tasks::TaskOptions options)
      : similarity_(
            model.manifest().similarity.value_or(std::string(default_similarity(model.task())))),
        scored_(any(rows, [](const TextRow& row) { return row.score && row.text_pair; })),
        options_(std::move(options)) {}

  [[nodiscard]] bool has_truth() const override { return scored_; }
  [[nodiscard]] tasks::TaskOptions options() const override { return options_; }

  [[nodiscard]] std::vector<tasks::TaskInput> inputs(const TextRow& row,
                                                     std::string_view where) const override {
    const tasks::TaskInput whole = text_input(row, where);
    std::vector<tasks::TaskInput> list = {{whole.text}};
    if (whole.pair) list.push_back({*whole.pair});
    return list;
  }

  void score(const TextRow& row, std::span<const Run> runs, std::string_view where) override {
    if (!row.score || runs.size() != 2) {
      fail(kInvalid, where, ": needs text_pair and score, as other rows have");
    }
    truth_.push_back(*row.score);
    found_.push_back(similarity(runs[0], runs[1], similarity_));
  }

  void compare(std::span<const Run> reference, std::span<const Run> runs,
               std::string_view where) override {
    for (size_t i = 0; i < runs.size(); ++i) {
      check_alike(reference[i], runs[i], where);
      cosines_.push_back(agreement_cosine(reference[i].raw, runs[i].raw));
    }
  }

  void finish(Evaluation& evaluation) const override {
    if (scored_) evaluation.spearman = math::spearman(truth_, found_);
    if (!evaluation.against) return;
    Agreement& against = *evaluation.against;
    against.compared = static_cast<int64_t>(cosines_.size());
    against.cosine_median = math::quantile(cosines_, 0.5);
    against.cosine_p01 = math::quantile(cosines_, 0.01);
    against.cosine_lower_95 = math::median_lower_95(cosines_);
    for (const double cosine : cosines_) {
      against.divergence += (1 - cosine) / static_cast<double>(cosines_.size());
    }
  }

 private:
  std::string similarity_;
  bool scored_;
  tasks::TaskOptions options_;
  std::vector<double> truth_;
  std::vector<double> found_;
  std::vector<double> cosines_;
};

/// One logit that should follow a score.
class ScoreMeasure final : public Measure {
 public:
  ScoreMeasure(const LoadedModel& model, std::span<const TextRow> rows)
      : rerank_(model.task() == TaskKind::kRerank),
        regression_(model.manifest().problem == tasks::Problem::kRegression),
        scored_(any(rows, [](const TextRow& row) { return row.score || row.label; })) {}

  [[nodiscard]] bool has_truth() const override { return scored_; }
  [[nodiscard]] tasks::TaskOptions options() const override {
    if (rerank_) return tasks::RerankOptions{};
    return tasks::ClassifyOptions{};
  }

  [[nodiscard]] std::vector<tasks::TaskInput> inputs(const TextRow& row,
                                                     std::string_view where) const override {
    if (!rerank_) {
      tasks::TaskInput input = text_input(row, where);
      // As transformers' pipeline reads it.
      if (input.pair && input.pair->empty()) input.pair.reset();
      return {std::move(input)};
    }
    if (row.query) return {{*row.query, std::nullopt, row.texts}};
    if (!row.text || !row.text_pair) {
      fail(kInvalid, where,
           ": rerank needs query and texts, or text and text_pair; rows of one "
           "text are for --task classify");
    }
    return {{*row.text, std::nullopt, {*row.text_pair}}};
  }

  void score(const TextRow& row, std::span<const Run> runs, std::string_view where) override {
    if (runs[0].raw.size() != 1) fail(kInvalid, where, ": a score needs one text, not several");
    truth_.push_back(truth_of(row, where));
    found_.push_back(runs[0].raw[0]);
  }

  void compare(std::span<const Run> reference, std::span<const Run> runs,
               std::string_view where) override {
    check_alike(reference[0], runs[0], where);
    const std::span<const float> theirs = reference[0].raw;
    const std::span<const float> mine = runs[0].raw;
    theirs_.insert(theirs_.end(), theirs.begin(), theirs.end());
    mine_.insert(mine_.end(), mine.begin(), mine.end());
    if (regression_ || mine.empty()) return;
    // Of several texts the one on top decides, of one whether it is accepted.
    differences_.add(mine.size() > 1 ? math::argmax_flips(theirs, mine)
                                     : math::threshold_flips(theirs, mine));
    for (size_t i = 0; i < mine.size(); ++i) {
      differences_.add_kl(math::sigmoid_kl(theirs.subspan(i, 1), mine.subspan(i, 1)));
    }
  }

  void finish(Evaluation& evaluation) const override {
    if (scored_) evaluation.spearman = math::spearman(truth_, found_);
    if (!evaluation.against) return;
    if (!regression_) evaluation.against = differences_.agreement();
    Agreement& against = *evaluation.against;
    const auto count = static_cast<int64_t>(mine_.size());
    if (regression_) {
      against.compared = count;
      against.divergence = relative_square_error();
    }
    against.scores = count;
    against.spearman = math::spearman(theirs_, mine_);
    against.spearman_lower_95 = math::spearman_lower_95(*against.spearman, count);
  }

 private:
  static double truth_of(const TextRow& row, std::string_view where) {
    if (row.score) return *row.score;
    if (!row.label) fail(kInvalid, where, ": has no score, though other rows have one");
    double value = 0;
    const char* end = row.label->data() + row.label->size();
    const auto parsed = std::from_chars(row.label->data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) {
      fail(kInvalid, where, ": label ", json_quote(row.label->substr(0, 100)),
           " is not a number; this model gives one score");
    }
    return value;
  }

  [[nodiscard]] double relative_square_error() const {
    double mean = 0;
    for (const double value : theirs_) mean += value / static_cast<double>(theirs_.size());
    double variance = 0;
    double error = 0;
    for (size_t i = 0; i < theirs_.size(); ++i) {
      variance += (theirs_[i] - mean) * (theirs_[i] - mean);
      error += (theirs_[i] - mine_[i]) * (theirs_[i] - mine_[i]);
    }
    return variance > 0 ? error / variance : error;
  }

  bool rerank_;
  bool regression_;
  bool scored_;
  std::vector<double> truth_;
  std::vector<double> found_;
  std::vector<double> theirs_;
  std::vector<double> mine_;
  Differences differences_;
};

/// Spans of contexts.
class QaMeasure final : public Measure {
 public:
  explicit QaMeasure(std::span<const TextRow> rows)
      : answered_(any(rows, [](const TextRow& row) { return row.has_answers; })),
        impossible_(
            any(rows, [](const TextRow& row) { return row.has_answers && row.answers.empty(); })) {}

  [[nodiscard]] bool has_truth() const override { return answered_; }
  [[nodiscard]] tasks::TaskOptions options() const override {
    tasks::QaOptions options;
    options.handle_impossible_answer = impossible_;
    return options;
  }

  [[nodiscard]] std::vector<tasks::TaskInput> inputs(const TextRow& row,
                                                     std::string_view where) const override {
    if (!row.question) fail(kInvalid, where, ": qa needs question and context");
    return {{*row.question, row.context.value_or("")}};
  }

  void score(const TextRow& row, std::span<const Run> runs, std::string_view where) override {
    if (!row.has_answers) fail(kInvalid, where, ": has no answers, though other rows have");
    std::vector<std::string> truths;
    for (const AnswerSpan& answer : row.answers) truths.push_back(answer.text);
    const tasks::AnswerScore score = tasks::score_answer(best(runs[0]).answer, truths);
    verdicts_.push_back(score.exact > 0 && math::all_finite(runs[0].raw) ? 1 : 0);
    exact_ += score.exact;
    f1_ += score.f1;
    ++scored_;
  }

  void compare(std::span<const Run> reference, std::span<const Run> runs,
               std::string_view) override {
    const tasks::Answer theirs = best(reference[0]);
    const tasks::Answer mine = best(runs[0]);
    differences_.add(theirs.start != mine.start || theirs.end != mine.end ||
                     !math::all_finite(runs[0].raw));
    // Other windows, other distributions: only the answers can be compared then.
    if (reference[0].raw.size() != runs[0].raw.size()) return;
    int64_t row = 0;
    for (const tasks::Sequence& sequence : runs[0].encoded.sequences) {
      for (int64_t column = 0; column < 2; ++column) {
        differences_.add_kl(math::softmax_kl(column_of(reference[0], row, sequence, column),
                                             column_of(runs[0], row, sequence, column)));
      }
      row += sequence.size();
    }
  }

  void finish(Evaluation& evaluation) const override {
    if (scored_ > 0) {
      evaluation.exact_match = exact_ / static_cast<double>(scored_);
      evaluation.answer_f1 = f1_ / static_cast<double>(scored_);
    }
    if (evaluation.against) evaluation.against = differences_.agreement();
  }

  [[nodiscard]] std::span<const uint8_t> verdicts() const override { return verdicts_; }

 private:
  static tasks::Answer best(const Run& run) {
    const auto& answers = std::get<tasks::QaResult>(run.result).answers;
    return answers.empty() ? tasks::Answer{} : answers[0];
  }

  static std::vector<float> column_of(const Run& run, int64_t row, const tasks::Sequence& sequence,
                                      int64_t column) {
    std::vector<float> values;
    for (int64_t i = 0; i < sequence.size(); ++i) {
      values.push_back(raw_row(run, row + i)[static_cast<size_t>(column)]);
    }
    return values;
  }

  std::vector<uint8_t> verdicts_;
  bool answered_;
  bool impossible_;
  double exact_ = 0;
  double f1_ = 0;
  int64_t scored_ = 0;
  Differences differences_;
};

/// Words for masks: two models can be compared, there is no truth to read.
class FillMaskMeasure final : public Measure {
 public:
  [[nodiscard]] bool has_truth() const override { return false; }
  [[nodiscard]] tasks::TaskOptions options() const override {
    tasks::FillMaskOptions options;
    options.top_k = 1;
    return options;
  }

  [[nodiscard]] std::vector<tasks::TaskInput> inputs(const TextRow& row,
                                                     std::string_view where) const override {
    tasks::TaskInput input = text_input(row, where);
    input.pair.reset();
    return {input};
  }

  void score(const TextRow&, std::span<const Run>, std::string_view) override {}

  void compare(std::span<const Run> reference, std::span<const Run> runs,
               std::string_view where) override {
    check_alike(reference[0], runs[0], where);
    const auto masks = static_cast<int64_t>(runs[0].encoded.sequences[0].selected.size());
    for (int64_t i = 0; i < masks; ++i) {
      differences_.add(math::argmax_flips(raw_row(reference[0], i), raw_row(runs[0], i)));
      differences_.add_kl(math::softmax_kl(raw_row(reference[0], i), raw_row(runs[0], i)));
    }
  }

  void finish(Evaluation& evaluation) const override {
    if (evaluation.against) evaluation.against = differences_.agreement();
  }

 private:
  Differences differences_;
};

}  // namespace

void Differences::add(bool flipped) {
  ++compared;
  flips += flipped ? 1 : 0;
}

void Differences::add_kl(double divergence) { kls.push_back(divergence); }

Agreement Differences::agreement() const {
  Agreement agreement;
  agreement.compared = compared;
  agreement.flips = flips;
  if (!margins.empty()) agreement.expected_flips = math::expected_flips(margins);
  if (kls.empty()) return agreement;
  double sum = 0;
  for (const double kl : kls) sum += kl;
  agreement.kl = agreement.divergence = sum / static_cast<double>(kls.size());
  agreement.kl_upper_95 = math::mean_upper_95(kls);
  return agreement;
}

PairedTruth pair_verdicts(std::span<const uint8_t> other, std::span<const uint8_t> mine) {
  TAMIS_CHECK(other.size() == mine.size());
  PairedTruth paired;
  paired.rows = static_cast<int64_t>(mine.size());
  for (size_t i = 0; i < mine.size(); ++i) {
    paired.other_right += other[i];
    if (other[i] > mine[i]) ++paired.broken;
    if (other[i] < mine[i]) ++paired.fixed;
  }
  return paired;
}

void check_alike(const Run& reference, const Run& run, std::string_view where) {
  if (reference.raw.size() == run.raw.size() && reference.width == run.width) return;
  fail(kInvalid, where, ": the model gives ", run.raw.size(), " numbers, the one to compare with ",
       reference.raw.size(), "; both need the same tokens and outputs");
}

std::span<const float> raw_row(const Run& run, int64_t i) {
  return std::span(run.raw).subspan(static_cast<size_t>(i * run.width),
                                    static_cast<size_t>(run.width));
}

size_t greatest(std::span<const float> values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

Chunk make_chunk(const Measure& measure, std::span<const TextRow> rows, std::string_view source) {
  Chunk chunk;
  for (const TextRow& row : rows) {
    chunk.begin.push_back(chunk.inputs.size());
    chunk.wheres.push_back(cat(source, ":", row.line));
    for (tasks::TaskInput& input : measure.inputs(row, chunk.wheres.back())) {
      chunk.inputs.push_back(std::move(input));
      chunk.row_of.push_back(chunk.wheres.size() - 1);
    }
  }
  chunk.begin.push_back(chunk.inputs.size());
  return chunk;
}

std::vector<tasks::Encoded> encode_chunk(const LoadedModel& model, const Chunk& chunk,
                                         const tasks::TaskOptions& options) {
  std::vector<tasks::Encoded> encoded(chunk.inputs.size());
  model.runner().pool().parallel_for(static_cast<int64_t>(encoded.size()), [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    try {
      encoded[at] = model.encode(chunk.inputs[at], options);
    } catch (const Error& error) {
      fail(error.code(), chunk.wheres[chunk.row_of[at]], ": ", error.what());
    }
  });
  return encoded;
}

Run make_run(const tasks::Encoded& encoded, std::span<const tasks::OutputView> outputs,
             const LoadedModel& model) {
  Run run;
  // What it measures may be a plan whose numbers overflow.
  run.result = tasks::decode_unchecked(encoded, outputs, model.task_model());
  for (const tasks::OutputView& view : outputs) {
    if (view.name != tasks::task_output(model.task())) continue;
    const auto values = view.tensor.as<float>();
    run.raw.assign(values.begin(), values.end());
    run.width = view.tensor.shape()[1];
  }
  return run;
}

double agreement_cosine(std::span<const float> reference, std::span<const float> own) {
  return std::ranges::equal(reference, own) ? 1 : math::cosine(reference, own);
}

std::unique_ptr<Measure> make_measure(const LoadedModel& model, std::span<const TextRow> rows) {
  switch (model.task()) {
    case TaskKind::kEmbed:
    case TaskKind::kEmbedAll:  // by its first output
      return std::make_unique<EmbedMeasure>(model, rows, tasks::EmbedOptions{});
    case TaskKind::kEmbedSparse:
    case TaskKind::kEmbedMulti:
      return std::make_unique<EmbedMeasure>(model, rows, tasks::default_options(model.task()));
    case TaskKind::kClassify:
      if (model.manifest().labels.size() != 1) return measure_classify(model, rows);
      return std::make_unique<ScoreMeasure>(model, rows);
    case TaskKind::kRerank:
      return std::make_unique<ScoreMeasure>(model, rows);
    case TaskKind::kNer:
      return measure_ner(model, rows);
    case TaskKind::kQa:
      return std::make_unique<QaMeasure>(rows);
    case TaskKind::kFillMask:
      return std::make_unique<FillMaskMeasure>();
    case TaskKind::kZeroShot:
      break;
  }
  fail(ErrorCode::kUnsupported, "eval: ", tasks::task_name(model.task()),
       " has no measure; evaluate the model under classify");
}

}  // namespace tamis::api
