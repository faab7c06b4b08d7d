// Standard input, read whole. Ctrl-C ends the reading.
#pragma once

#include <cstdint>
#include <string>

#include "kvlink/status.h"

namespace kvlink::cli {

// kInvalidArgument above max_bytes; kCancelled: interrupted (after CatchInterrupt).
Result<std::string> ReadStandardInput(int64_t max_bytes);

}  // namespace kvlink::cli
