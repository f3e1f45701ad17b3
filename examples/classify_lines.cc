// Reads texts, one a line, and prints the likeliest label of each: many texts in one call share the
// work, and each gets the answer it would get alone.
//
//   classify_lines MODEL < texts.txt
#include <tamis/model.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: classify_lines MODEL < texts.txt\n");
    return 2;
  }
  try {
    std::vector<tamis::TaskInput> inputs;
    for (std::string line; std::getline(std::cin, line);) inputs.push_back({.text = line});

    const tamis::Model model = tamis::Model::load(argv[1]);
    const std::vector<tamis::ClassifyResult> results = model.classify(inputs);
    for (size_t i = 0; i < results.size(); ++i) {
      const tamis::LabelScore& best = results[i].scores.front();
      std::printf("%s  %.3f  %s\n", best.label.c_str(), best.score, inputs[i].text.c_str());
    }
  } catch (const tamis::Error& error) {
    std::fprintf(stderr, "classify_lines: %s\n", error.what());
    return tamis::exit_status(error.code());
  }
  return 0;
}
