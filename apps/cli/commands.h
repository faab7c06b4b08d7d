// The commands. Each function adds one to the program; when it is the one that was typed, *command
// becomes what is to be run. `app` and `command` must outlive the parsing.
#pragma once

#include "cli/session.h"

namespace CLI {
class App;
}

namespace kvlink::cli {

void AddIndexCommand(CLI::App& app, Command* command);
void AddAskCommand(CLI::App& app, Command* command);
void AddDocsCommand(CLI::App& app, Command* command);
void AddStoreCommand(CLI::App& app, Command* command);
void AddModelCommand(CLI::App& app, Command* command);
void AddCheckCommand(CLI::App& app, Command* command);
void AddBenchCommand(CLI::App& app, Command* command);
void AddEvalCommand(CLI::App& app, Command* command);
void AddVersionCommand(CLI::App& app, Command* command);
void AddCompletionCommand(CLI::App& app, Command* command);
void AddManualCommand(CLI::App& app, Command* command);

}  // namespace kvlink::cli
