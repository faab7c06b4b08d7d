// Scripts by which shells complete the program's words, from the commands as data. Pure.
#pragma once

#include <string>
#include <string_view>

#include "cli/command_tree.h"

namespace kvlink::cli {

std::string BashCompletion(const CommandInfo& root);
std::string ZshCompletion(const CommandInfo& root);
std::string FishCompletion(const CommandInfo& root);

}  // namespace kvlink::cli
