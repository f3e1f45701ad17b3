#include "onnx/import_distances.h"

#include <algorithm>
#include <cmath>

#include "onnx/evaluate/equation.h"
#include "onnx/rules/position_rule.h"

namespace tamis::onnx {

namespace {

// Queries or keys and the rows that they meet, with their axes' letters.
struct Product {
  const Hidden* x = nullptr;
  const Hidden* rows = nullptr;
  std::string x_letters;
  std::string row_letters;
  std::string output;
  char column = 0;  ///< summed over
  char token = 0;   ///< of x, and one of the two places of the rows
  char other = 0;   ///< the other one
};

const AtomGroup& axis_named(const Layout& layout, std::string_view letters, char letter) {
  return layout[letters.find(letter)];
}

// Each axis of the rows by what it is to x; false: x meets them in other axes.
bool find_axes(Product& p) {
  for (const char letter : p.row_letters) {
    const bool of_x = p.x_letters.find(letter) != p.x_letters.npos;
    const bool kept = p.output.find(letter) != p.output.npos;
    char& place = of_x ? (kept ? p.token : p.column) : p.other;
    if (place != 0 || (!of_x && !kept)) return false;
    place = letter;
  }
  return p.column != 0 && p.token != 0 && p.other != 0;
}

// Axes of x as heads lie: sequences, heads, tokens, columns. Nothing: the output has others.
std::optional<Hidden> as_heads(const Product& p) {
  std::string order;
  for (const char letter : p.x_letters) {
    if (letter != p.token && letter != p.column) order += letter;
  }
  const size_t kept = order.size();
  order += {p.token, p.column};
  const bool same =
      p.output.size() == kept + 2 && p.output.substr(0, kept) == order.substr(0, kept);
  if (!same) return std::nullopt;
  std::vector<int64_t> perm;
  for (const char letter : order) perm.push_back(static_cast<int64_t>(p.x_letters.find(letter)));
  Hidden x = *p.x;
  x.layout = x.layout.transposed(perm);
  return x;
}

// [2 * most, heads * size]: a row for each distance of a query's place less a key's.
std::shared_ptr<const std::vector<float>> rows_of_heads(const Product& p, const Heads& heads,
                                                        bool turned) {
  const Array& rows = p.rows->known->at(0);
  const int64_t most = p.rows->max_relative_positions;
  auto table = std::make_shared<std::vector<float>>();
  table->reserve(static_cast<size_t>(2 * most * heads.count * heads.size));
  for (int64_t slot = 0; slot < 2 * most; ++slot) {
    // No two places are as far apart as slot 0.
    const int64_t row = turned && slot > 0 ? 2 * most - slot : slot;
    for (int64_t i = 0; i < heads.count * heads.size; ++i) {
      table->push_back(static_cast<float>(rows[row * heads.size + i % heads.size]));
    }
  }
  return table;
}

std::optional<Product> product_of(const Step& step) {
  const auto equation = equation_of(step.op.text("equation", ""));
  if (!equation || step.inputs.size() != 2) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    Product p = {step.inputs[i].hidden.get(), step.inputs[1 - i].hidden.get(), equation->inputs[i],
                 equation->inputs[1 - i], equation->output};
    const bool fits = step.inputs[1 - i].has(Form::kDistanceRows) && p.x != nullptr &&
                      p.x->layout.rank() == p.x_letters.size() &&
                      p.rows->layout.rank() == p.row_letters.size();
    if (fits && find_axes(p)) return p;
  }
  return std::nullopt;
}

}  // namespace

ImportValue rows_of_distances(Importer& importer, const Step& step, const Known& table,
                              const Known& ids) {
  const auto rule = distance_rows(ids.all(), importer.probes());
  if (!rule || table.dims().size() != 2) return {};
  const int64_t count = table.dims()[0];
  const int64_t size = table.dims()[1];
  // Distances up to this one have a row.
  const int64_t most = std::min(rule->middle + 1, count - rule->middle);
  if (most < 1) return {};
  const auto stored = float_tensor(table, false, step.op.label());
  const auto from = stored->as<float>();
  std::vector<float> rows(static_cast<size_t>(2 * most * size));
  for (int64_t slot = 1; slot < 2 * most; ++slot) {
    const int64_t row = rule->middle + (rule->rising ? slot - most : most - slot);
    std::copy_n(from.begin() + row * size, size, rows.begin() + slot * size);
  }
  importer.limit_positions(most);
  ImportValue result = {nullptr, std::make_shared<Hidden>()};
  result.hidden->form = Form::kDistanceRows;
  result.hidden->known =
      computed_constant(cat(table.name(), ".distances"), {2 * most, size}, std::move(rows));
  result.hidden->max_relative_positions = most;
  result.hidden->layout = Layout({{{Axis::kToken}}, {{Axis::kKey}}, {{Axis::kColumn, size, 1}}});
  return result;
}

std::vector<ImportValue> import_einsum(Importer& importer, const Step& step) {
  const auto product = product_of(step);
  const auto x = product ? as_heads(*product) : std::nullopt;
  const auto heads = x ? heads_of(*x, false) : std::nullopt;
  const AtomGroup columns = heads ? AtomGroup{{Axis::kColumn, heads->size, 1}} : AtomGroup{};
  const bool fits =
      heads && heads->repeats == 1 &&
      axis_named(product->rows->layout, product->row_letters, product->column) == columns;
  if (!fits) {
    step.op.refuse(
        "a product that is not of queries or keys [batch, heads, tokens, size] with a "
        "row for each distance [tokens, tokens, size]");
  }
  // The scores' last axis counts keys.
  const bool of_queries = product->output.back() == product->other;
  const char query = of_queries ? product->token : product->other;
  const bool turned =
      axis_named(product->rows->layout, product->row_letters, query) != AtomGroup{{Axis::kToken}};
  ImportValue result = {nullptr, std::make_shared<Hidden>()};
  Hidden& bias = *result.hidden;
  bias.form = Form::kPositionBias;
  bias.heads = heads->count;
  bias.head_size = heads->size;
  bias.max_relative_positions = product->rows->max_relative_positions;
  bias.terms[of_queries ? 0 : 1] = {importer.emit_columns(step, *x),
                                    rows_of_heads(*product, *heads, turned), factor_of(step, *x)};
  const size_t rank = x->layout.rank();
  bias.layout = x->layout.with_axis(rank - 2, {{Axis::kToken}}).with_axis(rank - 1, {{Axis::kKey}});
  return {result};
}

}  // namespace tamis::onnx
