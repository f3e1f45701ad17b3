#include "integrations/triton/settings.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "base/error.h"

namespace tamis::triton {

namespace {

/// A parameter: how it is set, what it may be, and for which tasks or modes it is ("": all).
struct Row {
  std::string_view name;
  void (*set)(Settings& settings, std::string_view value);
  std::string_view tasks = {};
};

[[noreturn]] void bad_value(std::string_view value, std::string_view wanted) {
  fail(ErrorCode::kInvalidArgument, "\"", value, "\": must be ", wanted);
}

int64_t integer(std::string_view value, int64_t least) {
  int64_t number = 0;
  const auto end = std::from_chars(value.data(), value.data() + value.size(), number);
  if (end.ec != std::errc() || end.ptr != value.data() + value.size() || number < least) {
    bad_value(value, cat("a number of at least ", least));
  }
  return number;
}

bool boolean(std::string_view value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  bad_value(value, "true or false");
}

template <typename Each>
void for_each_truncation(Settings& s, Each each) {
  each(s.embed.truncation);
  each(s.classify.truncation);
  each(s.ner.truncation);
  each(s.fill_mask.truncation);
  each(s.tokenize.truncation);
  each(s.sparse.truncation);
  each(s.multi.truncation);
  each(s.all.truncation);
}

void set_truncate(Settings& s, std::string_view value) {
  for_each_truncation(s, [on = boolean(value)](Truncation& t) { t.enabled = on; });
}

void set_max_length(Settings& s, std::string_view value) {
  s.load.max_length = integer(value, 1);
  for_each_truncation(s, [&](Truncation& t) { t.max_length = s.load.max_length; });
}

void set_prompt(Settings& s, std::string_view value) {
  s.embed.prompt = value;
  s.tokenize.prompt = value;
}

void set_prompt_name(Settings& s, std::string_view value) {
  s.embed.prompt_name = value;
  s.tokenize.prompt_name = value;
}

void set_query(Settings& s, std::string_view value) {
  s.sparse.query = s.multi.query = s.all.query = boolean(value);
}

void set_function(Settings& s, std::string_view value) {
  if (value == "softmax") {
    s.classify.function = ScoreFunction::kSoftmax;
  } else if (value == "sigmoid") {
    s.classify.function = ScoreFunction::kSigmoid;
  } else if (value == "none") {
    s.classify.function = ScoreFunction::kNone;
  } else {
    bad_value(value, "softmax, sigmoid or none");
  }
}

void set_aggregation(Settings& s, std::string_view value) {
  constexpr std::string_view kNames[] = {"none", "simple", "first", "average", "max"};
  const auto* const found = std::ranges::find(kNames, value);
  if (found == std::end(kNames)) bad_value(value, "none, simple, first, average or max");
  s.ner.aggregation = static_cast<Aggregation>(found - kNames);
}

void set_padding(Settings& s, std::string_view value) {
  if (value != "longest" && value != "max_length") bad_value(value, "longest or max_length");
  s.pad_to_max_length = value == "max_length";
}

void set_output(Settings& s, std::string_view value) {
  if (value != "answer" && value != "tokens") bad_value(value, "answer or tokens");
  if (value == "tokens") s.mode = Mode::kTokenizer;
}

constexpr Row kRows[] = {
    {"task", [](Settings& s, std::string_view v) { s.load.task = v; }},
    {"precision", [](Settings& s, std::string_view v) { s.load.precision = v; }},
    {"isa", [](Settings& s, std::string_view v) { s.load.isa = v; }},
    {"threads",
     [](Settings& s, std::string_view v) { s.load.threads = static_cast<int>(integer(v, 1)); }},
    {"output", set_output},
    {"max_length", set_max_length},
    {"truncate", set_truncate},
    {"prompt", set_prompt, "embed"},
    {"prompt_name", set_prompt_name, "embed"},
    {"normalize", [](Settings& s, std::string_view v) { s.embed.normalize = boolean(v); }, "embed"},
    {"dimensions", [](Settings& s, std::string_view v) { s.embed.dimensions = integer(v, 1); },
     "embed"},
    {"query", set_query, "embed-sparse embed-multi embed-all"},
    {"function_to_apply", set_function, "classify rerank zero-shot"},
    {"aggregation_strategy", set_aggregation, "ner"},
    {"stride", [](Settings& s, std::string_view v) { s.ner.stride = integer(v, 0); }, "ner"},
    {"top_k",
     [](Settings& s, std::string_view v) {
       s.qa.top_k = integer(v, 1);
       s.fill_mask.top_k = integer(v, 1);
     },
     "qa fill-mask"},
    {"padding", set_padding, "tokens"},
    {"pad_to_multiple_of",
     [](Settings& s, std::string_view v) { s.pad_to_multiple_of = integer(v, 1); }, "tokens"},
};

const Row& row_of(std::string_view name) {
  const auto* const found = std::ranges::find(kRows, name, &Row::name);
  if (found != std::end(kRows)) return *found;
  std::string known;
  for (const Row& row : kRows) known += cat(known.empty() ? "" : ", ", row.name);
  fail(ErrorCode::kUnsupported, "config.pbtxt: parameter \"", name, "\" is unknown; known are ",
       known);
}

bool has_input(const ModelConfig& config, std::string_view name) {
  return std::ranges::find(config.inputs, name, &TensorConfig::name) != config.inputs.end();
}

// Whether `word` is one of the words of `list`.
bool lists(std::string_view list, std::string_view word) {
  return cat(" ", list, " ").find(cat(" ", word, " ")) != std::string::npos;
}

}  // namespace

Settings read_settings(const ModelConfig& config) {
  Settings settings;
  for (const auto& [name, value] : config.parameters) {
    const Row& row = row_of(name);
    try {
      row.set(settings, value);
    } catch (const Error& error) {
      fail(error.code(), "config.pbtxt: parameter \"", name, "\" is ", error.what());
    }
  }
  const bool ids = has_input(config, "input_ids");
  if (ids && settings.mode == Mode::kTokenizer) {
    fail(ErrorCode::kInvalidArgument,
         "config.pbtxt: parameter \"output\" is \"tokens\", but the "
         "input is input_ids; it goes with the input text");
  }
  if (ids) settings.mode = Mode::kIds;
  return settings;
}

void check_settings(const ModelConfig& config, const Settings& settings, std::string_view task) {
  for (const auto& [name, value] : config.parameters) {
    const Row& row = row_of(name);
    const bool tokens = row.tasks == "tokens";
    if (row.tasks.empty()) continue;
    if (tokens ? settings.mode == Mode::kTokenizer : lists(row.tasks, task)) continue;
    fail(ErrorCode::kUnsupported, "config.pbtxt: parameter \"", name, "\" is for ",
         tokens ? "output: tokens" : cat("models of the tasks ", row.tasks),
         tokens ? "" : cat("; this one is for ", task));
  }
}

}  // namespace tamis::triton
