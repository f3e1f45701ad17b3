// Which build of Tamis this is.
//
// Is: what `tamis --version` says and reports record. Is not: the bundle format's version.
// May use: nothing.
#pragma once

#include <string_view>

namespace tamis {

/// The release, "0.1.0" for instance.
[[nodiscard]] std::string_view version();

/// The commit built, "0617cad3f1b2" for instance, with "-dirty" behind it if files differed from
/// it; "unknown" when built outside a git checkout.
[[nodiscard]] std::string_view commit();

}  // namespace tamis
