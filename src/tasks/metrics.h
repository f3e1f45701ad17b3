// How right the answers are: labels, entities and answers against the truth.
//
// Is: pure functions with the values of scikit-learn, seqeval and SQuAD's scripts. Is not: reading
// of data, nor the agreement of two models (math/agreement.h). May use: tokenizer.
//
// Thread-safe. Fractions, not percent.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::tasks {

/// The share of equal labels; NaN for none. Throws kInvalidArgument for different sizes.
[[nodiscard]] double accuracy(std::span<const int64_t> truth, std::span<const int64_t> predicted);

/// The unweighted mean of each label's F1 over all labels that occur on either side, 0 where a
/// label has no true positive; NaN for none. Throws kInvalidArgument for different sizes.
[[nodiscard]] double macro_f1(std::span<const int64_t> truth, std::span<const int64_t> predicted);

/// An entity of a tag sequence: tags [begin, end).
struct TagSpan {
  std::string type;
  size_t begin = 0;
  size_t end = 0;
  friend bool operator==(const TagSpan&, const TagSpan&) = default;
};

/// Entities of IOB2 tags ("B-PER", "I-PER", "O"), read as conlleval and seqeval by default do: an
/// "I-" that follows no tag of its type begins an entity too. A tag without "B-" or "I-" is its own
/// type.
[[nodiscard]] std::vector<TagSpan> entities_of_tags(std::span<const std::string> tags);

/// Counts that add up over texts.
struct EntityCounts {
  int64_t correct = 0;
  int64_t predicted = 0;
  int64_t truth = 0;

  EntityCounts& operator+=(const EntityCounts& other);
  /// 0 where nothing is predicted, or nothing true.
  [[nodiscard]] double precision() const;
  [[nodiscard]] double recall() const;
  [[nodiscard]] double f1() const;
};

/// Entities of one text that agree in type and place. Throws kInvalidArgument for different sizes.
[[nodiscard]] EntityCounts count_entities(std::span<const std::string> truth,
                                          std::span<const std::string> predicted);

/// SQuAD's form of an answer: lower case, without ASCII punctuation, articles and spare spaces.
[[nodiscard]] std::string normalize_answer(std::string_view answer);

struct AnswerScore {
  double exact = 0;
  double f1 = 0;  ///< of the words
};

/// The best score over the true answers, as SQuAD 2's script: no true answer, or none that has a
/// word, asks for an answer without words. On SQuAD 1 data this is its own script's value.
[[nodiscard]] AnswerScore score_answer(std::string_view predicted,
                                       std::span<const std::string> truths);

}  // namespace tamis::tasks
