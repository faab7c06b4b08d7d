// Standard output. JSON is one line, valid UTF-8 whatever bytes the strings have.
#pragma once

#include <nlohmann/json.hpp>

#include "kvlink/status.h"

namespace kvlink::cli {

using Json = nlohmann::ordered_json;  // keys in the order in which they were put

// Characters that steer a terminal are escaped.
std::string DumpJson(const Json& json);
void PrintJson(const Json& json);
// For people, wherever it goes: cleaned (printable.h) but for line ends and tabs.
void PrintText(std::string_view text);
// What was asked for itself, an answer or a document: as it is, unless a terminal shows it.
void PrintData(std::string_view text);

// Everything printed has reached standard output; kUnavailable if not (a full disk, say).
Status FlushOutput();

// Before anything is opened: a standard stream that is closed stays so for what is printed, and
// no file of ours gets its number, which would then be written into.
void HoldStandardStreams();

}  // namespace kvlink::cli
