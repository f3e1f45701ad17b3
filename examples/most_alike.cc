// Reads texts, one a line, from standard input and prints which pairs mean most nearly the same.
//
//   most_alike MODEL < texts.txt
#include <tamis/model.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

struct Pair {
  size_t first = 0;
  size_t second = 0;
  float cosine = 0;
};

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: most_alike MODEL < texts.txt\n");
    return 2;
  }
  try {
    std::vector<std::string> texts;
    for (std::string line; std::getline(std::cin, line);) texts.push_back(line);

    const tamis::Model model = tamis::Model::load(argv[1]);
    tamis::EmbedOptions options;
    options.normalize = true;  // of unit length, so that a product of two is their cosine
    const std::vector<tamis::EmbedResult> vectors = model.embed(texts, options);

    std::vector<Pair> pairs;
    for (size_t i = 0; i < texts.size(); ++i) {
      for (size_t j = i + 1; j < texts.size(); ++j) {
        const std::vector<float>& a = vectors[i].embedding;
        const std::vector<float>& b = vectors[j].embedding;
        pairs.push_back({i, j, std::inner_product(a.begin(), a.end(), b.begin(), 0.0f)});
      }
    }
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const Pair& a, const Pair& b) { return a.cosine > b.cosine; });
    if (pairs.size() > 5) pairs.resize(5);
    for (const Pair& pair : pairs) {
      std::printf("%.3f  %s  |  %s\n", pair.cosine, texts[pair.first].c_str(),
                  texts[pair.second].c_str());
    }
  } catch (const tamis::Error& error) {
    std::fprintf(stderr, "most_alike: %s\n", error.what());
    return tamis::exit_status(error.code());
  }
  return 0;
}
