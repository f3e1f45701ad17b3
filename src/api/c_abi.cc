// The functions of <tamis/tamis.h>: each catches what the C++ face throws.
#include <new>

#include "api/c_options.h"
#include "api/c_results.h"
#include "base/log.h"
#include "base/version.h"

struct tamis_model {
  explicit tamis_model(tamis::Model loaded);

  tamis::Model model;
  tamis::ModelInfo info;
  std::vector<tamis_string> labels;  // of info
  std::vector<tamis_string> prompt_names;
  std::vector<tamis_string> prompts;
};

tamis_model::tamis_model(tamis::Model loaded) : model(std::move(loaded)), info(model.info()) {
  for (const std::string& label : info.labels) labels.push_back(tamis::api::c_string(label));
  for (const std::string& name : info.prompt_names) {
    prompt_names.push_back(tamis::api::c_string(name));
  }
  for (const std::string& text : info.prompts) prompts.push_back(tamis::api::c_string(text));
}

namespace tamis::api {

namespace {

std::string& last_error() {
  thread_local std::string message;
  return message;
}

tamis_status remember(tamis_status status, const char* message) noexcept {
  try {
    last_error() = message;
  } catch (...) {
    last_error().clear();
  }
  return status;
}

// Runs `body`; the status of what it throws.
template <typename Body>
tamis_status guarded(const Body& body) noexcept {
  try {
    body();
    return TAMIS_OK;
  } catch (const Error& error) {
    return remember(static_cast<tamis_status>(exit_status(error.code())), error.what());
  } catch (const std::bad_alloc&) {
    return remember(TAMIS_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return remember(TAMIS_INTERNAL, error.what());
  } catch (...) {
    return remember(TAMIS_INTERNAL, "unknown");
  }
}

void require(const void* pointer, std::string_view name) {
  if (pointer == nullptr) fail(ErrorCode::kInvalidArgument, name, " is NULL");
}

// Results of all ways to embed are read as those of each.
bool holds(CResultKind results, CResultKind wanted) {
  const bool part = wanted == CResultKind::kSparse || wanted == CResultKind::kVectors;
  return results == wanted || (results == CResultKind::kAllEmbeddings && part);
}

void require_kind(const tamis_results* results, CResultKind kind, size_t index) {
  require(results, "results");
  if (!holds(results->kind, kind)) {
    fail(ErrorCode::kInvalidArgument, "results: they are of another task than this function's");
  }
  if (index >= results->count) {
    fail(ErrorCode::kInvalidArgument, "results: index ", index, " of ", results->count);
  }
}

template <typename Item>
void give(const std::vector<Item>& items, const Item** out, size_t* count) {
  require(out, "the array's place");
  require(count, "count");
  *out = items.data();
  *count = items.size();
}

// Fills `*results` with what `work` gives for the model.
template <typename Work>
tamis_status answer_with(const tamis_model* model, tamis_results** results,
                         const Work& work) noexcept {
  return guarded([&] {
    require(model, "model");
    require(results, "results");
    *results = c_results(work(model->model)).release();
  });
}

std::vector<TokenIds> token_ids(const tamis_ids* inputs, size_t count) {
  check_array(inputs, count, "inputs");
  std::vector<TokenIds> out;
  for (size_t i = 0; i < count; ++i) {
    check_array(inputs[i].ids, inputs[i].count, "ids");
    TokenIds item;
    item.ids.assign(inputs[i].ids, inputs[i].ids + inputs[i].count);
    if (inputs[i].type_ids != nullptr) {
      item.type_ids.assign(inputs[i].type_ids, inputs[i].type_ids + inputs[i].count);
    }
    out.push_back(std::move(item));
  }
  return out;
}

tamis_model_info info_of(const tamis_model& model) {
  tamis_model_info info = {};
  info.family = model.info.family.c_str();
  info.task = model.info.task.c_str();
  info.precision = model.info.precision.c_str();
  info.parameters = model.info.parameters;
  info.max_length = model.info.max_length;
  info.hidden_size = model.info.hidden_size;
  info.output_size = model.info.output_size;
  info.labels = model.labels.data();
  info.label_count = model.labels.size();
  info.prompt_names = model.prompt_names.data();
  info.prompt_name_count = model.prompt_names.size();
  info.similarity = model.info.similarity.c_str();
  info.prompts = model.prompts.data();
  info.default_prompt_name = model.info.default_prompt_name.c_str();
  info.score_activation = model.info.score_activation.c_str();
  info.truncate_dim = model.info.truncate_dim;
  return info;
}

}  // namespace

}  // namespace tamis::api

using namespace tamis::api;  // NOLINT(google-build-using-namespace): the functions stand in none

extern "C" {

const char* tamis_version(void) {
  static const std::string text(tamis::version());
  return text.c_str();
}
int32_t tamis_abi_version(void) { return TAMIS_ABI_VERSION; }

const char* tamis_last_error(void) { return last_error().c_str(); }

void tamis_set_log_sink(tamis_log_sink sink, void* context) {
  if (sink == nullptr) return tamis::set_log_sink({});
  tamis::set_log_sink([sink, context](tamis::LogLevel level, std::string_view message) {
    sink(context, static_cast<tamis_log_level>(level), {message.data(), message.size()});
  });
}

tamis_status tamis_model_load(const char* path, const tamis_load_options* options,
                              tamis_model** model) {
  return guarded([&] {
    require(path, "path");
    require(model, "model");
    const tamis_load_options given = read_options(options, tamis_load_options_init);
    *model = std::make_unique<tamis_model>(tamis::Model::load(path, cpp_options(given))).release();
  });
}

void tamis_model_free(tamis_model* model) { delete model; }

tamis_status tamis_model_get_info(const tamis_model* model, tamis_model_info* info) {
  return guarded([&] {
    require(model, "model");
    require(info, "info");
    const size_t size = std::min(info->struct_size, sizeof(tamis_model_info));
    if (size <= sizeof(size_t)) {
      tamis::fail(tamis::ErrorCode::kInvalidArgument, "info: set struct_size first");
    }
    tamis_model_info whole = info_of(*model);
    whole.struct_size = info->struct_size;
    std::memcpy(info, &whole, size);
  });
}

tamis_status tamis_embedding_size(const tamis_model* model, const tamis_embed_options* options,
                                  int64_t* size) {
  return guarded([&] {
    require(model, "model");
    require(size, "size");
    const auto given = read_options(options, tamis_embed_options_init);
    *size = model->model.embedding_size(cpp_options(given));
  });
}

tamis_status tamis_embed(const tamis_model* model, const tamis_string* texts, size_t count,
                         const tamis_embed_options* options, float* out, size_t out_size) {
  return guarded([&] {
    require(model, "model");
    if (out_size > 0) require(out, "out");
    const auto given = read_options(options, tamis_embed_options_init);
    model->model.embed_into(cpp_strings(texts, count), cpp_options(given), out, out_size);
  });
}

tamis_status tamis_embed_sparse(const tamis_model* model, const tamis_string* texts, size_t count,
                                const tamis_embed_sparse_options* options,
                                tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    const auto given = read_options(options, tamis_embed_sparse_options_init);
    return loaded.embed_sparse(cpp_strings(texts, count), cpp_options(given));
  });
}

tamis_status tamis_embed_multi(const tamis_model* model, const tamis_string* texts, size_t count,
                               const tamis_embed_multi_options* options, tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    const auto given = read_options(options, tamis_embed_multi_options_init);
    return loaded.embed_multi(cpp_strings(texts, count), cpp_options(given));
  });
}

tamis_status tamis_embed_all(const tamis_model* model, const tamis_string* texts, size_t count,
                             const tamis_embed_multi_options* options, tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    const auto given = read_options(options, tamis_embed_multi_options_init);
    return loaded.embed_all(cpp_strings(texts, count), cpp_all_options(given));
  });
}

tamis_status tamis_classify(const tamis_model* model, const tamis_input* inputs, size_t count,
                            const tamis_classify_options* options, tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    const auto given = read_options(options, tamis_classify_options_init);
    return loaded.classify(cpp_inputs(inputs, count), cpp_options(given));
  });
}

tamis_status tamis_zero_shot(const tamis_model* model, const tamis_string* texts, size_t count,
                             const tamis_string* labels, size_t label_count,
                             const tamis_zero_shot_options* options, tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    const auto given = read_options(options, tamis_zero_shot_options_init);
    return loaded.zero_shot(cpp_strings(texts, count), cpp_strings(labels, label_count),
                            cpp_options(given));
  });
}

tamis_status tamis_rerank(const tamis_model* model, tamis_string query, const tamis_string* texts,
                          size_t count, const tamis_rerank_options* options,
                          tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    const auto given = read_options(options, tamis_rerank_options_init);
    return loaded.rerank(cpp_string(query), cpp_strings(texts, count), cpp_options(given));
  });
}

tamis_status tamis_score(const tamis_model* model, const tamis_input* pairs, size_t count,
                         const tamis_rerank_options* options, float* out, size_t out_size) {
  return guarded([&] {
    require(model, "model");
    if (out_size > 0) require(out, "out");
    if (out_size != count) {
      tamis::fail(tamis::ErrorCode::kInvalidArgument, "room for ", out_size, " scores, but ", count,
                  " pairs are given");
    }
    const auto given = read_options(options, tamis_rerank_options_init);
    std::ranges::copy(model->model.score(cpp_inputs(pairs, count), cpp_options(given)), out);
  });
}

tamis_status tamis_ner(const tamis_model* model, const tamis_string* texts, size_t count,
                       const tamis_ner_options* options, tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    const auto given = read_options(options, tamis_ner_options_init);
    return loaded.ner(cpp_strings(texts, count), cpp_options(given));
  });
}

tamis_status tamis_answer(const tamis_model* model, tamis_string question, tamis_string context,
                          const tamis_qa_options* options, tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    const auto given = read_options(options, tamis_qa_options_init);
    return loaded.answer(cpp_string(question), cpp_string(context), cpp_options(given));
  });
}

tamis_status tamis_fill_mask(const tamis_model* model, const tamis_string* texts, size_t count,
                             const tamis_fill_mask_options* options, tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    const auto given = read_options(options, tamis_fill_mask_options_init);
    return loaded.fill_mask(cpp_strings(texts, count), cpp_options(given));
  });
}

tamis_status tamis_tokenize(const tamis_model* model, tamis_string text, tamis_results** results) {
  return answer_with(model, results,
                     [&](const tamis::Model& loaded) { return loaded.tokenize(cpp_string(text)); });
}

tamis_status tamis_run(const tamis_model* model, const tamis_ids* inputs, size_t count,
                       tamis_results** results) {
  return answer_with(model, results, [&](const tamis::Model& loaded) {
    return loaded.run(token_ids(inputs, count));
  });
}

tamis_status tamis_optimize(const char* model, const char* bundle,
                            const tamis_optimize_options* options, tamis_results** report) {
  return guarded([&] {
    require(model, "model");
    require(bundle, "bundle");
    const auto given = read_options(options, tamis_optimize_options_init);
    auto results = c_results(tamis::optimize(model, bundle, cpp_options(given)).json);
    if (report != nullptr) *report = results.release();
  });
}

void tamis_results_free(tamis_results* results) { delete results; }

size_t tamis_results_count(const tamis_results* results) {
  return results == nullptr ? 0 : results->count;
}

int32_t tamis_results_truncated(const tamis_results* results, size_t index) {
  return results != nullptr && index < results->count && results->truncated[index] ? 1 : 0;
}

tamis_status tamis_results_labels(const tamis_results* results, size_t index,
                                  const tamis_label_score** labels, size_t* count) {
  return guarded([&] {
    require_kind(results, CResultKind::kLabels, index);
    give(results->labels[index], labels, count);
  });
}

tamis_status tamis_results_logits(const tamis_results* results, size_t index, const float** logits,
                                  size_t* count) {
  return guarded([&] {
    require_kind(results, CResultKind::kLabels, index);
    if (results->logits.empty()) {
      tamis::fail(tamis::ErrorCode::kInvalidArgument, "results: zero-shot has no logits");
    }
    give(results->logits[index], logits, count);
  });
}

tamis_status tamis_results_sparse(const tamis_results* results, size_t index,
                                  const tamis_sparse_weight** weights, size_t* count) {
  return guarded([&] {
    require_kind(results, CResultKind::kSparse, index);
    give(results->sparse[index], weights, count);
  });
}

tamis_status tamis_results_vectors(const tamis_results* results, size_t index, const float** values,
                                   const int32_t** token_ids, size_t* rows, size_t* columns) {
  return guarded([&] {
    require_kind(results, CResultKind::kVectors, index);
    require(values, "values");
    require(columns, "columns");
    const tamis::EmbedMultiResult& found = results->vectors[index];
    give(found.token_ids, token_ids, rows);
    *values = found.vectors.data();
    *columns = static_cast<size_t>(found.columns);
  });
}

tamis_status tamis_results_embedding(const tamis_results* results, size_t index,
                                     const float** values, size_t* count) {
  return guarded([&] {
    require_kind(results, CResultKind::kAllEmbeddings, index);
    give(results->embeddings[index], values, count);
  });
}

tamis_status tamis_results_ranked(const tamis_results* results, const tamis_ranked_text** ranked,
                                  size_t* count) {
  return guarded([&] {
    require_kind(results, CResultKind::kRanked, 0);
    give(results->ranked, ranked, count);
  });
}

tamis_status tamis_results_entities(const tamis_results* results, size_t index,
                                    const tamis_entity** entities, size_t* count) {
  return guarded([&] {
    require_kind(results, CResultKind::kEntities, index);
    give(results->entities[index], entities, count);
  });
}

tamis_status tamis_results_answers(const tamis_results* results, const tamis_answer_span** answers,
                                   size_t* count) {
  return guarded([&] {
    require_kind(results, CResultKind::kAnswers, 0);
    give(results->answers, answers, count);
  });
}

size_t tamis_results_mask_count(const tamis_results* results, size_t index) {
  if (results == nullptr || results->kind != CResultKind::kMasked || index >= results->count) {
    return 0;
  }
  return results->masked[index].size();
}

tamis_status tamis_results_masked(const tamis_results* results, size_t index, size_t mask,
                                  const tamis_masked_token** tokens, size_t* count) {
  return guarded([&] {
    require_kind(results, CResultKind::kMasked, index);
    if (mask >= results->masked[index].size()) {
      tamis::fail(tamis::ErrorCode::kInvalidArgument, "results: mask ", mask, " of ",
                  results->masked[index].size());
    }
    give(results->masked[index][mask], tokens, count);
  });
}

tamis_status tamis_results_tokens(const tamis_results* results, const tamis_token** tokens,
                                  size_t* count) {
  return guarded([&] {
    require_kind(results, CResultKind::kTokens, 0);
    give(results->tokens, tokens, count);
  });
}

tamis_status tamis_results_matrix(const tamis_results* results, const float** values, int64_t* rows,
                                  int64_t* columns) {
  return guarded([&] {
    require_kind(results, CResultKind::kMatrix, 0);
    require(values, "values");
    require(rows, "rows");
    require(columns, "columns");
    *values = results->matrix.values.data();
    *rows = results->matrix.rows;
    *columns = results->matrix.columns;
  });
}

tamis_status tamis_results_text(const tamis_results* results, tamis_string* text) {
  return guarded([&] {
    require_kind(results, CResultKind::kText, 0);
    require(text, "text");
    *text = c_string(results->text);
  });
}

}  // extern "C"
