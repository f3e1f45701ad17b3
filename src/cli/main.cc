// The tamis program: finds the command, runs it, turns errors into one line and an exit status.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/plain_text.h"
#include "base/version.h"
#include "cli/command.h"
#include "model/manifest.h"

namespace tamis::cli {

#define X(name, function, summary) int function(const std::vector<std::string>& arguments);
#include "cli/commands.inc"
#undef X

namespace {

constexpr Command kCommands[] = {
#define X(name, function, summary) {name, summary, function},
#include "cli/commands.inc"
#undef X
};

void print_help() {
  std::string text =
      "usage: tamis COMMAND [ARGUMENTS]\n\n"
      "Takes a Hugging Face encoder and gives back a fast, servable model.\n\n";
  for (const Command& command : kCommands) {
    text +=
        cat("  ", command.name, std::string(12 - command.name.size(), ' '), command.summary, "\n");
  }
  text +=
      "\n`tamis COMMAND --help` tells a command's arguments. Example:\n"
      "  tamis embed build/models/minilm \"A text.\" \"Another one.\"\n";
  std::fputs(text.c_str(), stdout);
}

void print_version() {
  std::string isas;
  for (const Isa isa : all_isas()) {
    if (detected_isas().has(isa)) isas += cat(" ", isa_name(isa));
  }
  std::printf("tamis %s (commit %s), bundle format %d, kernel sets here:%s\n",
              std::string(version()).c_str(), std::string(commit()).c_str(),
              static_cast<int>(api::kBundleVersion), isas.c_str());
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" ||
      arguments[0] == "help") {
    print_help();
    return arguments.empty() ? exit_status(ErrorCode::kInvalidArgument) : 0;
  }
  if (arguments[0] == "--version") throw VersionAsked();
  for (const Command& command : kCommands) {
    if (command.name == arguments[0]) {
      return command.run({arguments.begin() + 1, arguments.end()});
    }
  }
  std::string known;
  for (const Command& command : kCommands) known += cat(known.empty() ? "" : ", ", command.name);
  fail(ErrorCode::kInvalidArgument, "unknown command \"", arguments[0], "\"; known are ", known);
}

// A stream that the caller closed must not become the first file that is opened. Standard output is
// made one that refuses every byte, so that a lost result is an error.
void occupy_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    if (::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY) != stream) return;
  }
}

// A result that did not reach standard output is no success.
int checked(int status) {
  if (std::fflush(stdout) != 0) {
    fail(ErrorCode::kUnavailable, "standard output: cannot be written: ", errno_text());
  }
  if (std::ferror(stdout) != 0) {
    fail(ErrorCode::kUnavailable, "standard output: cannot be written");
  }
  return status;
}

int report(ErrorCode code, const char* message) {
  std::fprintf(stderr, "tamis: %s\n", plain_text(message).c_str());
  return exit_status(code);
}

}  // namespace
}  // namespace tamis::cli

int main(int argc, char** argv) {
  using namespace tamis;
  cli::occupy_standard_streams();
  set_log_sink([](LogLevel, std::string_view message) {
    std::fprintf(stderr, "tamis: %s\n", plain_text(message).c_str());
  });
  try {
    try {
      return cli::checked(cli::run({argv + 1, argv + argc}));
    } catch (const cli::VersionAsked&) {
      cli::print_version();
      return cli::checked(0);
    }
  } catch (const Error& error) {
    return cli::report(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return cli::report(ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    return cli::report(ErrorCode::kInternal, error.what());
  }
}
