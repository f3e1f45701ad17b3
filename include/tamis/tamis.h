/* The C face of Tamis: opaque handles, status codes, no exceptions and no C++ types.
 *
 *   tamis_model* model = NULL;
 *   if (tamis_model_load("minilm", NULL, &model) != TAMIS_OK) puts(tamis_last_error());
 *   float vector[384];
 *   tamis_string text = {"A text.", 7};
 *   tamis_embed(model, &text, 1, NULL, vector, 384);
 *   tamis_model_free(model);
 *
 * A function that fails gives a status other than TAMIS_OK, leaves its outputs as they were, and
 * tamis_last_error() of the same thread says what was wrong. Models may be used from several
 * threads at once; results belong to the thread that holds them. Strings that results give are
 * UTF-8, end with a NUL that is not counted, and live as long as the results. Structs of options
 * begin with their size, which the _init function sets: a program that was built against an older
 * header goes on working. NULL stands for the default options.
 */
#ifndef TAMIS_TAMIS_H
#define TAMIS_TAMIS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In C++, as in C, any int may stand where one of these is asked for; what is none of them is an
 * error. */
#ifdef __cplusplus
#define TAMIS_ENUM_BASE : int
#else
#define TAMIS_ENUM_BASE
#endif

/* Grows when functions or fields are added; a change that breaks programs changes the library's
 * soname instead. */
#define TAMIS_ABI_VERSION 4

/* The version that the library has, "0.1.0", and its TAMIS_ABI_VERSION. */
const char* tamis_version(void);
int32_t tamis_abi_version(void);

typedef enum tamis_status TAMIS_ENUM_BASE {
  TAMIS_OK = 0,
  TAMIS_INVALID_ARGUMENT = 2,
  TAMIS_CORRUPT_DATA = 3,
  TAMIS_NOT_FOUND = 4,
  TAMIS_UNSUPPORTED = 5,
  TAMIS_OVERLOADED = 6,
  TAMIS_DEADLINE_EXCEEDED = 7,
  TAMIS_CANCELLED = 8,
  TAMIS_UNAVAILABLE = 9,
  TAMIS_OUT_OF_MEMORY = 10,
  TAMIS_INTERNAL = 70
} tamis_status;

/* What was wrong in the last call of this thread that failed; "" before any. Never NULL; valid
 * until the thread's next call that fails. */
const char* tamis_last_error(void);

/* `size` bytes of UTF-8, which may hold NUL. `data` may be NULL where size is 0. */
typedef struct tamis_string {
  const char* data;
  size_t size;
} tamis_string;

typedef enum tamis_log_level TAMIS_ENUM_BASE {
  TAMIS_LOG_DEBUG = 0,
  TAMIS_LOG_INFO = 1,
  TAMIS_LOG_WARNING = 2,
  TAMIS_LOG_ERROR = 3
} tamis_log_level;

/* Where messages go that are no answers: nowhere, unless a sink is set. `sink` may be called from
 * any thread, and may not call back into Tamis; NULL silences. */
typedef void (*tamis_log_sink)(void* context, tamis_log_level level, tamis_string message);
void tamis_set_log_sink(tamis_log_sink sink, void* context);

/* ---- Models ---------------------------------------------------------------------------------- */

typedef struct tamis_model tamis_model;

/* NULL and 0 stand for the default; see LoadOptions of <tamis/model.h>. */
typedef struct tamis_load_options {
  size_t struct_size;
  const char* task;
  const char* isa;
  const char* precision;
  int32_t threads;
  int64_t max_length;
  const char* device;
} tamis_load_options;
void tamis_load_options_init(tamis_load_options* options);

/* A Hugging Face folder, a hub id, an .onnx file or a bundle. `*model` is to be freed. */
tamis_status tamis_model_load(const char* path, const tamis_load_options* options,
                              tamis_model** model);
/* NULL is let through. No call on the model may be under way. */
void tamis_model_free(tamis_model* model);

/* Strings live as long as the model. */
typedef struct tamis_model_info {
  size_t struct_size;
  const char* family;
  const char* task;
  const char* precision;
  int64_t parameters;
  int64_t max_length;
  int64_t hidden_size;
  int64_t output_size;
  const tamis_string* labels;
  size_t label_count;
  const tamis_string* prompt_names;
  size_t prompt_name_count;
  const char* similarity;          /* "" if the model names none */
  const tamis_string* prompts;     /* the texts of prompt_names */
  const char* default_prompt_name; /* "" if there is none */
  const char* score_activation;    /* of a cross-encoder: "sigmoid", ...; "" if it names none */
  int64_t truncate_dim;            /* floats of an embedding that its modules leave; 0: all */
} tamis_model_info;
/* Fills the fields that `info->struct_size` has room for; set it before. */
tamis_status tamis_model_get_info(const tamis_model* model, tamis_model_info* info);

/* ---- Texts in -------------------------------------------------------------------------------- */

typedef enum tamis_side TAMIS_ENUM_BASE {
  TAMIS_SIDE_DEFAULT = 0,
  TAMIS_SIDE_LEFT = 1,
  TAMIS_SIDE_RIGHT = 2
} tamis_side;

/* How a text that is too long is treated. All 0: cut at the model's length. */
typedef struct tamis_truncation {
  int64_t max_length; /* in tokens; 0: the model's */
  int32_t refuse;     /* nonzero: a longer text is TAMIS_INVALID_ARGUMENT */
  tamis_side side;
} tamis_truncation;

typedef struct tamis_embed_options {
  size_t struct_size;
  int32_t normalize;       /* 0, 1, or -1: the model's own way */
  int64_t dimensions;      /* 0: all */
  const char* prompt_name; /* NULL: the model's default prompt */
  const char* prompt;      /* wins over prompt_name */
  tamis_truncation truncation;
} tamis_embed_options;
void tamis_embed_options_init(tamis_embed_options* options);

/* Floats of an embedding: options->dimensions if they are given. */
tamis_status tamis_embedding_size(const tamis_model* model, const tamis_embed_options* options,
                                  int64_t* size);
/* Row i of `out`, [count, embedding size], is that of text i; out_size counts floats. */
tamis_status tamis_embed(const tamis_model* model, const tamis_string* texts, size_t count,
                         const tamis_embed_options* options, float* out, size_t out_size);

/* Answers of the tasks below; to be freed. */
typedef struct tamis_results tamis_results;
void tamis_results_free(tamis_results* results);
/* One for each input; 1 of rerank and answer. */
size_t tamis_results_count(const tamis_results* results);
/* Nonzero if tokens of that input were cut off. */
int32_t tamis_results_truncated(const tamis_results* results, size_t index);

typedef struct tamis_embed_sparse_options {
  size_t struct_size;
  int32_t query;           /* nonzero: the texts ask; else they are documents */
  int64_t top_k;           /* the greatest so many; 0: all */
  const char* prompt_name; /* NULL: the model's prompt for such texts */
  const char* prompt;      /* wins over prompt_name */
  tamis_truncation truncation;
} tamis_embed_sparse_options;
void tamis_embed_sparse_options_init(tamis_embed_sparse_options* options);

typedef struct tamis_sparse_weight {
  tamis_string token; /* as it stands in the vocabulary */
  int32_t id;
  float weight;
} tamis_sparse_weight;

/* Of a model loaded for "embed-sparse" or "embed-all". */
tamis_status tamis_embed_sparse(const tamis_model* model, const tamis_string* texts, size_t count,
                                const tamis_embed_sparse_options* options, tamis_results** results);
/* Of embed_sparse and embed_all, falling. */
tamis_status tamis_results_sparse(const tamis_results* results, size_t index,
                                  const tamis_sparse_weight** weights, size_t* count);

typedef struct tamis_embed_multi_options {
  size_t struct_size;
  int32_t query; /* as above, ... */
  const char* prompt_name;
  const char* prompt;
  tamis_truncation truncation;
} tamis_embed_multi_options;
void tamis_embed_multi_options_init(tamis_embed_multi_options* options);

/* Of a model loaded for "embed-multi" or "embed-all". */
tamis_status tamis_embed_multi(const tamis_model* model, const tamis_string* texts, size_t count,
                               const tamis_embed_multi_options* options, tamis_results** results);
/* Of a model loaded for "embed-all": vector, weights and vectors of tokens in one run. */
tamis_status tamis_embed_all(const tamis_model* model, const tamis_string* texts, size_t count,
                             const tamis_embed_multi_options* options, tamis_results** results);
/* Of embed_multi and embed_all: [rows, columns], a row a token, and the tokens' ids. */
tamis_status tamis_results_vectors(const tamis_results* results, size_t index, const float** values,
                                   const int32_t** token_ids, size_t* rows, size_t* columns);
/* Of embed_all: the text's one vector. */
tamis_status tamis_results_embedding(const tamis_results* results, size_t index,
                                     const float** values, size_t* count);

typedef struct tamis_input {
  tamis_string text;
  tamis_string pair; /* data NULL: none */
} tamis_input;

typedef struct tamis_label_score {
  tamis_string label;
  float score;
  int64_t id; /* among the model's labels; -1 for the caller's */
} tamis_label_score;

typedef enum tamis_score_function TAMIS_ENUM_BASE {
  TAMIS_SCORES_DEFAULT = 0,
  TAMIS_SCORES_SOFTMAX = 1,
  TAMIS_SCORES_SIGMOID = 2,
  TAMIS_SCORES_NONE = 3
} tamis_score_function;

typedef struct tamis_classify_options {
  size_t struct_size;
  int64_t top_k; /* 0: all labels */
  tamis_score_function function;
  tamis_truncation truncation;
} tamis_classify_options;
void tamis_classify_options_init(tamis_classify_options* options);

tamis_status tamis_classify(const tamis_model* model, const tamis_input* inputs, size_t count,
                            const tamis_classify_options* options, tamis_results** results);

typedef struct tamis_zero_shot_options {
  size_t struct_size;
  const char* hypothesis_template; /* NULL: "This example is {}." */
  int32_t multi_label;
  tamis_truncation truncation;
} tamis_zero_shot_options;
void tamis_zero_shot_options_init(tamis_zero_shot_options* options);

tamis_status tamis_zero_shot(const tamis_model* model, const tamis_string* texts, size_t count,
                             const tamis_string* labels, size_t label_count,
                             const tamis_zero_shot_options* options, tamis_results** results);

/* Of classify and zero-shot, falling. */
tamis_status tamis_results_labels(const tamis_results* results, size_t index,
                                  const tamis_label_score** labels, size_t* count);
/* Of classify: all of them, in the order of the model's labels. */
tamis_status tamis_results_logits(const tamis_results* results, size_t index, const float** logits,
                                  size_t* count);

typedef struct tamis_rerank_options {
  size_t struct_size;
  int64_t top_k; /* 0: all */
  int32_t raw_scores;
  tamis_truncation truncation;
} tamis_rerank_options;
void tamis_rerank_options_init(tamis_rerank_options* options);

typedef struct tamis_ranked_text {
  int64_t index; /* in texts */
  float score;
} tamis_ranked_text;

tamis_status tamis_rerank(const tamis_model* model, tamis_string query, const tamis_string* texts,
                          size_t count, const tamis_rerank_options* options,
                          tamis_results** results);
/* The score of each pair, whose text is the query: out[i] of pairs[i]; out_size counts floats. */
tamis_status tamis_score(const tamis_model* model, const tamis_input* pairs, size_t count,
                         const tamis_rerank_options* options, float* out, size_t out_size);
tamis_status tamis_results_ranked(const tamis_results* results, const tamis_ranked_text** ranked,
                                  size_t* count);

typedef enum tamis_aggregation TAMIS_ENUM_BASE {
  TAMIS_AGGREGATION_SIMPLE = 0,
  TAMIS_AGGREGATION_NONE = 1,
  TAMIS_AGGREGATION_FIRST = 2,
  TAMIS_AGGREGATION_AVERAGE = 3,
  TAMIS_AGGREGATION_MAX = 4
} tamis_aggregation;

typedef struct tamis_ner_options {
  size_t struct_size;
  tamis_aggregation aggregation;
  const tamis_string* ignore_labels; /* NULL: "O" */
  size_t ignore_label_count;
  int64_t stride; /* tokens that windows share; -1: one window */
  tamis_truncation truncation;
  /* Of a model that reads labels with the text (GLiNER): what to look for. */
  const tamis_string* labels; /* NULL: none */
  size_t label_count;
  float threshold;     /* least probability; negative: 0.5 */
  int32_t nested;      /* entities may lie inside one another */
  int32_t multi_label; /* words may be an entity under several labels */
} tamis_ner_options;
void tamis_ner_options_init(tamis_ner_options* options);

/* [start, end) in code points of the text. */
typedef struct tamis_entity {
  tamis_string label;
  tamis_string word;
  float score;
  int64_t index; /* of the token; without aggregation only */
  int64_t start;
  int64_t end;
} tamis_entity;

tamis_status tamis_ner(const tamis_model* model, const tamis_string* texts, size_t count,
                       const tamis_ner_options* options, tamis_results** results);
tamis_status tamis_results_entities(const tamis_results* results, size_t index,
                                    const tamis_entity** entities, size_t* count);

/* A number of 0 stands for QaOptions' default. */
typedef struct tamis_qa_options {
  size_t struct_size;
  int64_t top_k;
  int64_t max_answer_len;
  int64_t max_seq_len;
  int64_t doc_stride;
  int64_t max_question_len;
  int32_t handle_impossible_answer;
  int32_t align_to_words; /* 1 by default */
} tamis_qa_options;
void tamis_qa_options_init(tamis_qa_options* options);

typedef struct tamis_answer_span {
  tamis_string answer;
  float score;
  int64_t start;
  int64_t end;
} tamis_answer_span;

tamis_status tamis_answer(const tamis_model* model, tamis_string question, tamis_string context,
                          const tamis_qa_options* options, tamis_results** results);
tamis_status tamis_results_answers(const tamis_results* results, const tamis_answer_span** answers,
                                   size_t* count);

typedef struct tamis_fill_mask_options {
  size_t struct_size;
  int64_t top_k; /* 5 by default */
  const tamis_string* targets;
  size_t target_count; /* 0: the whole vocabulary */
  tamis_truncation truncation;
} tamis_fill_mask_options;
void tamis_fill_mask_options_init(tamis_fill_mask_options* options);

typedef struct tamis_masked_token {
  tamis_string token_str;
  tamis_string sequence;
  float score;
  int32_t token;
} tamis_masked_token;

tamis_status tamis_fill_mask(const tamis_model* model, const tamis_string* texts, size_t count,
                             const tamis_fill_mask_options* options, tamis_results** results);
/* Mask tokens of that input, and what may stand there. */
size_t tamis_results_mask_count(const tamis_results* results, size_t index);
tamis_status tamis_results_masked(const tamis_results* results, size_t index, size_t mask,
                                  const tamis_masked_token** tokens, size_t* count);

typedef struct tamis_token {
  tamis_string token;
  int32_t id;
  int32_t start; /* code points of the text; 0, 0 for tokens that were added */
  int32_t end;
} tamis_token;

tamis_status tamis_tokenize(const tamis_model* model, tamis_string text, tamis_results** results);
tamis_status tamis_results_tokens(const tamis_results* results, const tamis_token** tokens,
                                  size_t* count);

/* ---- Token ids in ---------------------------------------------------------------------------- */

typedef struct tamis_ids {
  const int32_t* ids;
  const int32_t* type_ids; /* NULL: 0 everywhere */
  size_t count;
} tamis_ids;

/* What the model itself gives: see Model::run of <tamis/model.h>. */
tamis_status tamis_run(const tamis_model* model, const tamis_ids* inputs, size_t count,
                       tamis_results** results);
tamis_status tamis_results_matrix(const tamis_results* results, const float** values, int64_t* rows,
                                  int64_t* columns);

/* ---- Bundles --------------------------------------------------------------------------------- */

typedef struct tamis_optimize_options {
  size_t struct_size;
  tamis_load_options load; /* its precision: NULL or "auto", "int8", "bf16", "fp32" */
  int32_t force;
  const char* budget; /* NULL: by the task; "flips=0.5%" */
  int32_t certify;
  const tamis_input* calibration; /* texts, or */
  size_t calibration_count;
  const char* calibration_file; /* a .txt, .tsv or .jsonl file, or neither */
  const char* scheme;
  const char* const* enable; /* globs */
  size_t enable_count;
  const char* const* disable;
  size_t disable_count;
  int32_t measure;
  double seconds; /* 0: 1 */
  /* Called on this thread; nonzero goes on, 0 ends with TAMIS_CANCELLED. May be NULL. */
  int32_t (*progress)(void* context, tamis_string stage, double fraction);
  void* progress_context;
  const char* embeddings;        /* how tables are stored: NULL, "fp32", "fp16" or "int8" */
  const tamis_input* certify_on; /* texts to measure and certify on; as calibration */
  size_t certify_on_count;
  const char* certify_on_file;
} tamis_optimize_options;
void tamis_optimize_options_init(tamis_optimize_options* options);

/* Makes a bundle, whole or not at all. `report`, which may be NULL, gets report.json, to be freed
 * with tamis_results_free() and read with tamis_results_text(). */
tamis_status tamis_optimize(const char* model, const char* bundle,
                            const tamis_optimize_options* options, tamis_results** report);
tamis_status tamis_results_text(const tamis_results* results, tamis_string* text);

#ifdef __cplusplus
}
#endif

#endif /* TAMIS_TAMIS_H */
