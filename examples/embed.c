/* How alike two texts are, from C: embed MODEL TEXT TEXT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tamis/tamis.h>

static double cosine(const float* a, const float* b, int64_t size) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < size; ++i) {
    ab += (double)a[i] * b[i];
    aa += (double)a[i] * a[i];
    bb += (double)b[i] * b[i];
  }
  return ab / sqrt(aa * bb);
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: embed MODEL TEXT TEXT\n");
    return TAMIS_INVALID_ARGUMENT;
  }
  tamis_model* model = NULL;
  tamis_status status = tamis_model_load(argv[1], NULL, &model);
  float* vectors = NULL;
  int64_t size = 0;
  if (status == TAMIS_OK) status = tamis_embedding_size(model, NULL, &size);
  if (status == TAMIS_OK) {
    const tamis_string texts[] = {{argv[2], strlen(argv[2])}, {argv[3], strlen(argv[3])}};
    vectors = malloc(2 * (size_t)size * sizeof(float));
    status = vectors == NULL ? TAMIS_OUT_OF_MEMORY
                             : tamis_embed(model, texts, 2, NULL, vectors, 2 * (size_t)size);
  }
  if (status == TAMIS_OK) {
    printf("%.4f\n", cosine(vectors, vectors + size, size));
  } else {
    fprintf(stderr, "embed: %s\n", tamis_last_error());
  }
  free(vectors);
  tamis_model_free(model);
  return status;
}
