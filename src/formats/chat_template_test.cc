// Templates against what Jinja makes of them, and what is refused.
#include "formats/chat_template.h"

#include <gtest/gtest.h>

#include "formats/test_util.h"

namespace tamis {
namespace {

// Slots in angle brackets, with what stands for them where there is no message.
std::string flat(std::string_view jinja, bool generates = false) {
  std::string text;
  for (const TextPart& part : parse_pair_template(jinja, "t.jinja", generates)) {
    text += part.slot.empty() ? part.text : cat("<", part.slot, "=", part.text, ">");
  }
  return text;
}

std::string chain(std::string_view role, std::string_view more = "") {
  return cat("messages | selectattr(\"role\", \"eq\", \"", role,
             "\") | map(attribute=\"content\") | first", more);
}

std::string pair() { return cat("{{ ", chain("query"), " }}|{{", chain("document"), "}}"); }

// The form of Qwen3-Reranker's: Jinja drops the lines of statements and the last end of line.
TEST(ChatTemplate, NamedMessages) {
  EXPECT_EQ(flat(cat("{%- set i = ", chain("system", " | default(\"Given \\\"it\\\"\")"), " -%}\n",
                     "{%- set q = ", chain("query"), " -%}\n\n{%- set d = ", chain("document"),
                     " -%}\n<|im_start|>system\nJudge.<|im_end|>\n<Instruct>: {{ i }}\n<Query>: "
                     "{{ q }}\n<Document>: {{d}}<|im_end|>\n<think>\n\n</think>\n\n\n")),
            "<|im_start|>system\nJudge.<|im_end|>\n<Instruct>: <system=Given \"it\">\n<Query>: "
            "<query=>\n<Document>: <document=><|im_end|>\n<think>\n\n</think>\n\n");
}

TEST(ChatTemplate, SpacesAsJinjaWithTrimmedBlocks) {
  const std::string body = "<query=>|<document=>";
  EXPECT_EQ(flat(pair()), body);
  // A statement or comment takes its line with it, an output does not.
  EXPECT_EQ(flat(cat("a\n  {# note #}\nb\n", pair())), "a\nb\n" + body);
  EXPECT_EQ(flat(cat("a {# note #} b", pair())), "a  b" + body);
  EXPECT_EQ(flat(cat("  {{ \"x\\n\" }}\n", pair())), "  x\n\n" + body);
  EXPECT_EQ(flat(cat("a \n {{- \"x\" -}} \n b", pair())), "axb" + body);
  EXPECT_EQ(flat(cat("a\xc2\xa0\xe3\x80\x80{{- \"x\" -}}\x1f\xe2\x80\x83 b", pair())),
            "axb" + body);
  EXPECT_EQ(flat(cat("a\r\nb\r", pair())), "a\nb\n" + body);
  EXPECT_EQ(flat(cat("{ % { ", pair(), "\n\n")), "{ % { " + body + "\n");
  EXPECT_EQ(flat(cat(pair(), "{{ '}}' }}")), body + "}}");
}

TEST(ChatTemplate, TheGenerationsPromptWhereItIsAskedFor) {
  const std::string text = cat(pair(), "{% if add_generation_prompt %}\nyes?{% endif %}.");
  EXPECT_EQ(flat(text), "<query=>|<document=>.");
  EXPECT_EQ(flat(text, true), "<query=>|<document=>yes?.");
}

TEST(ChatTemplate, WhatNeedsJinjaIsRefused) {
  const auto refused = [](const std::string& text, std::string_view message) {
    expect_error(ErrorCode::kUnsupported, message, [&text] { (void)flat(text); });
  };
  refused("a\n{% for message in messages %}{% endfor %}",
          "t.jinja: line 2: {% for message in messages %} is not built: templates are matched");
  refused(cat(pair(), "{{ bos_token }}"), "{{ bos_token }} is not built");
  refused(cat(pair(), "{%+ set a = 1 %}"), "a tag that keeps its spaces by +");
  refused(cat(pair(), "{{ \"\\x41\" }}"), "is not built");
  refused(cat(pair(), "{% if add_generation_prompt %}"), "an {% if %} without an end");
  refused(cat(pair(), "{{ "), "a tag without an end");
  refused(cat(pair(), "{{ ", chain("user"), " }}"), "the role \"user\"");
  refused(cat("{{ ", chain("query"), " }}"), "no place for the message of role \"document\"");
  refused(cat(pair(), "{{ ", chain("query", " | upper"), " }}"), "is not built");
  refused("", "no place for the message of role \"query\"");
}

}  // namespace
}  // namespace tamis
