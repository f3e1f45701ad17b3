// How right the answers are: labels, entities and answers against the truth.
//
// Is: pure functions with the values of scikit-learn, seqeval and SQuAD's scripts. Is not: reading
// of data, nor the agreement of two models (math/agreement.h). May use: tokenizer.
//
// Thread-safe. Fractions, not percent.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
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

/// What a tag says: its type, and whether an entity begins or ends with it by itself.
struct Tag {
  std::string_view type;
  bool begins = false;
  bool ends = false;
};

/// How tags say where entities are: by "B-" and "I-"; and, of types that have one of these among
/// the tags that the scheme is made of, by "E-" or "L-" for the last of several and "S-" or "U-"
/// for one alone (IOBES, BILOU). A tag of another form is its own type. Const access is
/// thread-safe.
class TagScheme {
 public:
  TagScheme() = default;
  explicit TagScheme(std::span<const std::string> tags);
  /// Nothing for "O". Borrows `tag`.
  [[nodiscard]] std::optional<Tag> read(std::string_view tag) const;
  /// "PER" of "B-PER".
  [[nodiscard]] std::string_view type_of(std::string_view tag) const;

 private:
  std::set<std::string, std::less<>> types_;
};

/// Entities of tags, read as conlleval and seqeval by default do: an "I-" that follows no tag of
/// its type begins an entity too.
[[nodiscard]] std::vector<TagSpan> entities_of_tags(std::span<const std::string> tags,
                                                    const TagScheme& scheme = {});

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
                                          std::span<const std::string> predicted,
                                          const TagScheme& scheme = {});

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
