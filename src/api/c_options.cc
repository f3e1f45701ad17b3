#include "api/c_options.h"

namespace tamis::api {

namespace {

// A choice of C as one of C++: the value at that place, nothing for one that is not there.
template <typename Choice, size_t kCount>
Choice choice(const Choice (&values)[kCount], int given, std::string_view what) {
  if (given < 0 || given >= static_cast<int>(kCount)) {
    fail(ErrorCode::kInvalidArgument, what, " is ", given, "; must be 0 to ", kCount - 1);
  }
  return values[given];
}

Truncation cpp_truncation(const tamis_truncation& given) {
  constexpr std::optional<Side> kSides[] = {std::nullopt, Side::kLeft, Side::kRight};
  Truncation truncation;
  truncation.max_length = given.max_length;
  truncation.enabled = given.refuse == 0;
  truncation.side = choice(kSides, given.side, "truncation.side");
  return truncation;
}

std::string optional_string(const char* text) { return text == nullptr ? "" : text; }

// Nothing for the value that stands for the default.
std::optional<int64_t> unless(int64_t value, int64_t usual) {
  if (value == usual) return std::nullopt;
  return value;
}

std::vector<std::string> c_list(const char* const* texts, size_t count, std::string_view what) {
  check_array(texts, count, what);
  std::vector<std::string> out;
  for (size_t i = 0; i < count; ++i) {
    if (texts[i] == nullptr) fail(ErrorCode::kInvalidArgument, what, " ", i, " is NULL");
    out.emplace_back(texts[i]);
  }
  return out;
}

// What options of queries and documents share.
template <typename Options, typename Given>
Options side_options(const Given& given) {
  Options out;
  out.query = given.query != 0;
  if (given.prompt_name != nullptr) out.prompt_name = given.prompt_name;
  if (given.prompt != nullptr) out.prompt = given.prompt;
  out.truncation = cpp_truncation(given.truncation);
  return out;
}

}  // namespace

std::string cpp_string(const tamis_string& text) {
  check_array(text.data, text.size, "a text's data");
  return text.size == 0 ? std::string() : std::string(text.data, text.size);
}

std::vector<std::string> cpp_strings(const tamis_string* texts, size_t count) {
  check_array(texts, count, "texts");
  std::vector<std::string> out;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) out.push_back(cpp_string(texts[i]));
  return out;
}

std::vector<TaskInput> cpp_inputs(const tamis_input* inputs, size_t count) {
  check_array(inputs, count, "inputs");
  std::vector<TaskInput> out;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    TaskInput input;
    input.text = cpp_string(inputs[i].text);
    if (inputs[i].pair.data != nullptr) input.pair = cpp_string(inputs[i].pair);
    out.push_back(std::move(input));
  }
  return out;
}

LoadOptions cpp_options(const tamis_load_options& options) {
  LoadOptions out;
  out.task = optional_string(options.task);
  out.isa = optional_string(options.isa);
  out.precision = optional_string(options.precision);
  out.threads = options.threads;
  out.max_length = options.max_length;
  out.device = optional_string(options.device);
  return out;
}

EmbedOptions cpp_options(const tamis_embed_options& options) {
  EmbedOptions out;
  if (options.normalize < -1 || options.normalize > 1) {
    fail(ErrorCode::kInvalidArgument, "normalize is ", options.normalize, "; must be -1, 0 or 1");
  }
  if (options.normalize >= 0) out.normalize = options.normalize != 0;
  out.dimensions = unless(options.dimensions, 0);
  if (options.prompt_name != nullptr) out.prompt_name = options.prompt_name;
  if (options.prompt != nullptr) out.prompt = options.prompt;
  out.truncation = cpp_truncation(options.truncation);
  return out;
}

EmbedSparseOptions cpp_options(const tamis_embed_sparse_options& options) {
  auto out = side_options<EmbedSparseOptions>(options);
  out.top_k = unless(options.top_k, 0);
  return out;
}

EmbedMultiOptions cpp_options(const tamis_embed_multi_options& options) {
  return side_options<EmbedMultiOptions>(options);
}

EmbedAllOptions cpp_all_options(const tamis_embed_multi_options& options) {
  return side_options<EmbedAllOptions>(options);
}

ClassifyOptions cpp_options(const tamis_classify_options& options) {
  constexpr std::optional<ScoreFunction> kFunctions[] = {
      std::nullopt, ScoreFunction::kSoftmax, ScoreFunction::kSigmoid, ScoreFunction::kNone};
  ClassifyOptions out;
  out.top_k = unless(options.top_k, 0);
  out.function = choice(kFunctions, options.function, "function");
  out.truncation = cpp_truncation(options.truncation);
  return out;
}

ZeroShotOptions cpp_options(const tamis_zero_shot_options& options) {
  ZeroShotOptions out;
  if (options.hypothesis_template != nullptr) {
    out.hypothesis_template = options.hypothesis_template;
  }
  out.multi_label = options.multi_label != 0;
  out.truncation = cpp_truncation(options.truncation);
  return out;
}

RerankOptions cpp_options(const tamis_rerank_options& options) {
  RerankOptions out;
  out.top_k = unless(options.top_k, 0);
  out.raw_scores = options.raw_scores != 0;
  out.truncation = cpp_truncation(options.truncation);
  return out;
}

NerOptions cpp_options(const tamis_ner_options& options) {
  constexpr Aggregation kAggregations[] = {Aggregation::kSimple, Aggregation::kNone,
                                           Aggregation::kFirst, Aggregation::kAverage,
                                           Aggregation::kMax};
  NerOptions out;
  out.aggregation = choice(kAggregations, options.aggregation, "aggregation");
  if (options.ignore_labels != nullptr) {
    out.ignore_labels = cpp_strings(options.ignore_labels, options.ignore_label_count);
  }
  out.stride = unless(options.stride, -1);
  out.truncation = cpp_truncation(options.truncation);
  if (options.labels != nullptr) out.labels = cpp_strings(options.labels, options.label_count);
  // Not (threshold < 0), so that NaN is refused.
  if (!(options.threshold < 0)) out.threshold = options.threshold;
  out.nested = options.nested != 0;
  out.multi_label = options.multi_label != 0;
  return out;
}

QaOptions cpp_options(const tamis_qa_options& options) {
  QaOptions out;
  out.top_k = unless(options.top_k, 0);
  if (options.max_answer_len != 0) out.max_answer_len = options.max_answer_len;
  out.max_seq_len = unless(options.max_seq_len, 0);
  out.doc_stride = unless(options.doc_stride, 0);
  out.max_question_len = unless(options.max_question_len, 0);
  out.handle_impossible_answer = options.handle_impossible_answer != 0;
  out.align_to_words = options.align_to_words != 0;
  return out;
}

FillMaskOptions cpp_options(const tamis_fill_mask_options& options) {
  FillMaskOptions out;
  out.top_k = options.top_k;
  out.targets = cpp_strings(options.targets, options.target_count);
  out.truncation = cpp_truncation(options.truncation);
  return out;
}

OptimizeOptions cpp_options(const tamis_optimize_options& options) {
  OptimizeOptions out;
  out.load = cpp_options(read_options(&options.load, tamis_load_options_init));
  out.force = options.force != 0;
  out.budget = optional_string(options.budget);
  out.certify = options.certify != 0;
  out.calibration = cpp_inputs(options.calibration, options.calibration_count);
  out.calibration_file = optional_string(options.calibration_file);
  out.certify_on = cpp_inputs(options.certify_on, options.certify_on_count);
  out.certify_on_file = optional_string(options.certify_on_file);
  out.embeddings = optional_string(options.embeddings);
  out.scheme = optional_string(options.scheme);
  out.enable = c_list(options.enable, options.enable_count, "enable");
  out.disable = c_list(options.disable, options.disable_count, "disable");
  out.measure = options.measure != 0;
  out.seconds = options.seconds;
  if (options.progress != nullptr) {
    out.progress = [progress = options.progress, context = options.progress_context](
                       std::string_view stage, double fraction) {
      return progress(context, {stage.data(), stage.size()}, fraction) != 0;
    };
  }
  return out;
}

}  // namespace tamis::api

namespace {

// All fields 0 or NULL, which most defaults are. Whether there is a struct.
template <typename Options>
bool clear(Options* options) {
  if (options == nullptr) return false;
  *options = Options{};
  options->struct_size = sizeof(Options);
  return true;
}

}  // namespace

extern "C" {

void tamis_load_options_init(tamis_load_options* options) { (void)clear(options); }

void tamis_embed_options_init(tamis_embed_options* options) {
  if (clear(options)) options->normalize = -1;
}

void tamis_embed_sparse_options_init(tamis_embed_sparse_options* options) { (void)clear(options); }
void tamis_embed_multi_options_init(tamis_embed_multi_options* options) { (void)clear(options); }
void tamis_classify_options_init(tamis_classify_options* options) { (void)clear(options); }
void tamis_zero_shot_options_init(tamis_zero_shot_options* options) { (void)clear(options); }
void tamis_rerank_options_init(tamis_rerank_options* options) { (void)clear(options); }

void tamis_ner_options_init(tamis_ner_options* options) {
  if (!clear(options)) return;
  options->stride = -1;
  options->threshold = -1;
}

void tamis_qa_options_init(tamis_qa_options* options) {
  if (clear(options)) options->align_to_words = 1;
}

void tamis_fill_mask_options_init(tamis_fill_mask_options* options) {
  if (clear(options)) options->top_k = tamis::FillMaskOptions{}.top_k;
}

void tamis_optimize_options_init(tamis_optimize_options* options) {
  if (clear(options)) tamis_load_options_init(&options->load);
}

}  // extern "C"
