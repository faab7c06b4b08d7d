// Standard input, read whole. Ctrl-C ends the reading.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kvlink/status.h"

namespace kvlink::cli {

// kInvalidArgument above max_bytes, with `advice` what to do then; kCancelled: interrupted (after
// CatchInterrupt).
Result<std::string> ReadStandardInput(int64_t max_bytes, std::string_view advice);

}  // namespace kvlink::cli
