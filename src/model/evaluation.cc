#include "model/evaluation.h"

#include "math/agreement.h"

namespace tamis::api {

double PairedTruth::drop() const {
  return rows == 0 ? 0 : static_cast<double>(broken - fixed) / static_cast<double>(rows);
}

double PairedTruth::drop_upper_95() const {
  constexpr double kHalf = 0.975;
  return math::clopper_pearson_upper(broken, rows, kHalf) -
         math::clopper_pearson_lower(fixed, rows, kHalf);
}

double PairedTruth::p_value() const { return math::mcnemar_p(broken, fixed); }

std::optional<double> Agreement::flip_share() const {
  if (!flips || compared == 0) return std::nullopt;
  return static_cast<double>(*flips) / static_cast<double>(compared);
}

std::optional<double> Agreement::flips_upper_95() const {
  if (!flips || compared == 0) return std::nullopt;
  return math::clopper_pearson_upper(*flips, compared);
}

}  // namespace tamis::api
