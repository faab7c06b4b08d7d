// The manual page kvlink(1), from the commands as data. Pure.
#pragma once

#include <string>

#include "cli/command_tree.h"

namespace kvlink::cli {

// In roff, with the macros of man(7).
// date: of the version.
std::string ManualPage(const CommandInfo& root, const std::string& version,
                       const std::string& date);

}  // namespace kvlink::cli
