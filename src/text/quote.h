// Text of unknown origin inside a one-line error message: quoted, short, printable.
#pragma once

#include <string>
#include <string_view>

namespace kvlink {

std::string Quoted(std::string_view text);

}  // namespace kvlink
