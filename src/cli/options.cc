#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/error.h"

namespace tamis::cli {

struct Options::Impl {
  CLI::App app;
};

Options::Options(std::string_view command, std::string_view summary, std::string_view example)
    : impl_(std::make_unique<Impl>()) {
  impl_->app.description(std::string(summary));
  impl_->app.name("tamis " + std::string(command));
  impl_->app.footer("Example:\n  " + std::string(example));
  impl_->app.allow_windows_style_options(false);
}

Options::~Options() = default;

void Options::flag(std::string_view name, bool& target, std::string_view help) {
  impl_->app.add_flag(std::string(name), target, std::string(help));
}

void Options::option(std::string_view name, std::string& target, std::string_view help) {
  impl_->app.add_option(std::string(name), target, std::string(help))->take_last();
}

void Options::option(std::string_view name, int64_t& target, std::string_view help) {
  impl_->app.add_option(std::string(name), target, std::string(help))->take_last();
}

void Options::option(std::string_view name, std::optional<std::string>& target,
                     std::string_view help) {
  impl_->app.add_option(std::string(name), target, std::string(help))->take_last();
}

void Options::option(std::string_view name, std::optional<int64_t>& target, std::string_view help) {
  impl_->app.add_option(std::string(name), target, std::string(help))->take_last();
}

void Options::option(std::string_view name, std::vector<std::string>& target,
                     std::string_view help) {
  impl_->app.add_option(std::string(name), target, std::string(help))->allow_extra_args(false);
}

void Options::read_environment(std::string_view prefix) {
  for (CLI::Option* option : impl_->app.get_options()) {
    if (option->get_lnames().empty()) continue;
    std::string name = cat(prefix, "_", option->get_lnames().front());
    for (char& c : name) {
      if (c == '-') c = '_';
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    if (name != cat(prefix, "_HELP")) option->envname(name);
  }
}

void Options::positional(std::string_view name, std::string& target, bool required,
                         std::string_view help) {
  impl_->app.add_option(std::string(name), target, std::string(help))->required(required);
}

void Options::positional(std::string_view name, std::vector<std::string>& target, bool required,
                         std::string_view help) {
  impl_->app.add_option(std::string(name), target, std::string(help))->required(required);
}

bool Options::parse(const std::vector<std::string>& arguments) {
  // CLI11 takes them last first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    impl_->app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    std::fputs(impl_->app.help().c_str(), stdout);
    return false;
  } catch (const CLI::ParseError& error) {
    fail(ErrorCode::kInvalidArgument, std::string_view(error.what()), "; see ",
         impl_->app.get_name(), " --help");
  }
  return true;
}

}  // namespace tamis::cli
