#include "formats/setfit/setfit_head.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "formats/sentence_transformers.h"
#include "formats/setfit/joblib.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

const std::filesystem::path kRoot = TAMIS_TESTDATA "/setfit";

std::string bytes_of(const std::string& name) {
  return read_file(kRoot / "heads" / (name + ".pkl"));
}

SetFitHead parse(const std::string& bytes, const std::vector<std::string>& labels = {}) {
  return parse_setfit_head(bytes, "model_head.pkl", labels);
}

void expect_refused(const std::string& bytes, ErrorCode code, std::string_view message) {
  expect_error(code, message, [&] { (void)parse(bytes); });
}

// `bytes` with `other`, of the same length, in place of the last `part`.
std::string with(std::string bytes, std::string_view part, std::string_view other) {
  EXPECT_EQ(part.size(), other.size());
  const size_t at = bytes.rfind(part);
  EXPECT_NE(at, std::string::npos);
  return at == std::string::npos ? bytes : bytes.replace(at, part.size(), other);
}

TEST(SetFitHead, ReadsTwoClassesAsTwoRows) {
  const SetFitHead head = parse(bytes_of("two"));
  EXPECT_EQ(head.labels, (std::vector<std::string>{"0", "1"}));
  ASSERT_EQ(head.weight->shape(), Shape({2, 3}));
  ASSERT_EQ(head.bias->shape(), Shape({2}));
  const auto rows = head.weight->as<float>();
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(rows[i], -rows[3 + i]);
  EXPECT_EQ(head.bias->as<float>()[0], -head.bias->as<float>()[1]);
  // scikit-learn before 1.8 takes -d and d where multi_class is multinomial.
  const SetFitHead other = parse(bytes_of("two-multinomial"));
  EXPECT_EQ(other.weight->as<float>()[4], 2 * rows[4]);
  EXPECT_EQ(parse(bytes_of("two-ovr")).weight->as<float>()[4], rows[4]);
}

TEST(SetFitHead, ReadsSeveralClassesWhateverTheOrderOfTheArray) {
  const SetFitHead head = parse(bytes_of("three-auto"), {"x", "y", "z"});
  EXPECT_EQ(head.labels, (std::vector<std::string>{"x", "y", "z"}));
  ASSERT_EQ(head.weight->shape(), Shape({3, 3}));
  // Softmax does not see what all rows share, so that lbfgs leaves it at zero: each column sums to
  // 0.
  for (size_t i = 0; i < 3; ++i) {
    const auto w = head.weight->as<float>();
    EXPECT_NEAR(w[i] + w[3 + i] + w[6 + i], 0, 1e-5);
    EXPECT_GT(std::abs(w[i]) + std::abs(w[3 + i]), 1e-3);
  }
}

TEST(SetFitHead, ReadsAFolder) {
  const auto multi = read_setfit_head(kRoot / "multi");
  ASSERT_TRUE(multi);
  EXPECT_TRUE(multi->normalize);
  EXPECT_EQ(multi->labels, (std::vector<std::string>{"a", "c", "größer"}));
  const auto binary = read_setfit_head(kRoot / "binary");
  EXPECT_FALSE(binary->normalize);
  EXPECT_EQ(binary->labels, (std::vector<std::string>{"negative", "positive"}));
  EXPECT_FALSE(read_setfit_head(kRoot / "heads"));
}

TEST(SetFitHead, RefusesOtherHeadsByName) {
  expect_refused(bytes_of("one-vs-rest"), ErrorCode::kUnsupported,
                 "pickle names \"sklearn.multiclass.OneVsRestClassifier\"; only scikit-learn's "
                 "LogisticRegression");
  expect_refused(bytes_of("multi-output"), ErrorCode::kUnsupported,
                 "sklearn.multioutput.MultiOutputClassifier");
  expect_refused(bytes_of("torch"), ErrorCode::kUnsupported, "setfit.modeling.SetFitHead");
  expect_refused(bytes_of("compressed"), ErrorCode::kUnsupported, "or compressed; accepted is");
  expect_refused(bytes_of("objects"), ErrorCode::kUnsupported, "has dtype \"|O8\"");
  expect_refused(bytes_of("not-fitted"), ErrorCode::kCorruptData,
                 "LogisticRegression has no array \"coef_\"; accepted is a head that was fitted");
  for (const char* name : {"three-ovr", "three-liblinear"}) {
    expect_refused(bytes_of(name), ErrorCode::kUnsupported, "each against the rest");
  }
  expect_refused("", ErrorCode::kCorruptData, "ends in the middle of a value");
  expect_refused("\x80\x04N.", ErrorCode::kUnsupported, "holds no LogisticRegression");
}

TEST(SetFitHead, RunsNothing) {
  expect_refused("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", ErrorCode::kUnsupported,
                 "pickle names \"os.system\"");
}

TEST(SetFitHead, RefusesArraysThatDoNotFit) {
  const std::string two = bytes_of("two");
  expect_refused(with(two, "coef_", "coeff"), ErrorCode::kCorruptData, "no array \"coef_\"");
  expect_refused(with(bytes_of("two-ovr"), "\x8c\x03ovr", "\x8c\x03rvo"), ErrorCode::kUnsupported,
                 "multi_class is \"rvo\"");
  // The shape (1, 3) of coef_, then an array of more bytes than the file has.
  expect_refused(with(two, "K\x01K\x03\x86", "K\x03K\x01\x86"), ErrorCode::kCorruptData,
                 "has coef_ of [3, 1]");
  expect_refused(with(two, "K\x01K\x03\x86", "K\x01K\xff\x86"), ErrorCode::kCorruptData,
                 "ends in the middle of a value");
  expect_error(ErrorCode::kCorruptData, "has the class 1, but config_setfit.json names 1 labels",
               [&] { (void)parse(two, {"one"}); });
  for (size_t size = 1; size < two.size(); ++size) {
    EXPECT_THROW((void)parse(two.substr(0, size)), Error) << size;
  }
}

class SetFitFolder : public testing::Test {
 protected:
  SetFitFolder() {
    std::filesystem::copy(kRoot / "binary", folder_.path(),
                          std::filesystem::copy_options::recursive);
  }
  void expect(ErrorCode code, std::string_view message) const {
    expect_error(code, message, [this] { (void)read_sentence_transformer(folder_.path()); });
  }

  TempFolder folder_;
};

TEST_F(SetFitFolder, RefusesWhatIsNotBuiltByName) {
  EXPECT_TRUE(read_sentence_transformer(folder_.path()).setfit);
  folder_.write("config_setfit.json", R"({"labels":null,"span_context":3})");
  expect(ErrorCode::kUnsupported, "span_context");
  folder_.write("config_setfit.json", R"({"labels":["a",1]})");
  expect(ErrorCode::kCorruptData, "labels");
  folder_.write("config_setfit.json", "{}");
  folder_.write("config_sentence_transformers.json", R"({"truncate_dim":3})");
  expect(ErrorCode::kUnsupported, "truncate_dim");
  std::filesystem::remove(folder_.path() / "modules.json");
  expect(ErrorCode::kUnsupported, "model_head.pkl: a SetFit head without modules.json");
}

}  // namespace
}  // namespace tamis
