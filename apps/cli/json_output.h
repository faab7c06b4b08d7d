// JSON on standard output: one line, valid UTF-8 whatever bytes the strings have.
#pragma once

#include <nlohmann/json.hpp>

#include "kvlink/status.h"

namespace kvlink::cli {

using Json = nlohmann::ordered_json;  // keys in the order in which they were put

std::string DumpJson(const Json& json);
void PrintJson(const Json& json);
void PrintText(std::string_view text);  // to standard output, as it is

// Everything printed has reached standard output; kUnavailable if not (a full disk, say).
Status FlushOutput();

}  // namespace kvlink::cli
