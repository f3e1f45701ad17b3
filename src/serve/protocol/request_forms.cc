// The table of every route's fields. A row is read by Fields, which checks kind and bounds, and
// written into /openapi.json.
#include "serve/protocol/fields.h"

namespace tamis::serve {

namespace {

// Lengths in tokens and counts of labels: more than any model has, and far from overflow.
constexpr int64_t kMostCount = int64_t{1} << 30;
// Answers to one question. Each takes part in a sort for each window of the context.
constexpr int64_t kMostAnswers = 1000;
// Of one tensor's bytes behind the JSON.
constexpr int64_t kMostBytes = int64_t{1} << 40;
// Scheduling parameters are unsigned 64-bit in Triton; doubles hold whole numbers up to here.
constexpr int64_t kMostNumber = int64_t{1} << 53;

constexpr Field flag(std::string_view name, std::string_view help, std::string_view fallback = {}) {
  return {.name = name, .kind = FieldKind::kBool, .help = help, .fallback = fallback};
}
constexpr Field count(std::string_view name, int64_t least, int64_t most, std::string_view help,
                      std::string_view fallback = {}) {
  return {.name = name,
          .kind = FieldKind::kInt,
          .help = help,
          .least = least,
          .most = most,
          .fallback = fallback};
}
constexpr Field number(std::string_view name, int64_t least, int64_t most, std::string_view help,
                       std::string_view fallback = {}) {
  return {.name = name,
          .kind = FieldKind::kNumber,
          .help = help,
          .least = least,
          .most = most,
          .fallback = fallback};
}
constexpr Field text(std::string_view name, std::string_view help) {
  return {.name = name, .kind = FieldKind::kText, .help = help};
}
constexpr Field word(std::string_view name, std::string_view words, std::string_view help,
                     std::string_view fallback = {}) {
  return {
      .name = name, .kind = FieldKind::kWord, .help = help, .words = words, .fallback = fallback};
}
constexpr Field toggle(std::string_view name, std::string_view words, std::string_view help) {
  return {.name = name, .kind = FieldKind::kSwitch, .help = help, .words = words};
}
constexpr Field list(std::string_view name, std::string_view help) {
  return {.name = name, .kind = FieldKind::kTexts, .help = help};
}
constexpr Field words(std::string_view name, std::string_view words, std::string_view help) {
  return {.name = name, .kind = FieldKind::kTexts, .help = help, .words = words};
}
constexpr Field texts(std::string_view name, std::string_view help) {
  return {.name = name, .kind = FieldKind::kTextOrList, .help = help};
}
constexpr Field object(std::string_view name, std::string_view schema, std::string_view help) {
  return {.name = name, .kind = FieldKind::kObject, .help = help, .schema = schema};
}
constexpr Field input(std::string_view name, std::string_view schema, std::string_view help) {
  return {.name = name, .kind = FieldKind::kJson, .help = help, .schema = schema};
}
constexpr Field only(std::string_view name, std::string_view words, std::string_view help) {
  return {.name = name, .kind = FieldKind::kOnly, .help = help, .words = words};
}
constexpr Field must(Field field) {
  field.required = true;
  return field;
}

constexpr Field kModel = text("model", "A loaded model; needed where several can do the task");
constexpr Field kTruncate =
    flag("truncate", "Cut texts that are too long; false refuses them (default: the server's)");
constexpr Field kDirection =
    word("truncation_direction", "left|right", "The end from which texts are cut");
constexpr Field kPromptName = text("prompt_name", "A prompt of the model, put before each text");
constexpr Field kDimensions =
    count("dimensions", 1, kMostCount, "Numbers of a vector; the rest is cut off");

constexpr Field kPromptTokens = count("truncate_prompt_tokens", -1, kMostCount,
                                      "vLLM's; longest text in tokens, -1: the model's");

constexpr Field kTeiTruncation[] = {kModel, kTruncate, kDirection};

constexpr Field kEmbed[] = {
    must(input("inputs", "TextsOrIds", "")),
    flag("normalize", "Vectors of unit length", "true"),
    kDimensions,
    kPromptName,
};

constexpr Field kEmbedAll[] = {must(input("inputs", "TextsOrIds", "")), kPromptName};

constexpr Field kEmbedSparse[] = {
    must(input("inputs", "TextsOrIds", "")),
    kPromptName,
    flag("query", "The texts ask, where a model reads these otherwise than documents", "false"),
};

constexpr Field kPredict[] = {
    must(input("inputs", "PredictInputs", "")),
    flag("raw_scores", "Logits as they are", "false"),
};

constexpr Field kSimilarity[] = {
    must(object("inputs", "SimilarityInputs", "")),
    object("parameters", "SimilarityParameters", ""),
    kModel,
};

constexpr Field kSimilarityInputs[] = {
    must(text("source_sentence", "What is compared with the others")),
    must(list("sentences", "The others")),
};

constexpr Field kSimilarityParameters[] = {kTruncate, kDirection, kPromptName};

constexpr Field kTokenize[] = {
    must(texts("inputs", "")),
    kModel,
    flag("add_special_tokens", "", "true"),
    kPromptName,
};

constexpr Field kDecode[] = {
    must(input("ids", "IdLists", "")),
    kModel,
    flag("skip_special_tokens", "", "true"),
};

constexpr std::string_view kVectorTypes = "float|int8|uint8|binary|ubinary";

constexpr Field kEmbeddings[] = {
    must(input("input", "TextsOrIds", "")),
    kModel,
    word("encoding_format", "float|base64", "base64: little-endian float32, or a byte a number",
         "\"float\""),
    kDimensions,
    text("user", "Taken and not looked at"),
};

// What clients of Voyage, Jina, NVIDIA, Infinity and vLLM send to the same route.
constexpr Field kEmbeddingsOfOthers[] = {
    word("embedding_type", "float|base64|int8|uint8|binary|ubinary",
         "Jina's encoding_format and output_dtype"),
    count("output_dimension", 1, kMostCount, "Voyage's dimensions"),
    word("output_dtype", kVectorTypes, "Voyage's; numbers of 8 bits, or signs, eight to a number",
         "\"float\""),
    only("embedding_types", "[\"float\"]", "Cohere's; /v1/embed has the others"),
    only("embed_dtype", "float32", "vLLM's; other types are not built"),
    only("endianness", "native|little", "vLLM's; of base64"),
    flag("normalized", "Jina's; vectors of unit length", "true"),
    flag("truncation", "Voyage's; false refuses texts that are too long"),
    toggle("truncate", "none|start|end", "Jina's and NVIDIA's; the end from which texts are cut"),
    kPromptTokens,
    text("input_type", "Voyage's and NVIDIA's; the prompt of this name, if the model has it"),
    text("task", "Jina's; the prompt of this name, which the model must have"),
    only("late_chunking", "false", "Jina's; not built"),
    only("return_multivector", "false", "Jina's; not built"),
    only("add_special_tokens", "true", "vLLM's; ids go in as they are"),
    only("modality", "text", "Infinity's"),
};

constexpr Field kTeiRerank[] = {
    must(text("query", "")),
    must(list("texts", "What is ranked")),
    flag("raw_scores", "Logits as they are", "false"),
    flag("return_text", "", "false"),
};

constexpr Field kRerank[] = {
    must(text("query", "")),
    must(input("documents", "Documents", "What is ranked")),
    kModel,
    count("top_n", 1, kMostCount, "Results to give; all by default"),
    count("top_k", 1, kMostCount, "Voyage's top_n"),
    flag("return_documents", "", "false"),
    count("max_tokens_per_doc", 1, kMostCount, "Longer documents are cut"),
    count("max_chunks_per_doc", 1, kMostCount,
          "Longer documents than the model takes are split; the best chunk counts", "1"),
    count("priority", 0, 999, "The lowest goes first", "0"),
    list("rank_fields", "Members of documents that are ranked, a line each"),
    flag("raw_scores", "Logits as they are", "false"),
    flag("truncation", "Cut texts that are too long; false refuses them (default: the server's)"),
    only("return_embeddings", "false", "Jina's; not built"),
};

constexpr Field kPipelineTruncation[] = {
    toggle("truncation", "only_first|only_second|longest_first|do_not_truncate",
           "Cut texts that are too long, or refuse them (default: the server's)"),
    toggle("truncate", "only_first|only_second|longest_first|do_not_truncate", "The same"),
    kDirection,
    count("max_length", 1, kMostCount, "Longest text in tokens; at most the model's"),
};

constexpr Field kEmbedOptions[] = {
    flag("normalize", "Vectors of unit length (default: the model's)"),
    kDimensions,
    kPromptName,
};

constexpr Field kClassifyOptions[] = {
    count("top_k", 1, kMostCount, "Labels to give; all by default"),
    word("function_to_apply", "softmax|sigmoid|none", "Default: the model's"),
};

constexpr Field kNerOptions[] = {
    word("aggregation_strategy", "none|simple|first|average|max", "", "\"simple\""),
    list("ignore_labels", "Labels that are no entity; O by default"),
    count("stride", 0, kMostCount, "Tokens that windows of a long text share; none: it is cut"),
    list("labels", "What to look for, of a model that reads labels with the text (GLiNER)"),
    number("threshold", 0, 1, "With labels: least probability; 0.5 by default"),
    flag("flat_ner", "With labels: no entity inside another (default: true)"),
    flag("multi_label", "With labels: words may be an entity under several (default: false)"),
};

constexpr Field kQaOptions[] = {
    count("top_k", 1, kMostAnswers, "Answers to give, in a list; none: the best, alone"),
    count("max_answer_len", 1, kMostCount, "In tokens", "15"),
    flag("handle_impossible_answer", "An empty answer is one too", "false"),
    flag("align_to_words", "Answers begin and end with words", "true"),
    count("max_seq_len", 1, kMostCount, "Tokens of a window; 384 or the model's most"),
    count("doc_stride", 0, kMostCount, "Tokens that windows share; 128 or half a window"),
    count("max_question_len", 1, kMostCount, "Longer questions are cut"),
};

constexpr Field kFillMaskOptions[] = {
    count("top_k", 1, kMostCount, "Words for each mask", "5"),
    texts("targets", "Words to choose from; the vocabulary by default"),
};

constexpr Field kZeroShotOptions[] = {
    must(texts("candidate_labels", "Labels in a list, or in a string with commas")),
    text("hypothesis_template", "With {} for the label; \"This example is {}.\" by default"),
    flag("multi_label", "Each label for itself", "false"),
};

constexpr Field kPipeline[] = {
    must(input("inputs", "PipelineInputs", "")),
    kModel,
    object("parameters", "PipelineParameters", "Those of the model's task"),
};

constexpr Field kClassifyInput[] = {must(input("input", "TextsOrPairs", "")), kModel};
constexpr Field kNerInput[] = {must(input("input", "Texts", "")), kModel};
constexpr Field kQaInput[] = {
    kModel,
    input("input", "Questions", "Several questions, or one"),
    text("question", "One question, without `input`"),
    text("context", "What it is asked of"),
};

constexpr Field kCohereEmbed[] = {
    kModel,
    list("texts", "What is embedded"),
    input("inputs", "CohereInputs", "The same, where texts are parts of a content"),
    word("input_type", "search_document|search_query|classification|clustering",
         "The prompt of this name, or of its last word, if the model has it"),
    words("embedding_types", "float|int8|uint8|binary|ubinary|base64", "Float by default"),
    count("output_dimension", 1, kMostCount, "Numbers of a vector; the rest is cut off"),
    count("max_tokens", 1, kMostCount, "Longest text in tokens; at most the model's"),
    word("truncate", "none|start|end", "The end from which texts are cut, or none"),
    count("priority", 0, 999, "The lowest goes first", "0"),
    only("images", "[]", "Texts alone are embedded"),
};

constexpr Field kCohereTokenize[] = {must(text("text", "")), kModel};
constexpr Field kDetokenize[] = {must(input("tokens", "Ids", "")), kModel};

constexpr Field kScore[] = {
    kModel,
    texts("text_1", "One text, or as many as text_2 has"),
    texts("text_2", "What text_1 is held against"),
    texts("queries", "text_1"),
    texts("documents", "text_2"),
    flag("use_activation", "A score; false: the reranker's logit as it is", "true"),
    flag("activation", "The same"),
    kPromptTokens,
};

constexpr Field kVllmClassify[] = {
    must(texts("input", "")),
    kModel,
    flag("use_activation", "Probabilities; false: logits as they are", "true"),
    flag("activation", "The same"),
    kPromptTokens,
};

constexpr Field kPooling[] = {
    must(input("input", "TextsOrIds", "")),
    kModel,
    word("task", "embed|classify|token_embed", "Default: what the model is for"),
    word("encoding_format", "float|base64", "base64: little-endian float32", "\"float\""),
    flag("normalize", "Vectors of unit length (default: the model's); of embed alone"),
    flag("use_activation", "embed: the same; classify: probabilities; false: as they are"),
    kDimensions,
    kPromptTokens,
};

constexpr Field kVllmTokenize[] = {
    must(text("prompt", "")),
    kModel,
    flag("add_special_tokens", "", "true"),
    flag("return_token_strs", "", "false"),
};

constexpr Field kInfinityClassify[] = {
    must(texts("input", "")),
    kModel,
    flag("raw_scores", "Logits as they are", "false"),
};

constexpr Field kOllamaEmbed[] = {
    must(texts("input", "")),
    kModel,
    kTruncate,
    kDimensions,
};
constexpr Field kOllamaEmbeddings[] = {must(text("prompt", "")), kModel};

constexpr Field kInstances[] = {
    must(input("instances", "Instances", "")),
    object("parameters", "PipelineParameters", "Those of the model's task"),
};

constexpr Field kNoRegion = only("shared_memory_region", "null", "Shared memory is not spoken");

constexpr Field kInfer[] = {
    must(input("inputs", "InferInputs", "")),
    input("outputs", "InferOutputs", "Those to give; all that cost nothing extra by default"),
    text("id", "Comes back with the answer"),
    object("parameters", "InferParameters", ""),
};

constexpr Field kInferParameters[] = {
    count("priority", 0, kMostNumber, "1 goes first; 0: the middle", "0"),
    count("timeout", 0, kMostNumber, "Microseconds; 0: the server's", "0"),
    flag("binary_data_output", "Outputs as bytes behind the JSON", "false"),
    flag("truncate", "Cut texts that are too long; false refuses them (default: the server's)"),
    flag("triton_enable_empty_final_response", "Triton's, for streams; each has one answer here"),
};

constexpr Field kInferInput[] = {
    must(text("name", "")),
    must(text("datatype", "BYTES, INT32, ...")),
    must(input("shape", "Shape", "")),
    input("data", "List", "The elements, nested or flat, unless they come as bytes"),
    object("parameters", "InferInputParameters", ""),
};

constexpr Field kInferInputParameters[] = {
    count("binary_data_size", 0, kMostBytes, "Bytes behind the JSON"),
    kNoRegion,
};

constexpr Field kInferOutput[] = {
    must(text("name", "")),
    object("parameters", "InferOutputParameters", ""),
};

constexpr Field kInferOutputParameters[] = {
    flag("binary_data", "As bytes behind the JSON"),
    count("classification", 0, kMostCount, "The best so many as value:index:label; 0: as numbers",
          "0"),
    kNoRegion,
};

constexpr Field kIndex[] = {flag("ready", "Only models that are loaded", "false")};
constexpr Field kRepository[] = {object("parameters", "RepositoryParameters", "")};

constexpr Form kForms[] = {
    {"EmbedRequest", {kEmbed, kTeiTruncation}},
    {"EmbedAllRequest", {kEmbedAll, kTeiTruncation}},
    {"EmbedSparseRequest", {kEmbedSparse, kTeiTruncation}},
    {"PredictRequest", {kPredict, kTeiTruncation}},
    {"TeiRerankRequest", {kTeiRerank, kTeiTruncation}},
    {"SimilarityRequest", {kSimilarity}},
    {"SimilarityInputs", {kSimilarityInputs}},
    {"SimilarityParameters", {kSimilarityParameters}},
    {"TokenizeRequest", {kTokenize}},
    {"DecodeRequest", {kDecode}},
    {"EmbeddingsRequest", {kEmbeddings, kEmbeddingsOfOthers}},
    {"RerankRequest", {kRerank}},
    {"CohereEmbedRequest", {kCohereEmbed}, "`texts` or `inputs`"},
    {"CohereTokenizeRequest", {kCohereTokenize}},
    {"DetokenizeRequest", {kDetokenize}},
    {"ScoreRequest", {kScore}, "`text_1` and `text_2`, or `queries` and `documents`"},
    {"VllmClassifyRequest", {kVllmClassify}},
    {"PoolingRequest", {kPooling}},
    {"VllmTokenizeRequest", {kVllmTokenize}},
    {"InfinityClassifyRequest", {kInfinityClassify}},
    {"OllamaEmbedRequest", {kOllamaEmbed}},
    {"OllamaEmbeddingsRequest", {kOllamaEmbeddings}},
    {"InstancesRequest", {kInstances}},
    {"PipelineRequest",
     {kPipeline},
     "Of feature-extraction the parameters may stand at the top level too. `query` and `texts` in "
     "place of `inputs` are AnyRerankRequest's"},
    {"EmbedParameters", {kEmbedOptions, kPipelineTruncation}},
    {"ClassifyParameters", {kClassifyOptions, kPipelineTruncation}},
    {"NerParameters", {kNerOptions, kPipelineTruncation}},
    {"QaParameters", {kQaOptions}},
    {"FillMaskParameters", {kFillMaskOptions, kPipelineTruncation}},
    {"ZeroShotParameters", {kZeroShotOptions, kPipelineTruncation}},
    {"ClassifyRequest", {kClassifyInput, kClassifyOptions, kPipelineTruncation}},
    {"NerRequest", {kNerInput, kNerOptions, kPipelineTruncation}},
    {"QaRequest", {kQaInput, kQaOptions}, "`question` and `context`, or several as `input`"},
    {"InferRequest", {kInfer}},
    {"InferParameters", {kInferParameters}},
    {"InferInput", {kInferInput}},
    {"InferInputParameters", {kInferInputParameters}},
    {"InferOutput", {kInferOutput}},
    {"InferOutputParameters", {kInferOutputParameters}},
    {"IndexRequest", {kIndex}},
    {"RepositoryRequest", {kRepository}},
};

}  // namespace

std::span<const Form> forms() { return kForms; }

}  // namespace tamis::serve
