// Every file of testdata/hostile/bin against the reader; testdata/README.md says what the list
// holds.

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/pytorch/pytorch_bin.h"

namespace tamis {
namespace {

/// The error that reading the file and using each tensor ends in, if any.
std::optional<Error> error_of(const std::filesystem::path& path) {
  try {
    for (const StoredTensor& stored : read_pytorch_bin(path)) (void)usable_tensor(stored);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

TEST(HostileBin, IsRefusedWithAWord) {
  const std::filesystem::path folder =
      std::filesystem::path(TAMIS_UNPACKED_TESTDATA) / "hostile" / "bin";
  const std::string list = read_file(folder / "cases.json");
  const JsonDocument document = JsonDocument::parse(list, "cases.json");
  const JsonView cases = document.root().get("cases");
  ASSERT_GT(cases.size(), 60u);
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string name(cases.at(i).get("file").as_string("file"));
    SCOPED_TRACE(name);
    const std::optional<Error> error = error_of(folder / name);
    const bool torch_refuses = cases.at(i).get("torch").as_string("torch") == "refuses";
    EXPECT_TRUE(error.has_value() || !torch_refuses);
    if (!error) continue;
    EXPECT_TRUE(error->code() == ErrorCode::kCorruptData ||
                error->code() == ErrorCode::kUnsupported)
        << error->what();
    EXPECT_NE(std::string(error->what()).find(name), std::string::npos) << error->what();
  }
  EXPECT_FALSE(error_of(folder / "legacy-whole.bin").has_value());
  EXPECT_FALSE(error_of(folder / document.root().get("good").as_string("good")).has_value());
}

}  // namespace
}  // namespace tamis
