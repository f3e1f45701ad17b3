// The step that the backend's modes share, over requests of the double: whose mistake an error is.
#include "integrations/triton/runner.h"

#include <gtest/gtest.h>

#include "tests/triton/triton_double.h"

namespace tamis::triton_test {
namespace {

using triton::Exchange;
using IntPart = triton::Part<int, int>;

/// Requests of so many inputs each.
class Parts {
 public:
  explicit Parts(const std::vector<size_t>& sizes) : requests_(sizes.size()) {
    exchanges_.reserve(sizes.size());
    for (size_t i = 0; i < sizes.size(); ++i) {
      exchanges_.emplace_back(&requests_[i]);
      parts.push_back({exchanges_.back(), std::vector<int>(sizes[i], static_cast<int>(i))});
    }
  }
  /// What each request is answered; "" for no error.
  [[nodiscard]] std::vector<std::string> errors() {
    std::vector<std::string> all;
    for (size_t i = 0; i < exchanges_.size(); ++i) {
      exchanges_[i].send();
      all.push_back(requests_[i].answer.error);
    }
    return all;
  }

  std::vector<IntPart> parts;

 private:
  std::vector<TRITONBACKEND_Request> requests_;
  std::vector<Exchange> exchanges_;
};

using Errors = std::vector<std::string>;

Error bad() { return {ErrorCode::kInvalidArgument, "bad"}; }

TEST(TritonRunner, AnErrorIsThatOfTheRequestWithTheInput) {
  Parts requests({2, 0, 3, 1});
  int runs = 0;
  triton::run_together(requests.parts, [&runs](const std::vector<int>& all) {
    // The last of the third request, then the only one of the fourth.
    if (++runs == 1) throw InputError(4, all.size(), bad());
    if (runs == 2) throw InputError(2, all.size(), bad());
    return all;
  });
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(requests.parts[0].results, (std::vector<int>{0, 0}));
  EXPECT_EQ(requests.errors(), (Errors{"", "", "input 2, counted from 0: bad", "bad"}));
}

TEST(TritonRunner, AnErrorOfNoInputIsEveryRequests) {
  Parts requests({2, 1});
  triton::run_together(requests.parts, [](const std::vector<int>& all) -> std::vector<int> {
    throw InputError(7, all.size(), bad());
  });
  EXPECT_EQ(requests.errors(),
            (Errors{"input 7, counted from 0: bad", "input 7, counted from 0: bad"}));
}

TEST(TritonRunner, ResultsAreAsManyAsInputs) {
  Parts requests({2, 1});
  triton::run_together(requests.parts, [](const std::vector<int>&) { return std::vector<int>(2); });
  for (const std::string& error : requests.errors()) {
    EXPECT_NE(error.find("results.size() == all.size()"), std::string::npos) << error;
  }
}

TEST(TritonRunner, AnErrorOfTheModelIsEveryRequests) {
  Parts requests({1, 0, 1});
  triton::run_together(requests.parts, [](const std::vector<int>&) -> std::vector<int> {
    throw Error(ErrorCode::kUnsupported, "cannot");
  });
  EXPECT_EQ(requests.errors(), (Errors{"cannot", "cannot", "cannot"}));
}

}  // namespace
}  // namespace tamis::triton_test
