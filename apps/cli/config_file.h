// The configuration file, TOML 1.0: settings are options without their dashes, those of a command
// in a table of its name. A setting becomes the option's default, so that the environment and flags
// beat it. The only place that knows toml++.
#pragma once

#include <string>

#include "kvlink/status.h"

namespace CLI {
class App;
}

namespace kvlink::cli {

// Before the command line is parsed. A file that is not there is one without settings, unless it
// was `named`; so is one that may not be read, with a warning. kInvalidArgument names file, line,
// column and setting.
Status ApplyConfigFile(CLI::App& app, const std::string& path, bool named, std::string* warning);

}  // namespace kvlink::cli
