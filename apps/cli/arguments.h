// From argv, the environment and the configuration file to the command that is to be run. A flag
// beats the environment (KVLINK_*), which beats the file ($XDG_CONFIG_HOME/kvlink/config.toml).
#pragma once

#include <string>

#include "cli/session.h"

namespace kvlink::cli {

struct Arguments {
  GlobalOptions options;
  Command command;      // empty: help was shown, or the usage was wrong and said
  int exit_status = 0;  // when there is no command
  std::string warning;  // what is to be said before the command runs; empty: nothing
};

Arguments ParseArguments(int argc, const char* const* argv);

}  // namespace kvlink::cli
