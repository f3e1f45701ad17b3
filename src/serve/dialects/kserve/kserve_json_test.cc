#include "serve/dialects/kserve/kserve_json.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"

namespace tamis::serve {
namespace {

// What the call throws, as "code: message".
std::string refusal(std::string_view body, std::optional<std::string_view> header = std::nullopt) {
  try {
    const KserveBody parsed = parse_kserve_body(body, header);
    for (const KserveTensor& input : parsed.request.inputs) check_kserve_data(input);
    return "taken";
  } catch (const Error& error) {
    return cat(error_code_name(error.code()), ": ", std::string_view(error.what()));
  }
}

std::string with_input(std::string_view input) { return cat(R"({"inputs":[)", input, "]}"); }

TEST(KserveJson, ReadsNestedAndFlatData) {
  const KserveBody body = parse_kserve_body(
      R"({"id":"r1","parameters":{"priority":1,"timeout":5000,"k":1.5},"inputs":[
          {"name":"text","shape":[2,1],"datatype":"BYTES","data":[["a"],["bc"]]},
          {"name":"ids","shape":[1,3],"datatype":"INT64","data":[1,2,3]}]})",
      std::nullopt);
  EXPECT_EQ(body.request.id, "r1");
  EXPECT_EQ(body.request.priority, 1U);
  EXPECT_EQ(body.request.timeout_us, 5000);
  ASSERT_EQ(body.request.inputs.size(), 2U);
  EXPECT_EQ(kserve_strings(body.request.inputs[0]), (std::vector<std::string>{"a", "bc"}));
  EXPECT_EQ(kserve_integers(body.request.inputs[1]), (std::vector<int32_t>{1, 2, 3}));
}

// The mixed request that Triton's Python client sends.
TEST(KserveJson, ReadsBytesBehindTheHeader) {
  const std::string header =
      R"({"id":"r1","inputs":[{"name":"TEXT","shape":[2,1],"datatype":"BYTES","parameters":{"binary_data_size":15}},{"name":"IDS","shape":[1,3],"datatype":"INT64","data":[1,2,3]}],"outputs":[{"name":"OUT","parameters":{"binary_data":true}}],"parameters":{"binary_data_output":true}})";
  std::string body = header;
  for (const std::string_view text : {"abc", "defg"}) {
    const auto length = static_cast<uint32_t>(text.size());
    body.append(reinterpret_cast<const char*>(&length), 4);
    body += text;
  }
  const KserveBody parsed = parse_kserve_body(body, cat(header.size()));
  EXPECT_EQ(kserve_strings(parsed.request.inputs[0]), (std::vector<std::string>{"abc", "defg"}));
  EXPECT_TRUE(parsed.binary_by_default);
  EXPECT_EQ(parsed.request.outputs.at(0).binary, true);
}

TEST(KserveJson, ARawBodyIsOneText) {
  const KserveBody parsed = parse_kserve_body("any bytes", "0");
  EXPECT_EQ(kserve_strings(parsed.request.inputs.at(0)), (std::vector<std::string>{"any bytes"}));
  EXPECT_TRUE(parsed.binary_by_default);
}

TEST(KserveJson, RefusesWithTheReason) {
  struct Case {
    std::string body;
    const char* expected;
  };
  const Case cases[] = {
      {"", "kCorruptData"},
      {"[]", "must be a JSON object"},
      {R"({"inputs":1})", "`inputs` must be a list"},
      {R"({"inputs":[],"inputs":[]})", "kCorruptData"},
      {with_input(R"({"name":"x","shape":[-1],"datatype":"INT32","data":[1]})"),
       "a size of the shape is -1"},
      {with_input(R"({"name":"x","shape":[4294967296,4294967296],"datatype":"INT32","data":[]})"),
       "more than 2^31 elements"},
      {with_input(R"({"name":"x","shape":[9223372036854775807,3],"datatype":"INT8","data":[]})"),
       "more than 2^31 elements"},
      {with_input(R"({"name":"x","shape":[2],"datatype":"INT32","data":[1]})"),
       "1 elements, the shape has 2"},
      {with_input(R"({"name":"x","shape":[1],"datatype":"INT8","data":[128]})"), "128 is no INT8"},
      {with_input(R"({"name":"x","shape":[1],"datatype":"UINT8","data":[-1]})"), "-1 is no UINT8"},
      {with_input(R"({"name":"x","shape":[1],"datatype":"INT32","data":[1.5]})"),
       "no whole number"},
      {with_input(R"({"name":"x","shape":[1],"datatype":"FP32","data":[1e40]})"), "beyond FP32"},
      {with_input(R"({"name":"x","shape":[1],"datatype":"FP32","data":[NaN]})"), "kCorruptData"},
      {with_input(R"({"name":"x","shape":[1],"datatype":"FP16","data":[1]})"), "binary data only"},
      {with_input(R"({"name":"x","shape":[1],"datatype":"FLOAT","data":[1]})"),
       "none of the protocol's"},
      {with_input(R"({"name":"x","shape":[1],"datatype":"BYTES","data":[1]})"), "no string"},
      {with_input(R"({"name":"x","shape":[1],"datatype":"BYTES"})"), "`data` must be a list"},
      {with_input(R"({"shape":[1],"datatype":"BYTES","data":[]})"), "`name` is missing"},
      {with_input(
           R"({"name":"x","shape":[1],"datatype":"INT8","parameters":{"binary_data_size":9}})"),
       "binary_data_size is 9, 0 bytes are left"},
      {with_input(
           R"({"name":"x","shape":[1],"datatype":"INT8","parameters":{"binary_data_size":-1}})"),
       "`binary_data_size` must be"},
      {R"({"inputs":[],"parameters":{"priority":-1}})", "`priority` must be"},
      {R"({"inputs":[],"parameters":{"triton_x":1}})", "reserved"},
  };
  for (const Case& item : cases) {
    const std::string said = refusal(item.body);
    EXPECT_NE(said.find(item.expected), std::string::npos) << item.body << "\n" << said;
  }
}

TEST(KserveJson, RefusesHeaderLengthsThatCannotBe) {
  for (const char* length : {"3", "-1", "x", "", "99999999999999999999", "1 "}) {
    EXPECT_NE(refusal("{}", length).find("Inference-Header-Content-Length"), std::string::npos)
        << length;
  }
}

TEST(KserveJson, RefusesElementsThatDoNotAddUp) {
  const std::string header =
      R"({"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}}]})";
  const std::string_view cases[] = {std::string_view("\x02\0\0\0a", 5),
                                    std::string_view("\0\0\0\0a", 5),
                                    std::string_view("\xff\xff\xff\xff"
                                                     "a",
                                                     5)};
  for (const std::string_view bytes : cases) {
    EXPECT_NE(refusal(cat(header, bytes), cat(header.size())).find("kInvalidArgument"),
              std::string::npos);
  }
  // Bytes that no input takes.
  EXPECT_NE(refusal(cat(R"({"inputs":[]})", "xx"), "13").find("2 bytes stand behind"),
            std::string::npos);
}

TEST(KserveJson, PrintsJsonAndBytes) {
  KserveResponse response;
  response.model = "m";
  response.version = "1";
  response.id = "7";
  response.outputs.push_back(kserve_float_tensor("y", {1, 2}, {1.5F, -0.25F}));
  response.outputs.push_back(kserve_bytes_tensor("s", {1}, {"ab"}));
  KserveBody request;
  EXPECT_EQ(print_kserve_response(response, request).body,
            R"({"id":"7","model_name":"m","model_version":"1","outputs":[)"
            R"({"name":"y","datatype":"FP32","shape":[1,2],"data":[1.5,-0.25]},)"
            R"({"name":"s","datatype":"BYTES","shape":[1],"data":["ab"]}]})");
  request.request.outputs = {{"y", true, 0}};
  const KserveText text = print_kserve_response(response, request);
  ASSERT_TRUE(text.header_length);
  EXPECT_EQ(text.body.substr(*text.header_length), response.outputs[0].data);
  EXPECT_NE(text.body.find(R"("parameters":{"binary_data_size":8})"), std::string::npos);
}

}  // namespace
}  // namespace tamis::serve
