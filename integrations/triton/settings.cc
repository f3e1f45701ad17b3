#include "integrations/triton/settings.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "base/error.h"
#include "base/thread_limit.h"

namespace tamis::triton {

namespace {

// Modes that a parameter is for, together a set.
constexpr unsigned kTexts = 1U << static_cast<unsigned>(Mode::kTexts);
constexpr unsigned kIds = 1U << static_cast<unsigned>(Mode::kIds);
constexpr unsigned kTokens = 1U << static_cast<unsigned>(Mode::kTokenizer);

/// A parameter: how it is set, for which modes and for which tasks it is ("": all).
struct Row {
  std::string_view name;
  void (*set)(Settings& settings, std::string_view value);
  unsigned modes = kTexts;
  std::string_view tasks = {};
};

constexpr int64_t kMost = int64_t{1} << 30;  // tokens, answers: twice that is no overflow yet

[[noreturn]] void bad_value(std::string_view value, std::string_view wanted) {
  fail(ErrorCode::kInvalidArgument, "\"", value, "\": must be ", wanted);
}

// A number in [least, most].
int64_t integer(std::string_view value, int64_t least, int64_t most) {
  int64_t number = 0;
  const auto end = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool whole = end.ec == std::errc() && end.ptr == value.data() + value.size();
  if (!whole || number < least || number > most) {
    bad_value(value, cat("a number from ", least, " to ", most));
  }
  return number;
}

// Nothing would stand for the default.
std::string_view word(std::string_view value) {
  if (value.empty()) bad_value(value, "a name, or left out");
  return value;
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
  s.load.max_length = integer(value, 1, kMost);
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

// All that have a Truncation: a context is read in windows, which are never cut.
constexpr std::string_view kCutTasks =
    "embed classify rerank zero-shot ner fill-mask embed-sparse embed-multi embed-all";

constexpr Row kRows[] = {
    {"task", [](Settings& s, std::string_view v) { s.load.task = word(v); }, kTexts | kIds},
    {"precision", [](Settings& s, std::string_view v) { s.load.precision = word(v); },
     kTexts | kIds},
    {"isa", [](Settings& s, std::string_view v) { s.load.isa = word(v); }, kTexts | kIds},
    {"threads",
     [](Settings& s, std::string_view v) {
       s.load.threads = static_cast<int>(integer(v, 1, kMostThreads));
     },
     kTexts | kIds},
    {"output", set_output, kTexts | kTokens},
    {"max_length", set_max_length, kTexts | kIds | kTokens},
    {"truncate", set_truncate, kTexts | kTokens, kCutTasks},
    {"prompt", set_prompt, kTexts | kTokens, "embed"},
    {"prompt_name", set_prompt_name, kTexts | kTokens, "embed"},
    {"normalize", [](Settings& s, std::string_view v) { s.embed.normalize = boolean(v); }, kTexts,
     "embed"},
    {"dimensions",
     [](Settings& s, std::string_view v) { s.embed.dimensions = integer(v, 1, kMost); }, kTexts,
     "embed"},
    {"query", set_query, kTexts, "embed-sparse embed-multi embed-all"},
    {"function_to_apply", set_function, kTexts, "classify rerank zero-shot"},
    {"aggregation_strategy", set_aggregation, kTexts, "ner"},
    {"stride", [](Settings& s, std::string_view v) { s.ner.stride = integer(v, 0, kMost); }, kTexts,
     "ner"},
    {"top_k",
     [](Settings& s, std::string_view v) {
       s.qa.top_k = integer(v, 1, kMost);
       s.fill_mask.top_k = integer(v, 1, kMost);
     },
     kTexts, "qa fill-mask"},
    {"padding", set_padding, kTokens},
    {"pad_to_multiple_of",
     [](Settings& s, std::string_view v) { s.pad_to_multiple_of = integer(v, 1, kMost); }, kTokens},
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

bool is_in(Mode mode, unsigned modes) { return (modes >> static_cast<unsigned>(mode) & 1U) != 0; }

std::string_view mode_text(Mode mode) {
  switch (mode) {
    case Mode::kTexts:
      return "answers to texts";
    case Mode::kIds:
      return "the input input_ids";
    case Mode::kTokenizer:
      return "output: tokens";
  }
  return "";
}

// Passed over in silence, a parameter would seem to count.
void check_mode(const ModelConfig& config, Mode mode) {
  for (const auto& [name, value] : config.parameters) {
    const Row& row = row_of(name);
    if (is_in(mode, row.modes)) continue;
    std::string modes;
    for (const Mode each : {Mode::kTexts, Mode::kIds, Mode::kTokenizer}) {
      if (is_in(each, row.modes)) modes += cat(modes.empty() ? "" : " or ", mode_text(each));
    }
    fail(ErrorCode::kUnsupported, "config.pbtxt: parameter \"", name, "\" is for ", modes,
         "; this model has ", mode_text(mode));
  }
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
  if (has_input(config, "input_ids")) settings.mode = Mode::kIds;
  check_mode(config, settings.mode);
  return settings;
}

void check_settings(const ModelConfig& config, const Settings& settings, std::string_view task) {
  const std::string& asked = settings.load.task;
  if (!asked.empty() && asked != task) {
    fail(ErrorCode::kUnsupported, "config.pbtxt: parameter \"task\" is \"", asked,
         "\", which the backend does not do with this model; without it the task is ", task);
  }
  for (const auto& [name, value] : config.parameters) {
    const Row& row = row_of(name);
    if (row.tasks.empty() || lists(row.tasks, task)) continue;
    fail(ErrorCode::kUnsupported, "config.pbtxt: parameter \"", name,
         "\" is for models of the tasks ", row.tasks, "; this one is for ", task);
  }
}

}  // namespace tamis::triton
