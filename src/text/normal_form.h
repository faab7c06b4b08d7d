// Unicode's normal form C (UAX #15): one spelling for characters that can be written composed or
// decomposed. The only file of the room for it that includes ICU.
#pragma once

#include <string>
#include <string_view>

namespace kvlink::text {

// False: `text` is in it as it stands, and `out` is not touched. REQUIRES: well-formed UTF-8
bool ToNfc(std::string_view text, std::string* out);

}  // namespace kvlink::text
