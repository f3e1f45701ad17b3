// Vectors in other types than float32, and runs that go on where a killed one stopped.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/npy.h"
#include "math/vector_types.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

namespace fs = std::filesystem;

const std::string kEmbedder = testdata("models/bert-base");
constexpr int64_t kWidth = 32;

std::string good(const std::vector<std::string>& arguments) {
  const Outcome outcome = tamis(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return outcome.out;
}

void refuse(const std::vector<std::string>& arguments, int status, std::string_view part) {
  const Outcome outcome = tamis(arguments);
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

std::string texts_file(const TempFolder& folder, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += cat("Text number ", i, " of a few.\n");
  return folder.write("texts.txt", text);
}

Tensor embed_to(const TempFolder& folder, std::string_view name,
                std::vector<std::string> arguments) {
  const std::string path = folder / name;
  arguments.insert(arguments.begin(), {"embed", kEmbedder, "--output", path});
  good(arguments);
  return read_npy(path);
}

TEST(CliVectors, OfEightBitsSpanTheRangesGiven) {
  const TempFolder folder;
  const std::string texts = texts_file(folder, 9);
  const Tensor floats = embed_to(folder, "f.npy", {"--input", texts});
  const std::span<const float> rows = floats.as<float>();
  const math::VectorRange range = math::range_of(rows, kWidth);
  const Tensor bytes = embed_to(
      folder, "i.npy", {"--input", texts, "--dtype", "int8", "--ranges", folder / "f.npy"});
  const Tensor unsigned_bytes = embed_to(
      folder, "u.npy", {"--input", texts, "--dtype", "uint8", "--ranges", folder / "f.npy"});
  ASSERT_EQ(bytes.dtype(), DType::kI8);
  ASSERT_EQ(unsigned_bytes.dtype(), DType::kU8);
  ASSERT_EQ(bytes.shape(), Shape({9, kWidth}));
  for (size_t i = 0; i < 9; ++i) {
    const auto row = rows.subspan(i * kWidth, kWidth);
    const auto wanted = math::quantize_vector(row, math::VectorType::kInt8, range);
    for (size_t j = 0; j < kWidth; ++j) {
      EXPECT_EQ(bytes.as<int8_t>()[i * kWidth + j], wanted[j]);
      EXPECT_EQ(unsigned_bytes.as<uint8_t>()[i * kWidth + j], wanted[j] + 128);
    }
  }
}

TEST(CliVectors, OfEightBitsSpanBuiltInTextsOtherwise) {
  const std::string line = good({"embed", kEmbedder, "A fine film.", "--dtype", "int8"});
  const JsonDocument document = JsonDocument::parse(line, "line");
  const JsonView numbers = document.root().get("embedding");
  ASSERT_EQ(numbers.size(), kWidth);
  int64_t least = 127;
  int64_t most = -128;
  for (size_t i = 0; i < numbers.size(); ++i) {
    least = std::min(least, numbers.at(i).as_int("number"));
    most = std::max(most, numbers.at(i).as_int("number"));
  }
  EXPECT_GE(least, -128);
  EXPECT_LE(most, 127);
  EXPECT_GT(most - least, 32);  // no constant
}

TEST(CliVectors, AreSignsEightToANumber) {
  const TempFolder folder;
  const std::string texts = texts_file(folder, 3);
  const Tensor floats = embed_to(folder, "f.npy", {"--input", texts, "--dimensions", "20"});
  const Tensor bits =
      embed_to(folder, "b.npy", {"--input", texts, "--dimensions", "20", "--dtype", "ubinary"});
  ASSERT_EQ(bits.shape(), Shape({3, 3}));
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 20; ++j) {
      const bool above = floats.as<float>()[i * 20 + j] > 0;
      EXPECT_EQ((bits.as<uint8_t>()[i * 3 + j / 8] >> (7 - j % 8)) & 1, above ? 1 : 0);
    }
  }
  const Tensor moved =
      embed_to(folder, "s.npy", {"--input", texts, "--dimensions", "20", "--dtype", "binary"});
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(moved.as<int8_t>()[i], bits.as<uint8_t>()[i] - 128);
  }
}

TEST(CliVectors, TypesAndRangesThatDoNotFitAreRefused) {
  const TempFolder folder;
  const std::string narrow = folder.write("narrow.npy", npy_header({1, 2}) + std::string(8, '\0'));
  refuse({"embed", kEmbedder, "a", "--dtype", "int4"}, 2, "known are float32, int8");
  refuse({"embed", kEmbedder, "a", "--ranges", narrow}, 2, "--ranges is for --dtype int8");
  refuse({"embed", kEmbedder, "a", "--dtype", "int8", "--ranges", narrow}, 2,
         "it must be rows of 32 float32 numbers");
  refuse({"embed", kEmbedder, "a", "--dtype", "int8", "--sparse"}, 2,
         "--dtype and --ranges are for a text's one vector");
}

/// A run of 40 texts, whole and as a killed one would have left it.
class CliResume : public testing::TestWithParam<std::string> {
 protected:
  CliResume() : texts_(texts_file(folder_, 40)), output_(folder_ / GetParam()) {
    good({"embed", kEmbedder, "--input", texts_, "--output", output_});
    whole_ = read_file(output_);
    fs::remove(output_);
  }

  [[nodiscard]] std::vector<std::string> arguments() const {
    return {"embed", kEmbedder, "--input", texts_, "--output", output_, "--resume"};
  }
  [[nodiscard]] std::string partial() const { return output_ + ".partial"; }
  [[nodiscard]] std::string journal() const { return partial() + ".json"; }

  /// Fails for want of room; then as if it had come to `rows`, and some bytes behind them.
  void leave(int64_t rows) {
    Surroundings small;
    small.max_file_bytes = 1000;
    const Outcome outcome = tamis(arguments(), small);
    EXPECT_NE(outcome.status, 0);
    const std::string text = read_file(journal());
    const JsonDocument document = JsonDocument::parse(text, "journal");
    const size_t bytes = end_of(rows);
    JsonWriter json;
    json.begin_object().member("rows", rows).member("bytes", static_cast<int64_t>(bytes));
    for (const char* key : {"inputs_sha256", "options_sha256"}) {
      json.member(key, document.root().get(key).as_string(key));
    }
    json.end_object();
    write_file(journal(), json.str());
    write_file(partial(), whole_.substr(0, bytes) + "half a row");
  }
  [[nodiscard]] size_t end_of(int64_t rows) const {
    if (output_.ends_with(".npy"))
      return whole_.size() - static_cast<size_t>(40 - rows) * kWidth * 4;
    size_t at = 0;
    for (int64_t i = 0; i < rows; ++i) at = whole_.find('\n', at) + 1;
    return at;
  }

  TempFolder folder_;
  std::string texts_;
  std::string output_;
  std::string whole_;
};

INSTANTIATE_TEST_SUITE_P(Forms, CliResume, testing::Values("out.npy", "out.jsonl"),
                         [](const auto& tested) { return tested.param.substr(4); });

TEST_P(CliResume, GoesOnBehindWhatIsWhole) {
  for (const int64_t rows : {1, 3, 17, 40}) {
    leave(rows);
    good(arguments());
    EXPECT_EQ(read_file(output_), whole_) << rows;
    EXPECT_FALSE(fs::exists(partial()));
    EXPECT_FALSE(fs::exists(journal()));
    fs::remove(output_);
  }
}

TEST_P(CliResume, BeginsWhereNothingIsLeft) {
  good(arguments());
  EXPECT_EQ(read_file(output_), whole_);
  // A journal alone is what a run leaves that was killed right behind its end.
  write_file(journal(),
             R"({"rows": 40, "bytes": 99999, "inputs_sha256": "", "options_sha256": ""})");
  good(arguments());
  EXPECT_EQ(read_file(output_), whole_);
}

TEST_P(CliResume, OtherInputsModelsAndOptionsAreRefused) {
  leave(17);
  std::vector<std::string> other = arguments();
  // What the first answers do not show counts as well.
  other.insert(other.end(), {"--max-length", "60"});
  refuse(other, 2, "was begun with other options");
  other = arguments();
  other[1] = testdata("models/roberta-base");
  refuse(other, 2, "was begun with another model");
  good([this] {
    std::vector<std::string> same = arguments();
    same.insert(same.end(), {"--threads", "1", "--quiet", "--max-batch-tokens", "64"});
    return same;
  }());
  leave(17);
  folder_.write("texts.txt", "Another text.\n");
  refuse(arguments(), 2, "was begun with other inputs");
  EXPECT_TRUE(read_file(partial()).starts_with(whole_.substr(0, end_of(17))));
}

TEST_P(CliResume, OneProcessWritesAtATime) {
  leave(17);
  const int fd = ::open(partial().c_str(), O_RDWR);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  refuse(arguments(), 9, "another process is writing it");
  ::close(fd);
  good(arguments());
}

TEST_P(CliResume, WhatIsNotWholeIsCorrupt) {
  leave(17);
  write_file(journal(), R"({"rows": -1, "bytes": 1, "inputs_sha256": ""})");
  refuse(arguments(), 3, "is below 0");
  write_file(journal(), "{");
  refuse(arguments(), 3, "out");
  fs::remove(journal());
  fs::remove(partial());
  leave(17);
  write_file(partial(), "short");
  refuse(arguments(), 3, "is shorter than");
  fs::remove(journal());
  refuse(arguments(), 2, "is there without");
}

TEST(CliResumeFlag, NeedsAFile) {
  refuse({"embed", kEmbedder, "a", "--resume"}, 2, "--resume needs --output FILE");
  refuse({"embed", kEmbedder, "a", "--resume", "--output", "/dev/null"}, 2,
         "--resume needs --output FILE");
}

TEST(CliResumeFlag, IsForEveryTask) {
  const TempFolder folder;
  const std::string out = folder / "out.jsonl";
  const std::string model = testdata("models/bert-sequence-classification");
  good({"classify", model, "One.", "Two.", "--output", out, "--resume"});
  EXPECT_EQ(read_file(out), good({"classify", model, "One.", "Two."}));
}

}  // namespace
}  // namespace tamis::cli_test
