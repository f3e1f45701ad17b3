#include "formats/setfit/setfit_head.h"

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/config_file.h"
#include "formats/dense_module.h"
#include "formats/setfit/joblib.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxHeadBytes = size_t{256} << 20;
constexpr int64_t kMaxClasses = 1 << 20;

constexpr KeyRow kSetFitKeys[] = {
    honored("labels"),
    honored("normalize_embeddings"),
    refused("span_context", "models of aspects and their polarity are not built", {"null"}),
    refused("spacy_model", "models of aspects and their polarity are not built", {"null"}),
    refused("multi_target_strategy", "several targets are not built", {"null"}),
};
static_assert(keys_are_distinct(kSetFitKeys));

constexpr std::string_view kLogisticRegression =
    "sklearn.linear_model._logistic.LogisticRegression";
// Where it was before scikit-learn 0.22.
constexpr std::string_view kOlder = "sklearn.linear_model.logistic.LogisticRegression";
constexpr std::string_view kAllowed[] = {kLogisticRegression, kOlder, kJoblibArray, "numpy.ndarray",
                                         "numpy.dtype"};
constexpr std::string_view kWhat =
    "scikit-learn's LogisticRegression and its arrays, as joblib.dump writes them,";

std::string text_of(const PickleValue& head, std::string_view name) {
  const PickleValue* const value = attribute_of(head, name);
  return value == nullptr ? "" : std::string(value->text);
}

NumpyArray array_named(const PickleValue& head, std::string_view name, const std::string& source) {
  const PickleValue* const value = attribute_of(head, name);
  if (value != nullptr && is_joblib_array(*value)) return numpy_array(*value, source);
  fail(ErrorCode::kCorruptData, source, ": LogisticRegression has no array \"", name,
       "\"; accepted is a head that was fitted");
}

// The attribute and rule of scikit-learn before 1.8, which has softmax alone.
enum class Rule : uint8_t { kSigmoid, kSoftmax, kOneVsRest };

Rule rule_of(const PickleValue& head, int64_t classes, const std::string& source) {
  const bool has_rule = attribute_of(head, "multi_class") != nullptr;
  const std::string multi_class = has_rule ? text_of(head, "multi_class") : "auto";
  if (multi_class == "multinomial") return Rule::kSoftmax;
  if (multi_class != "auto" && multi_class != "deprecated" && multi_class != "ovr" &&
      multi_class != "warn") {
    fail(ErrorCode::kUnsupported, source, ": LogisticRegression's multi_class is ",
         json_quote(multi_class.substr(0, 200)),
         "; accepted are \"auto\", \"multinomial\", \"deprecated\", \"ovr\" and \"warn\"");
  }
  if (classes == 2) return Rule::kSigmoid;
  const bool automatic = multi_class == "auto" || multi_class == "deprecated";
  const bool rest = !automatic || (has_rule && text_of(head, "solver") == "liblinear");
  return rest ? Rule::kOneVsRest : Rule::kSoftmax;
}

float as_float(double value, const std::string& source) {
  const auto rounded = static_cast<float>(value);
  if (std::isfinite(rounded)) return rounded;
  fail(ErrorCode::kCorruptData, source, ": LogisticRegression has a coefficient or intercept of ",
       value, ", which is not finite in F32");
}

// Numbers of the rows as they are, or of one row w as -factor * w and factor * w.
std::shared_ptr<const Tensor> rows_of(const std::vector<double>& values, const Shape& shape,
                                      double factor, const std::string& source) {
  Tensor tensor(DType::kF32, shape);
  const auto out = tensor.mutable_as<float>();
  const bool halves = values.size() * 2 == out.size();
  TAMIS_CHECK(halves || values.size() == out.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!halves) {
      out[i] = as_float(values[i], source);
      continue;
    }
    out[values.size() + i] = as_float(factor * values[i], source);
    out[i] = -out[values.size() + i];
  }
  return std::make_shared<const Tensor>(std::move(tensor));
}

// As SetFitModel.predict() names a class: text as it is, a number as a place in the labels.
std::vector<std::string> names_of(const NumpyArray& classes, const std::vector<std::string>& labels,
                                  const std::string& source) {
  if (classes.kind == 'U') return texts_of(classes, source);
  std::vector<std::string> names;
  for (const double number : numbers_of(classes, source)) {
    if (classes.kind == 'f' || std::abs(number) > kMaxClasses) {
      fail(ErrorCode::kUnsupported, source, ": LogisticRegression has the class ", number,
           "; accepted are text and integers up to ", kMaxClasses);
    }
    const auto id = static_cast<int64_t>(number);
    if (labels.empty()) {
      names.push_back(std::to_string(id));
      continue;
    }
    if (id < 0 || id >= static_cast<int64_t>(labels.size())) {
      fail(ErrorCode::kCorruptData, source, ": LogisticRegression has the class ", id,
           ", but config_setfit.json names ", labels.size(), " labels");
    }
    names.push_back(labels[static_cast<size_t>(id)]);
  }
  return names;
}

void check_shapes(const NumpyArray& coef, const NumpyArray& intercept, const NumpyArray& classes,
                  const std::string& source) {
  const int64_t labels = classes.elements();
  const int64_t rows = labels == 2 ? 1 : labels;
  if (coef.kind != 'f' || intercept.kind != 'f') {
    fail(ErrorCode::kUnsupported, source,
         ": LogisticRegression's coef_ and intercept_ must be arrays of floats");
  }
  const bool fits = classes.shape.size() == 1 && labels >= 2 && labels <= kMaxClasses &&
                    coef.shape.size() == 2 && coef.shape[0] == rows &&
                    coef.shape[1] <= kMaxFeatures && intercept.shape == std::vector<int64_t>{rows};
  if (fits) return;
  fail(ErrorCode::kCorruptData, source, ": LogisticRegression has coef_ of ",
       sizes_to_string(coef.shape), " and intercept_ of ", sizes_to_string(intercept.shape),
       " for classes_ of ", sizes_to_string(classes.shape),
       "; must be [1, features] and [1] for two classes, else one row for each");
}

SetFitHead head_of(const PickleValue& root, const std::string& source,
                   const std::vector<std::string>& labels) {
  const bool good = root.kind == PickleKind::kCall && !root.items.empty() &&
                    (root.items[0]->text == kLogisticRegression || root.items[0]->text == kOlder);
  if (!good) {
    fail(ErrorCode::kUnsupported, source, ": holds no LogisticRegression; only ", kWhat,
         " are accepted");
  }
  const NumpyArray coef = array_named(root, "coef_", source);
  const NumpyArray intercept = array_named(root, "intercept_", source);
  const NumpyArray classes = array_named(root, "classes_", source);
  check_shapes(coef, intercept, classes, source);
  const Rule rule = rule_of(root, classes.elements(), source);
  if (rule == Rule::kOneVsRest) {
    fail(
        ErrorCode::kUnsupported, source,
        ": LogisticRegression of more than two classes, each against the rest (multi_class \"ovr\" "
        "or solver \"liblinear\"), is not built; accepted is multinomial");
  }
  // Of two classes by softmax scikit-learn before 1.8 takes -d and d.
  const double factor = rule == Rule::kSoftmax ? 1 : 0.5;
  const int64_t count = classes.elements();
  SetFitHead head;
  head.labels = names_of(classes, labels, source);
  head.weight = rows_of(numbers_of(coef, source), {count, coef.shape[1]}, factor, source);
  head.bias = rows_of(numbers_of(intercept, source), {count}, factor, source);
  return head;
}

std::vector<std::string> labels_of(const ConfigObject& file) {
  std::vector<std::string> labels;
  const JsonView list = file.get("labels");
  if (!list) return labels;
  if (!list.is_array() || list.size() > static_cast<size_t>(kMaxClasses)) {
    fail(ErrorCode::kCorruptData, file.what("labels"), " must be an array of at most ", kMaxClasses,
         " strings");
  }
  for (size_t i = 0; i < list.size(); ++i) {
    labels.emplace_back(list.at(i).as_string(file.what("labels")));
  }
  return labels;
}

}  // namespace

SetFitHead parse_setfit_head(std::string_view pickle, const std::string& source,
                             const std::vector<std::string>& labels) {
  // Each of joblib's compressors has a first byte of its own.
  if (!pickle.empty() && pickle[0] != '\x80') {
    fail(ErrorCode::kUnsupported, source,
         ": is no pickle of protocol 2 to 5, or compressed; accepted is what joblib.dump writes "
         "without compress");
  }
  return head_of(parse_joblib(pickle, source, kAllowed, kWhat).root(), source, labels);
}

std::optional<SetFitHead> read_setfit_head(const fs::path& folder) {
  const fs::path path = folder / kSetFitHead;
  if (!file_exists(path)) return std::nullopt;
  const fs::path beside = folder / "config_setfit.json";
  const ConfigFile file =
      file_exists(beside) ? ConfigFile(beside) : ConfigFile("{}", beside.string());
  file->check(kSetFitKeys);
  SetFitHead head =
      parse_setfit_head(read_file(path, kMaxHeadBytes), path.string(), labels_of(file.root()));
  head.normalize = file->flag("normalize_embeddings", false);
  return head;
}

}  // namespace tamis
