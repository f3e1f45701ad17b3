// selftest.json, read and written.
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/json.h"
#include "model/self_test.h"

namespace tamis::api {

std::string write_self_test(const SelfTest& test) {
  JsonWriter json(1);
  json.begin_object().member("tolerance", test.tolerance).key("cases").begin_array();
  for (const SelfTestCase& item : test.cases) {
    json.begin_object().member("text", item.text);
    json.key("input_ids").array(item.input_ids).key("output").array(item.output).end_object();
  }
  return json.end_array().end_object().take() + "\n";
}

namespace {

JsonView array_of(JsonView object, std::string_view key, const std::string& where) {
  const JsonView value = object.get(key);
  if (!value.is_array()) {
    fail(ErrorCode::kCorruptData, where, ": ", key, " must be an array");
  }
  return value;
}

SelfTestCase parse_case(JsonView object, const std::string& where) {
  SelfTestCase item;
  item.text = object.get("text").as_string(where + ".text");
  const JsonView ids = array_of(object, "input_ids", where);
  for (size_t i = 0; i < ids.size(); ++i) {
    const int64_t id = ids.at(i).as_int(where + ".input_ids");
    if (id != static_cast<int32_t>(id)) {
      fail(ErrorCode::kCorruptData, where, ".input_ids: ", id, " does not fit 32 bits");
    }
    item.input_ids.push_back(static_cast<int32_t>(id));
  }
  const JsonView output = array_of(object, "output", where);
  for (size_t i = 0; i < output.size(); ++i) {
    const double value = output.at(i).as_double(where + ".output");
    if (!(std::abs(value) <= std::numeric_limits<float>::max())) {
      fail(ErrorCode::kCorruptData, where, ".output: ", value, " does not fit float32");
    }
    item.output.push_back(static_cast<float>(value));
  }
  if (item.input_ids.empty() || item.output.empty()) {
    fail(ErrorCode::kCorruptData, where, ": input_ids and output must not be empty");
  }
  return item;
}

}  // namespace

SelfTest parse_self_test(std::string_view text, std::string_view source) {
  const JsonDocument document = JsonDocument::parse(text, source);
  const JsonView root = document.root();
  SelfTest test;
  test.tolerance = root.get("tolerance").as_double(cat(source, ": tolerance"));
  if (test.tolerance < 0) {
    fail(ErrorCode::kCorruptData, source, ": tolerance is ", test.tolerance,
         ", must not be negative");
  }
  const JsonView cases = array_of(root, "cases", std::string(source));
  for (size_t i = 0; i < cases.size(); ++i) {
    test.cases.push_back(parse_case(cases.at(i), cat(source, ": cases[", i, "]")));
  }
  if (test.cases.empty()) fail(ErrorCode::kCorruptData, source, ": no cases");
  return test;
}

}  // namespace tamis::api
