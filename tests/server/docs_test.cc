// Every curl command of docs/serving.md is answered, by models of the same tasks.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "serve/server.h"
#include "serve/test_client.h"

namespace tamis::serve {
namespace {

namespace fs = std::filesystem;

struct Command {
  std::string path;
  std::string body;  ///< empty: it is a GET
};

// What stands between `open` and `close` from `at` on, and where it ends.
std::string between(const std::string& text, char close, size_t& at) {
  const size_t end = std::min(text.find(close, at), text.size());
  std::string part = text.substr(at, end - at);
  at = end;
  return part;
}

// "    curl localhost:8000/PATH [-H '...'] [-d 'BODY']", over several lines.
std::vector<Command> commands_of(const std::string& text) {
  constexpr std::string_view kCurl = "\n    curl localhost:8000";
  std::vector<Command> commands;
  for (size_t at = 0; (at = text.find(kCurl, at)) != text.npos;) {
    at += kCurl.size();
    Command command;
    const size_t line_end = text.find('\n', at);
    const size_t path_end = std::min(text.find_first_of(" \n", at), line_end);
    command.path = text.substr(at, path_end - at);
    const size_t next = std::min(text.find("\n    curl", at), text.find("\n\n", at));
    const size_t body = text.find("-d '", at);
    if (body < next) {
      at = body + 4;
      command.body = between(text, '\'', at);
    }
    commands.push_back(std::move(command));
  }
  return commands;
}

TEST(ServingDocs, EveryCommandIsAnswered) {
  ServerOptions options;
  options.port = 0;
  options.grpc_port = -1;
  const fs::path models = fs::path(TAMIS_TESTDATA) / "models";
  for (const auto& [name, folder] : {std::pair{"minilm", "bert-base"},
                                     {"sst2", "bert-sequence-classification"},
                                     {"ner", "bert-token-classification"},
                                     {"squad", "bert-question-answering"},
                                     {"reranker", "bert-rerank"}}) {
    options.models.push_back({name, (models / folder).string()});
  }
  options.models.push_back({"gliner", TAMIS_TESTDATA "/gliner/bert"});
  Server server(options);
  server.load();
  const std::vector<Command> commands =
      commands_of(read_file((fs::path(TAMIS_SOURCE_FOLDER) / "docs" / "serving.md").string()));
  EXPECT_GT(commands.size(), 20U);
  for (const Command& command : commands) {
    // The tiny model's vectors have 32 numbers.
    std::string body = command.body;
    const std::string wide = "\"output_dimension\":64";
    if (const size_t at = body.find(wide); at != body.npos) {
      body.replace(at, wide.size(), "\"output_dimension\":16");
    }
    const TestAnswer answer =
        TestClient(server.http_port()).request(body.empty() ? "GET" : "POST", command.path, body);
    EXPECT_EQ(answer.status, 200) << command.path << " " << body << " " << answer.body;
  }
}

}  // namespace
}  // namespace tamis::serve
