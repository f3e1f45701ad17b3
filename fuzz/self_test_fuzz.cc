// Any bytes as selftest.json: texts with ids and numbers, or kCorruptData.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "model/self_test.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tamis::api;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  SelfTest test;
  try {
    test = parse_self_test(text, "fuzz");
  } catch (const tamis::Error& error) {
    if (error.code() != tamis::ErrorCode::kCorruptData) throw;
    return 0;
  }
  TAMIS_CHECK(!test.cases.empty() && test.tolerance >= 0);
  for (const SelfTestCase& item : test.cases) {
    TAMIS_CHECK(!item.input_ids.empty() && !item.output.empty());
  }
  const std::string written = write_self_test(test);
  TAMIS_CHECK(write_self_test(parse_self_test(written, "written")) == written);
  return 0;
}
