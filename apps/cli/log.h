// The program's log: lines on standard error, through spdlog. The only place that knows spdlog.
#pragma once

#include <string>

#include "base/log.h"
#include "cli/terminal.h"

namespace kvlink::cli {

// Writes "kvlink: warning: ..." for what is at least as severe as `level` (debug, info, warning,
// error, off). `console` must outlive the log.
Log MakeLog(const std::string& level, Console& console);

}  // namespace kvlink::cli
