// selftest.json: texts and the answers a bundle gave when it was made.
//
// Is: what tells a broken bundle, CPU or build before it answers a user. Is not: accuracy. May use:
// loaded_model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::api {

class LoadedModel;

struct SelfTestCase {
  std::string text;
  std::vector<int32_t> input_ids;
  std::vector<float> output;  ///< the first row of the task's output
};

struct SelfTest {
  std::vector<SelfTestCase> cases;
  double tolerance = 0;  ///< largest difference accepted, absolute
};

/// Runs the built-in texts on the model.
[[nodiscard]] SelfTest make_self_test(const LoadedModel& model);

/// The largest difference of any number of two runs of the same texts.
[[nodiscard]] double largest_difference(const SelfTest& a, const SelfTest& b);

[[nodiscard]] std::string write_self_test(const SelfTest& test);
/// Throws Error{kCorruptData} naming `source`.
[[nodiscard]] SelfTest parse_self_test(std::string_view json, std::string_view source);

/// Runs the recorded token ids and compares. Throws Error{kCorruptData} naming the text and the
/// difference.
void check_self_test(const SelfTest& test, const LoadedModel& model);

}  // namespace tamis::api
