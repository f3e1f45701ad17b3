// The page for a browser: page.html, which the build puts into the program.
#pragma once

#include <string_view>

namespace tamis::serve {

/// Needs nothing from elsewhere: its script asks this server only.
[[nodiscard]] std::string_view page_html();

}  // namespace tamis::serve
