// What the tests of the backend share: it, repositories of testdata's models, configs.
//
// Is: for backend_*_test.cc. Is not: the server (triton_double.h). May use: triton_double,
// formats/test_util.
#pragma once

#include <gtest/gtest.h>
#include <tamis/optimize.h>

#include <filesystem>
#include <string>
#include <vector>

#include "formats/test_util.h"
#include "tests/triton/triton_double.h"

namespace tamis::triton_test {

using ::Answer;  // not the library's, of a question

inline const Backend& backend() {
  static const Backend one(TAMIS_TRITON_BACKEND);
  return one;
}

/// A path in testdata; a whole path stays what it is.
inline std::string testdata(const std::string& name) {
  return (std::filesystem::path(TAMIS_TESTDATA) / name).string();
}

/// A repository's folder with a model of testdata as its version 1.
class Repository {
 public:
  /// `source`: in testdata, or a whole path.
  explicit Repository(const std::filesystem::path& source) {
    std::filesystem::create_directory_symlink(testdata(source.string()), folder_.path() / "1");
  }
  [[nodiscard]] std::string path() const { return folder_.path().string(); }

 private:
  TempFolder folder_;
};

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

/// A bundle of a checkpoint of testdata, in float: a tokenizer is read from one.
class FloatBundle {
 public:
  explicit FloatBundle(const std::string& checkpoint) {
    OptimizeOptions options;
    options.load.precision = "fp32";
    options.load.threads = 2;
    options.seconds = 0.01;
    static_cast<void>(optimize(testdata(checkpoint), path(), options));
  }
  [[nodiscard]] std::string path() const { return (folder_.path() / "bundle").string(); }

 private:
  TempFolder folder_;
};

/// A request of these inputs for these outputs.
inline TRITONBACKEND_Request request_of(std::vector<TRITONBACKEND_Input> inputs,
                                        std::vector<std::string> outputs) {
  TRITONBACKEND_Request request;
  request.inputs = std::move(inputs);
  request.outputs = std::move(outputs);
  return request;
}

/// What one request alone is answered.
inline Answer answer_of(LoadedModel& model, TRITONBACKEND_Request request) {
  std::vector<TRITONBACKEND_Request> requests = {std::move(request)};
  model.execute(requests);
  return requests[0].answer;
}

/// A tensor of a config.
struct PortText {
  std::string name;
  std::string type;
  std::string dims;
  bool optional = false;
};

inline std::string ports_text(const std::vector<PortText>& ports) {
  std::string text;
  for (const PortText& port : ports) {
    text += text.empty() ? "" : ", ";
    text += R"({"name": ")" + port.name + R"(", "data_type": "TYPE_)" + port.type +
            R"(", "dims": )" + port.dims + (port.optional ? R"(, "optional": true})" : "}");
  }
  return "[" + text + "]";
}

/// A config as the server hands it out. `parameters`: pairs of name and value.
inline std::string config_text(
    const std::vector<PortText>& inputs, const std::vector<PortText>& outputs,
    const std::vector<std::pair<std::string, std::string>>& parameters = {}, int batch = 8) {
  std::string values;
  for (const auto& [name, value] : parameters) {
    values += (values.empty() ? "\"" : ", \"") + name + R"(": {"string_value": ")" + value + "\"}";
  }
  return R"({"name": "m", "max_batch_size": )" + std::to_string(batch) + R"(, "input": )" +
         ports_text(inputs) + R"(, "output": )" + ports_text(outputs) + R"(, "parameters": {)" +
         values + "}}";
}

}  // namespace tamis::triton_test
