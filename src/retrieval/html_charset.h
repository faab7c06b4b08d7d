// In which encoding an HTML file says it is written. Pure.
#pragma once

#include <string>
#include <string_view>

namespace kvlink::retrieval {

// What a <meta> near the top names, in small letters; empty: none does.
std::string HtmlCharset(std::string_view bytes);

}  // namespace kvlink::retrieval
