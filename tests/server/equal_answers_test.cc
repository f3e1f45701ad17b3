// An answer is the same, bit for bit, as the library's own, whatever batch it rides in.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include "base/json.h"
#include "serve/server.h"
#include "serve/test_client.h"

namespace tamis::serve {
namespace {

const std::string kModel = TAMIS_TESTDATA "/models/bert-base";

std::vector<std::string> make_texts(size_t count) {
  std::mt19937 random(7);
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    std::string text;
    const unsigned words = 1 + random() % 30;
    for (unsigned w = 0; w < words; ++w) text += cat(w == 0 ? "" : " ", "word", random() % 50);
    texts.push_back(std::move(text));
  }
  return texts;
}

TEST(EqualAnswers, WhateverBatchATextRidesIn) {
  const std::vector<std::string> texts = make_texts(60);
  const auto model = api::LoadedModel::load(api::resolve_model(kModel), {});
  std::vector<std::string> expected;
  tasks::EmbedOptions options;
  options.normalize = true;
  for (const std::string& text : texts) {
    const auto result = model->run({{text}}, options, 1 << 20);
    JsonWriter json;
    json.begin_array().array(std::get<tasks::EmbedResult>(result.front()).embedding).end_array();
    expected.push_back(json.take());
  }
  ServerOptions server_options;
  server_options.port = 0;
  server_options.grpc_port = -1;
  server_options.models = {{"m", kModel}};
  server_options.max_batch_tokens = 100;
  Server server(server_options);
  server.load();
  std::atomic<size_t> next{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      TestClient client(server.http_port());
      for (size_t i = next++; i < 3 * texts.size(); i = next++) {
        const size_t at = i % texts.size();
        JsonWriter body;
        body.begin_object().member("inputs", texts[at]).end_object();
        if (client.request("POST", "/embed", body.str()).body != expected[at]) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace tamis::serve
