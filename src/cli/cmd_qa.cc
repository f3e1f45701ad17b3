#include "base/error.h"
#include "cli/command.h"

namespace tamis::cli {

int cmd_qa(const std::vector<std::string>& arguments) {
  Options options("qa", "The span of a context that answers a question, as JSON lines.",
                  "tamis qa my-model --question \"Who?\" --context \"Ada wrote it.\"");
  ModelFlags flags;
  std::optional<std::string> question;
  std::optional<std::string> context;
  tasks::QaOptions qa;
  bool no_align = false;
  flags.add_to(options);
  options.text("--question", question, "the question");
  options.text("--context", context, "the text that holds the answer");
  options.option("--top-k", qa.top_k, "so many answers, under \"answers\"");
  options.option("--max-answer-len", qa.max_answer_len, "longest answer in tokens");
  options.option("--max-seq-len", qa.max_seq_len, "longest window in tokens (default 384)");
  options.option("--doc-stride", qa.doc_stride, "tokens that windows share (default 128)");
  options.option("--max-question-len", qa.max_question_len, "longest question in tokens");
  options.flag("--handle-impossible-answer", qa.handle_impossible_answer,
               "an empty answer where none is likely");
  options.flag("--no-align-to-words", no_align, "answers may begin and end within words");
  if (!options.parse(arguments)) return 0;

  qa.align_to_words = !no_align;
  if (question.has_value() != context.has_value() ||
      question.has_value() == flags.input.has_value()) {
    fail(ErrorCode::kInvalidArgument,
         "give --question and --context, or --input with rows of question and context");
  }
  if (question) {
    return run_task_to_json(flags, InputReader(tasks::TaskInput{*question, *context}), qa);
  }
  const auto make = [](const TextRow& row, std::string_view place) {
    if (!row.question) {
      fail(ErrorCode::kInvalidArgument, place, ": needs question and context");
    }
    return tasks::TaskInput{*row.question, row.context.value_or("")};
  };
  return run_task_to_json(flags, InputReader(flags.input, {}, make), qa);
}

}  // namespace tamis::cli
