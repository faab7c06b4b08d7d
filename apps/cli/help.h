// Help for people, from the commands as data. Pure.
#pragma once

#include <string>

#include "cli/command_tree.h"

namespace kvlink::cli {

// What `kvlink` alone prints: the commands, a line each, and where to read on.
std::string ShortHelp(const CommandInfo& root, int width);
// All of one command. Lines are at most `width` wide, where words allow it.
std::string Help(const CommandInfo& command, int width);
// The same of a command and all below it.
std::string HelpOfAll(const CommandInfo& root, int width);

// "Most bytes that blocks may take [none] (KVLINK_BUDGET)": with what it is otherwise.
std::string AboutOption(const OptionInfo& option);
// "--store DIR", "PATH..."
std::string OptionUsage(const OptionInfo& option);
// "kvlink store gc [OPTIONS]"
std::string CommandUsage(const CommandInfo& command);

}  // namespace kvlink::cli
