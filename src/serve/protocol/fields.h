// The fields of requests: one table that reads them, checks them and describes them.
//
// Is: rows of request_forms.cc, the reader of a JSON object by such rows, and their schemas for
// /openapi.json. Is not: inputs (texts, ids), whose readers endpoints name. May use: json_fields,
// budget.
//
// A member that no row names is ignored, in every dialect: clients send what their version knows.
// What a dialect's clients know and this server cannot do has a row that names what it can.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/batching/budget.h"

namespace tamis::serve {

enum class FieldKind : uint8_t {
  kBool,
  kInt,         ///< a whole number in least..most
  kNumber,      ///< any number in least..most
  kText,        ///< a string
  kWord,        ///< one of `words`, in letters of any case
  kSwitch,      ///< true, false, or one of `words`
  kTexts,       ///< a list of strings, each one of `words` if there are any
  kTextOrList,  ///< a string, or a list of them
  kObject,
  kJson,  ///< an input: its endpoint reads it; `schema` describes it
  kOnly,  ///< known to clients, not built: nothing but `words`, as JSON, is taken
};

/// A row of the table.
struct Field {
  std::string_view name;
  FieldKind kind = FieldKind::kJson;
  std::string_view help = {};
  int64_t least = 0;
  int64_t most = 0;
  std::string_view words = {};     ///< separated by '|'
  std::string_view fallback = {};  ///< what counts if it is absent, as JSON; empty: see `help`
  std::string_view schema = {};    ///< of kJson: a name of openapi_schemas.inc
  bool required = false;
};

/// The fields of a request's object, in groups that forms share.
struct Form {
  std::string_view name;  ///< of its schema in /openapi.json
  std::span<const Field> groups[3] = {};
  std::string_view help = {};
};

[[nodiscard]] std::span<const Form> forms();
/// The form of that name, which must exist.
[[nodiscard]] const Form& form_of(std::string_view name);
/// `value` within the bounds of a field of kind kInt, for protocols without JSON. Throws
/// kInvalidArgument as Fields does.
int64_t checked_integer(std::string_view form, std::string_view name, int64_t value);
/// Writes the form as a schema of OpenAPI 3.0.
void write_form_schema(const Form& form, JsonWriter& json);

/// A request's object, read by a form. Borrows the document. Every look-up names a row of the form:
/// another name is a bug of the caller.
class Fields {
 public:
  /// Checks every field. Throws kInvalidArgument naming the first that is missing, of another kind,
  /// out of its bounds, or not built.
  Fields(std::string_view form, JsonView object);

  [[nodiscard]] bool has(std::string_view name) const { return !json(name).is_null(); }
  [[nodiscard]] std::optional<bool> flag(std::string_view name) const;
  [[nodiscard]] std::optional<int64_t> integer(std::string_view name) const;
  [[nodiscard]] std::optional<double> number(std::string_view name) const;
  [[nodiscard]] std::optional<std::string_view> text(std::string_view name) const;
  /// Of kWord and of kSwitch where it is no bool: the word as the table has it.
  [[nodiscard]] std::optional<std::string_view> word(std::string_view name) const;
  [[nodiscard]] std::optional<std::string> string(std::string_view name) const;
  /// Of kTexts and kTextOrList; empty if it is absent. A list longer than one may be is refused
  /// before it is copied.
  [[nodiscard]] std::vector<std::string> texts(std::string_view name, const Budget& budget) const;
  /// Of kTexts with words: the words as the table has them.
  [[nodiscard]] std::vector<std::string_view> words(std::string_view name) const;
  /// The member as it came; absent if it is.
  [[nodiscard]] JsonView json(std::string_view name) const;
  /// True if the form has such a row.
  [[nodiscard]] bool knows(std::string_view name) const;

 private:
  const Form* form_;
  JsonView object_;
};

}  // namespace tamis::serve
