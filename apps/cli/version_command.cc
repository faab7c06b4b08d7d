// kvlink version.
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/json_output.h"

namespace kvlink::cli {

void AddVersionCommand(CLI::App& app, Command* command) {
  app.add_subcommand("version", "The program's version")->callback([command] {
    *command = [](Session& session) -> Result<int> {
      if (session.json()) {
        PrintJson({{"version", KVLINK_VERSION}, {"compiler", __VERSION__}});
      } else {
        PrintText("kvlink " KVLINK_VERSION "\n");
      }
      return 0;
    };
  });
}

}  // namespace kvlink::cli
