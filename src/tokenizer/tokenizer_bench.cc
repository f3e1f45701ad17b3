// Texts a second through one tokenizer on one thread.
//
// Usage: tokenizer_bench TOKENIZER.json LINES.txt RUNS: prints one time in seconds a run, for
// bench/tokenizer_speed.py, which runs it in turns with the tokenizers library.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/tokenizer.h"

namespace {

using tamis::tokenizer::EncodeOptions;
using tamis::tokenizer::TextInput;
using tamis::tokenizer::Tokenizer;

std::vector<TextInput> split_lines(std::string_view content) {
  std::vector<TextInput> lines;
  for (size_t at = 0; at < content.size();) {
    const size_t end = std::min(content.find('\n', at), content.size());
    lines.push_back({content.substr(at, end - at)});
    at = end + 1;
  }
  return lines;
}

void run(const char* tokenizer_path, const char* lines_path, int runs) {
  const Tokenizer tokenizer =
      Tokenizer::load_json(tamis::read_file(tokenizer_path), tokenizer_path);
  const std::string content = tamis::read_file(lines_path);
  const std::vector<TextInput> lines = split_lines(content);
  for (int i = 0; i < runs; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const auto encodings = tokenizer.encode_batch(lines);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    size_t tokens = 0;
    for (const auto& encoding : encodings) tokens += encoding.ids.size();
    std::printf("%.6f %zu\n", seconds.count(), tokens);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: tokenizer_bench TOKENIZER.json LINES.txt RUNS\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], std::atoi(argv[3]));
  } catch (const tamis::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return tamis::exit_status(error.code());
  }
  return 0;
}
