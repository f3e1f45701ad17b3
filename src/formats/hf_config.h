// config.json of a Hugging Face model.
//
// Is: the fields that encoders need, in Hugging Face's names, with its defaults where a key is
// absent, checked against limits. Is not: a choice of family (models/families.inc). May use: base.
// Source: the configuration classes of https://github.com/huggingface/transformers
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/activation.h"
#include "formats/config_fields.h"

namespace tamis {

enum class ProblemType : uint8_t { kRegression, kSingleLabel, kMultiLabel };

/// DistilBERT's own names are mapped onto BERT's: dim is hidden_size, n_layers num_hidden_layers,
/// n_heads num_attention_heads, hidden_dim intermediate_size, activation hidden_act. A value type.
struct ModelConfig {
  /// "bert", "distilbert", "roberta", ...; any value is let through, but of a family that is not
  /// built nothing else is read but `architectures`, labels, problem type, the cross-encoder's
  /// activation, and the sizes of vocabulary, hidden states, positions and segments where they are
  /// whole numbers (else 0).
  std::string model_type;
  std::vector<std::string> architectures;  ///< ["BertForSequenceClassification"]; may be empty

  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;  ///< divides hidden_size
  int64_t intermediate_size = 0;
  int64_t max_position_embeddings = 0;  ///< rows of the table (RoBERTa: 2 over the longest input)
  int64_t type_vocab_size = 0;          ///< 0: no segment embeddings (DistilBERT)
  int64_t embedding_size = 0;           ///< ALBERT, ELECTRA; equals hidden_size for the others
  int64_t num_hidden_groups = 1;        ///< ALBERT
  int64_t inner_group_num = 1;          ///< ALBERT
  Activation hidden_act = Activation::kGelu;
  double layer_norm_eps = 1e-12;
  std::optional<int64_t> pad_token_id;
  bool tie_word_embeddings = true;
  bool sinusoidal_pos_embds = false;  ///< DistilBERT; the weights hold the table all the same

  std::string summary_type = "first";                 ///< ELECTRA
  bool summary_use_proj = true;                       ///< ELECTRA
  Activation summary_activation = Activation::kGelu;  ///< ELECTRA

  int64_t num_labels = 2;
  std::vector<std::string> id2label;  ///< num_labels names, "LABEL_0" where the file names none
  /// label2id's, not checked against num_labels; nothing if it names none.
  std::optional<int64_t> entailment_id;
  std::optional<ProblemType> problem_type;

  /// What sentence-transformers applies to a cross-encoder's logits; nothing: its default (sigmoid
  /// for one label, else none).
  std::optional<Activation> cross_encoder_activation;

  /// The file itself, for the keys that only the family has.
  ConfigFields fields;

  /// Throws Error naming `source` and the key: kCorruptData (not JSON, a wrong kind of value, a
  /// value out of its limits, a model over kMaxParameters), kUnsupported for what changes the maths
  /// and is not built: an activation, and the refused keys of hf_config_keys.h and the family's row
  /// of hf_families.h. Logs a warning for each key that is in neither.
  /// `family` stands in place of a model_type that is not built; throws kInvalidArgument where it
  /// is built, or `family` is not.
  [[nodiscard]] static ModelConfig parse(std::string_view json, std::string_view source,
                                         std::string_view family = {});
  /// parse() of a file. Also throws what read_file() throws.
  [[nodiscard]] static ModelConfig read(const std::filesystem::path& path,
                                        std::string_view family = {});
  /// parse() of a file that was read before.
  [[nodiscard]] static ModelConfig of(const ConfigFields& fields, std::string_view family = {});
};

/// Whether the family's tables have every key of the file.
[[nodiscard]] bool knows_all_keys(std::string_view family, const ConfigFields& fields);

/// The activation of a Python path such as "torch.nn.modules.activation.Tanh", nothing if unknown.
[[nodiscard]] std::optional<Activation> activation_from_python_path(std::string_view path);

/// The paths' class names, comma-separated, for error messages.
[[nodiscard]] std::string known_python_activations();

}  // namespace tamis
