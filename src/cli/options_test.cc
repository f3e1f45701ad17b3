#include "cli/options.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"

namespace tamis::cli {
namespace {

/// A command with one argument of every kind.
struct Given {
  std::string model;
  std::vector<std::string> texts;
  std::optional<std::string> prompt;
  std::string output = "-";
  std::optional<int64_t> top_k;
  int64_t length = 0;
  double seconds = 1;
  std::vector<std::string> labels;
  bool quiet = false;
  bool run = true;

  explicit Given(const std::vector<std::string>& arguments, std::string_view environment = "") {
    Options options("try", "Tries.", "tamis try MODEL");
    options.positional("MODEL", model, true, "a model");
    options.positional("TEXT", texts, false, "texts");
    options.text("--prompt", prompt, "a prompt");
    options.option("-o,--output", output, "where to");
    options.option("--top-k", top_k, "how many");
    options.option("--length", length, "how long");
    options.option("--seconds", seconds, "for how long");
    options.text("--label", labels, "a label");
    options.flag("--quiet", quiet, "no words");
    if (!environment.empty()) options.read_environment(environment);
    run = options.parse(arguments);
  }
};

using Texts = std::vector<std::string>;

// Whatever a text looks like, it arrives byte for byte.
const char* const kTexts[] = {"[MASK]",     "[Ada, London]",
                              "[]",         "{}",
                              "{\"a\":1}",  "%%",
                              "a,b",        "@file",
                              "\"quoted\"", "'quoted'",
                              "`quoted`",   "$HOME",
                              "~",          "*",
                              "a\\nb",      "",
                              " ",          "-",
                              "-5",         "-0.5e3",
                              "- a list",   "--- a rule",
                              "-- a dash",  "/windows",
                              "a=b",        "=",
                              "#",          "\n",
                              "\t",         "B\"(\\x41)\"",
                              "a:b|c;d",    "[[MASK]]",
                              "[a",         "a]",
                              "\xff\xfe"};

TEST(Options, TextsAreTakenAsTheyAre) {
  for (const std::string text : kTexts) {
    SCOPED_TRACE(testing::PrintToString(text));
    EXPECT_EQ(Given({"m", text}).texts, Texts{text});
    EXPECT_EQ(Given({"m", "a", text, "b"}).texts, (Texts{"a", text, "b"}));
    EXPECT_EQ(Given({text, "a"}).model, text);
    EXPECT_EQ(Given({"m", "--prompt", text}).prompt, text);
    EXPECT_EQ(Given({"m", "--prompt=" + text}).prompt, text);
    EXPECT_EQ(Given({"m", "--label", text, "--label=" + text}).labels, (Texts{text, text}));
    EXPECT_EQ(Given({"m", "--", text}).texts, Texts{text});
    if (text.empty()) continue;
    EXPECT_EQ(Given({"m", "--output=" + text}).output, text);
    EXPECT_EQ(Given({"m", "-o", text}).output, text);
  }
}

TEST(Options, AnEmptyValueTakesNothingBehindIt) {
  const Given given({"m", "--prompt=", "--quiet", "--label=", "x"});
  EXPECT_EQ(given.prompt, "");
  EXPECT_TRUE(given.quiet);
  EXPECT_EQ(given.labels, Texts{""});
  EXPECT_EQ(given.texts, Texts{"x"});
  EXPECT_FALSE(Given({"m"}).prompt.has_value());
}

TEST(Options, TheWordBehindAnOptionIsItsValue) {
  EXPECT_EQ(Given({"m", "--prompt", "--quiet"}).prompt, "--quiet");
  EXPECT_EQ(Given({"m", "--prompt", "--"}).prompt, "--");
  EXPECT_EQ(Given({"m", "--prompt", "--help"}).prompt, "--help");
  EXPECT_EQ(Given({"m", "--label", "--version"}).labels, Texts{"--version"});
  EXPECT_EQ(Given({"m", "--length", "-7"}).length, -7);
  EXPECT_EQ(Given({"m", "--length=-7"}).length, -7);
  EXPECT_EQ(Given({"m", "-ofolder"}).output, "folder");
  EXPECT_EQ(Given({"m", "-o=x"}).output, "=x");
  EXPECT_EQ(Given({"--label", "a", "m", "b"}).texts, Texts{"b"});
}

TEST(Options, BehindTwoDashesAllIsPositional) {
  const Given given({"--", "--model", "--quiet", "--", "--help", "--version", "-h"});
  EXPECT_EQ(given.model, "--model");
  EXPECT_EQ(given.texts, (Texts{"--quiet", "--", "--help", "--version", "-h"}));
  EXPECT_FALSE(given.quiet);
}

TEST(Options, NumbersAreDecimal) {
  EXPECT_EQ(Given({"m", "--top-k", "010"}).top_k, 10);
  EXPECT_EQ(Given({"m", "--length", "-9223372036854775808"}).length, INT64_MIN);
  for (const std::string bad : {"0x10", "1.5", "5 ", " 5", "", "many", "1e3", "+5", "1'000",
                                "9223372036854775808", "[5]", "true"}) {
    SCOPED_TRACE(bad);
    for (const char* name : {"--top-k", "--length"}) {
      EXPECT_THROW(Given({"m", name, bad}), Error);
      EXPECT_THROW(Given({"m", std::string(name) + "=" + bad}), Error);
    }
  }
}

TEST(Options, TheLastOfTwoCounts) {
  EXPECT_EQ(Given({"m", "--prompt", "a", "--prompt", "b"}).prompt, "b");
  EXPECT_FALSE(Given({"m", "--quiet", "--quiet=false"}).quiet);
  EXPECT_TRUE(Given({"m", "--quiet=1"}).quiet);
  EXPECT_EQ(Given({"m", "--seconds", "0.25"}).seconds, 0.25);
  EXPECT_EQ(Given({"m", "--seconds=3"}).seconds, 3);
}

TEST(Options, RefuseWhatTheyDoNotKnow) {
  const struct {
    Texts arguments;
    const char* message;
  } rows[] = {
      {{"m", "--nothing"}, "unknown option --nothing"},
      {{"m", "--nothing=3"}, "unknown option --nothing"},
      {{"m", "--quie"}, "unknown option --quie"},
      {{"m", "-x"}, "unknown option -x"},
      {{"m", "-hello"}, "goes behind --"},
      {{"m", "--prompt"}, "--prompt: a value must follow"},
      {{"m", "--quiet=maybe"}, "--quiet \"maybe\": must be true or false"},
      {{"m", "--top-k=0x10"}, "--top-k \"0x10\": must be a whole number"},
      {{"m", "--seconds=1s"}, "--seconds \"1s\": must be a number in decimal digits"},
      {{"m", "--seconds", "inf"}, "must be a number"},
      {{"m", "--seconds", "nan"}, "must be a number"},
      {{"m", "--seconds", ""}, "must be a number"},
      {{"m", "--output", ""}, "--output: the value is empty"},
      {{"m", "--output="}, "--output: the value is empty"},
      {{}, "MODEL is missing"},
      {{"--quiet"}, "MODEL is missing"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.message);
    try {
      const Given given(row.arguments);
      ADD_FAILURE() << "taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string_view(error.what()).find(row.message), std::string_view::npos)
          << error.what();
    }
  }
  EXPECT_THROW(Given({"m", "--version"}), VersionAsked);
}

TEST(Options, OneArgumentTooManyIsNamed) {
  std::string model;
  Options options("try", "Tries.", "tamis try MODEL");
  options.positional("MODEL", model, true, "a model");
  EXPECT_THROW((void)options.parse({"a", "b"}), Error);
}

TEST(Options, VariablesStandInForWhatIsNotGiven) {
  ::setenv("TRY_PROMPT", "[a, b]", 1);
  ::setenv("TRY_QUIET", "true", 1);
  ::setenv("TRY_TOP_K", "3", 1);
  ::setenv("TRY_LENGTH", "", 1);
  const Given given({"m"}, "TRY");
  EXPECT_EQ(given.prompt, "[a, b]");
  EXPECT_TRUE(given.quiet);
  EXPECT_EQ(given.top_k, 3);
  EXPECT_EQ(given.length, 0);
  EXPECT_EQ(Given({"m", "--prompt="}, "TRY").prompt, "");
  EXPECT_FALSE(Given({"m"}).prompt.has_value());
  ::setenv("TRY_TOP_K", "0x3", 1);
  EXPECT_THROW(Given({"m"}, "TRY"), Error);
  for (const char* name : {"TRY_PROMPT", "TRY_QUIET", "TRY_TOP_K", "TRY_LENGTH"}) ::unsetenv(name);
}

}  // namespace
}  // namespace tamis::cli
