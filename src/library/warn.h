// Where the library's warnings go.
#pragma once

#include <functional>
#include <string_view>

namespace kvlink::library {

using Warn = std::function<void(std::string_view)>;  // one line each; never empty

}  // namespace kvlink::library
