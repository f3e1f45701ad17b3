#include "cli/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "base/error.h"
#include "base/json.h"

namespace tamis::cli {

namespace {

// Takes a value; `name` is how the user wrote the option, for errors.
using Setter = std::function<void(std::string_view name, std::string_view value)>;

struct Option {
  std::string name;   // "--top-k"
  std::string brief;  // "-o", or empty
  std::string_view value;
  std::string help;
  bool is_flag = false;
  Setter set;
  std::string variable;  // empty: none
  bool given = false;
  std::vector<std::string> values;  // in the order they were given

  void give(std::string_view by, std::string_view text) {
    set(by, text);
    values.emplace_back(text);
  }
};

struct Positional {
  std::string name;
  std::string help;
  bool required = false;
  bool list = false;
  std::function<void(std::string_view value)> set;
  bool given = false;
};

int64_t whole_number(std::string_view name, std::string_view text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    fail(ErrorCode::kInvalidArgument, name, " ", json_quote(text.substr(0, 100)),
         ": must be a whole number in decimal digits, of at most 64 bits");
  }
  return number;
}

// Decimal digits, with or without a point or an exponent; no infinity, no NaN.
double number(std::string_view name, std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) {
    fail(ErrorCode::kInvalidArgument, name, " ", json_quote(text.substr(0, 100)),
         ": must be a number in decimal digits");
  }
  return value;
}

struct Word {
  std::string_view text;
  bool value;
};
constexpr Word kTruths[] = {{"true", true}, {"false", false}, {"1", true},   {"0", false},
                            {"on", true},   {"off", false},   {"yes", true}, {"no", false}};

bool truth(std::string_view name, std::string_view text) {
  for (const Word& word : kTruths) {
    if (word.text == text) return word.value;
  }
  fail(ErrorCode::kInvalidArgument, name, " ", json_quote(text.substr(0, 100)),
       ": must be true or false");
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Dashes with a letter behind them.
bool is_option(std::string_view word) {
  if (!word.starts_with('-')) return false;
  word.remove_prefix(word.starts_with("--") ? 2 : 1);
  return !word.empty() && is_letter(word.front());
}

std::string_view not_empty(std::string_view name, std::string_view text) {
  if (!text.empty()) return text;
  fail(ErrorCode::kInvalidArgument, name, ": the value is empty; give one, or leave it out");
}

std::string column(std::string text) {
  constexpr size_t kWidth = 30;  // the longest option with its value has 29
  text.insert(0, "  ");
  text.resize(std::max(kWidth, text.size() + 1), ' ');
  return text;
}

}  // namespace

struct Options::Impl {
  std::string command;
  std::string summary;
  std::string example;
  std::vector<Option> options;
  std::vector<Positional> positionals;
  std::string prefix;  // of the environment's variables

  void add(std::string_view name, std::string_view value, std::string_view help, Setter set);
  [[noreturn]] void refuse(const std::string& why) const;
  [[nodiscard]] Option& find(std::string_view name);
  void take(std::string_view value);
  size_t take_option(const std::vector<std::string>& arguments, size_t at);
  void take_environment();
  void check_required() const;
  [[nodiscard]] std::string help() const;
};

void Options::Impl::add(std::string_view name, std::string_view value, std::string_view help,
                        Setter set) {
  Option option;
  const size_t comma = name.find(',');
  if (comma != name.npos) {
    option.brief = name.substr(0, comma);
    name.remove_prefix(comma + 1);
  }
  option.name = name;
  option.value = value;
  option.help = help;
  option.is_flag = value.empty();
  option.set = std::move(set);
  options.push_back(std::move(option));
}

void Options::Impl::refuse(const std::string& why) const {
  fail(ErrorCode::kInvalidArgument, why, "; see ", command, " --help");
}

Option& Options::Impl::find(std::string_view name) {
  for (Option& option : options) {
    if (option.name == name || (!option.brief.empty() && option.brief == name)) return option;
  }
  refuse(cat("unknown option ", name, " (a text that begins with - goes behind --)"));
}

// A positional argument.
void Options::Impl::take(std::string_view value) {
  for (Positional& positional : positionals) {
    if (positional.given && !positional.list) continue;
    positional.given = true;
    return positional.set(value);
  }
  refuse(cat("unexpected argument ", json_quote(value.substr(0, 200))));
}

// The option at `at` with its value; returns where the next word is.
size_t Options::Impl::take_option(const std::vector<std::string>& arguments, size_t at) {
  const std::string_view word = arguments[at];
  const bool brief = !word.starts_with("--");
  const size_t equals = brief ? word.npos : word.find('=');
  const std::string_view name = word.substr(0, brief ? 2 : equals);
  Option& option = find(name);
  option.given = true;
  if (brief && word.size() > 2) {
    if (option.is_flag) refuse(cat("unknown option ", word));
    option.give(name, word.substr(2));
  } else if (equals != word.npos) {
    option.give(name, word.substr(equals + 1));
  } else if (option.is_flag) {
    option.give(name, "true");
  } else if (at + 1 < arguments.size()) {
    option.give(name, arguments[at + 1]);
    return at + 2;
  } else {
    refuse(cat(name, ": a value must follow"));
  }
  return at + 1;
}

void Options::Impl::take_environment() {
  for (Option& option : options) {
    if (option.given || option.variable.empty()) continue;
    const char* const value = std::getenv(option.variable.c_str());
    if (value != nullptr && *value != '\0') option.give(option.variable, value);
  }
}

void Options::Impl::check_required() const {
  for (const Positional& positional : positionals) {
    if (positional.required && !positional.given) refuse(cat(positional.name, " is missing"));
  }
}

std::string Options::Impl::help() const {
  std::string usage;
  std::string rows;
  for (const Positional& positional : positionals) {
    const std::string name = positional.name + (positional.list ? "..." : "");
    usage += positional.required ? " " + name : " [" + name + "]";
    rows += cat(column(name), positional.help, "\n");
  }
  std::string text = cat(summary, "\n\nusage: ", command, " [OPTIONS]", usage, "\n\n", rows,
                         rows.empty() ? "" : "\n", "Options:\n");
  for (const Option& option : options) {
    std::string name = option.brief.empty() ? option.name : cat(option.brief, ", ", option.name);
    if (!option.is_flag) name += cat(" ", option.value);
    text += cat(column(std::move(name)), option.help, "\n");
  }
  text += cat(column("-h, --help"), "this text\n", column("--version"), "what this program is\n");
  if (!prefix.empty()) {
    text += cat("\nAn option that is not given is read from its variable: ", prefix,
                "_MAX_LENGTH for --max-length.\n");
  }
  return text + cat("\nExample:\n  ", example, "\n");
}

Options::Options(std::string_view command, std::string_view summary, std::string_view example)
    : impl_(std::make_unique<Impl>()) {
  impl_->command = cat("tamis ", command);
  impl_->summary = summary;
  impl_->example = example;
}

Options::~Options() = default;

void Options::flag(std::string_view name, bool& target, std::string_view help) {
  impl_->add(name, "", help, [&target](std::string_view given, std::string_view value) {
    target = truth(given, value);
  });
}

void Options::text(std::string_view name, std::string& target, std::string_view help) {
  impl_->add(name, "TEXT", help,
             [&target](std::string_view, std::string_view value) { target = value; });
}

void Options::text(std::string_view name, std::optional<std::string>& target,
                   std::string_view help) {
  impl_->add(name, "TEXT", help,
             [&target](std::string_view, std::string_view value) { target = std::string(value); });
}

void Options::text(std::string_view name, std::vector<std::string>& target, std::string_view help) {
  impl_->add(name, "TEXT", help,
             [&target](std::string_view, std::string_view value) { target.emplace_back(value); });
}

void Options::option(std::string_view name, std::string& target, std::string_view help) {
  impl_->add(name, "TEXT", help, [&target](std::string_view given, std::string_view value) {
    target = not_empty(given, value);
  });
}

void Options::option(std::string_view name, int64_t& target, std::string_view help) {
  impl_->add(name, "N", help, [&target](std::string_view given, std::string_view value) {
    target = whole_number(given, value);
  });
}

void Options::option(std::string_view name, double& target, std::string_view help) {
  impl_->add(name, "X", help, [&target](std::string_view given, std::string_view value) {
    target = number(given, value);
  });
}

void Options::option(std::string_view name, std::optional<std::string>& target,
                     std::string_view help) {
  impl_->add(name, "TEXT", help, [&target](std::string_view given, std::string_view value) {
    target = std::string(not_empty(given, value));
  });
}

void Options::option(std::string_view name, std::optional<int64_t>& target, std::string_view help) {
  impl_->add(name, "N", help, [&target](std::string_view given, std::string_view value) {
    target = whole_number(given, value);
  });
}

void Options::option(std::string_view name, std::optional<double>& target, std::string_view help) {
  impl_->add(name, "X", help, [&target](std::string_view given, std::string_view value) {
    target = number(given, value);
  });
}

void Options::option(std::string_view name, std::vector<std::string>& target,
                     std::string_view help) {
  impl_->add(name, "TEXT", help, [&target](std::string_view given, std::string_view value) {
    target.emplace_back(not_empty(given, value));
  });
}

std::string Options::given_but(std::span<const std::string_view> left_out) const {
  std::string text;
  for (const Option& option : impl_->options) {
    if (std::ranges::find(left_out, option.name) != left_out.end()) continue;
    for (const std::string& value : option.values) {
      text += cat(option.name, " ", json_quote(value), "\n");
    }
  }
  return text;
}

void Options::read_environment(std::string_view prefix) {
  impl_->prefix = prefix;
  for (Option& option : impl_->options) {
    option.variable = cat(prefix, "_", option.name.substr(2));
    for (char& c : option.variable) {
      if (c == '-') c = '_';
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
  }
}

void Options::positional(std::string_view name, std::string& target, bool required,
                         std::string_view help) {
  impl_->positionals.push_back({std::string(name), std::string(help), required, false,
                                [&target](std::string_view value) { target = value; }});
}

void Options::positional(std::string_view name, std::vector<std::string>& target, bool required,
                         std::string_view help) {
  impl_->positionals.push_back({std::string(name), std::string(help), required, true,
                                [&target](std::string_view value) { target.emplace_back(value); }});
}

bool Options::parse(const std::vector<std::string>& arguments) {
  bool only_positional = false;
  for (size_t at = 0; at < arguments.size();) {
    const std::string& word = arguments[at];
    if (!only_positional && (word == "--help" || word == "-h")) {
      std::fputs(impl_->help().c_str(), stdout);
      return false;
    }
    if (!only_positional && word == "--version") throw VersionAsked();
    if (!only_positional && word == "--") {
      only_positional = true;
      ++at;
    } else if (!only_positional && is_option(word)) {
      at = impl_->take_option(arguments, at);
    } else {
      impl_->take(word);
      ++at;
    }
  }
  impl_->take_environment();
  impl_->check_required();
  return true;
}

}  // namespace tamis::cli
