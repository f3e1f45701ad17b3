// A program outside the tree: it includes what is installed, calls the library, and catches what
// the library throws. With a model as its argument it also embeds a text.
#include <tamis/model.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc > 1) {
    const tamis::Model model = tamis::Model::load(argv[1]);
    const size_t size = model.embed({"A text."}).at(0).embedding.size();
    std::printf("%zu values\n", size);
    return size == static_cast<size_t>(model.info().output_size) ? 0 : 1;
  }
  try {
    (void)tamis::Model::load("no/such/folder");
  } catch (const tamis::Error& error) {
    std::printf("%s\n", error.what());
    return error.code() == tamis::ErrorCode::kNotFound ? 0 : 1;
  }
  return 1;
}
