// The language codes of mBART's tokenizer classes.
//
// Is: the codes, in the order of their ids. Is not: which of them a text gets (rules_unigram.cc).
// May use: tokenizer_classes. Source: transformers, models/mbart50/tokenization_mbart50.py
#pragma once

#include <span>
#include <string_view>

#include "tokenizer/convert/tokenizer_classes.h"

namespace tamis::tokenizer {

/// mBART-50's; the first 25 are mBART's.
inline constexpr std::string_view kMbartLanguages[] = {
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN",
    "hi_IN", "it_IT", "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP",
    "nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN", "af_ZA", "az_AZ",
    "bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE", "km_KH", "mk_MK", "ml_IN",
    "mn_MN", "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE", "ta_IN", "te_IN",
    "th_TH", "tl_XX", "uk_UA", "ur_PK", "xh_ZA", "gl_ES", "sl_SI"};

/// Those of the class; none if it has none.
[[nodiscard]] constexpr std::span<const std::string_view> languages_of(ClassRules rules) {
  constexpr size_t kOfMbart = 25;
  const std::span<const std::string_view> all = kMbartLanguages;
  if (rules == ClassRules::kMbart50) return all;
  return rules == ClassRules::kMbart ? all.first(kOfMbart) : all.first(0);
}

}  // namespace tamis::tokenizer
