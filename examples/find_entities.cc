// Prints the entities of a text with their places in it.
//
//   find_entities MODEL TEXT
#include <tamis/model.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: find_entities MODEL TEXT\n");
    return 2;
  }
  try {
    const tamis::Model model = tamis::Model::load(argv[1]);
    for (const tamis::NerResult& result : model.ner({argv[2]})) {
      for (const tamis::Entity& entity : result.entities) {
        std::printf("%s  %.3f  [%lld, %lld)  %s\n", entity.label.c_str(), entity.score,
                    static_cast<long long>(entity.start), static_cast<long long>(entity.end),
                    entity.word.c_str());
      }
    }
  } catch (const tamis::Error& error) {
    std::fprintf(stderr, "find_entities: %s\n", error.what());
    return tamis::exit_status(error.code());
  }
  return 0;
}
