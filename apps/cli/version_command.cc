// kvlink version, and what packagers install beside the program: completion, manual.
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/json_output.h"
#include "cli/manual.h"
#include "retrieval/formats.h"

namespace kvlink::cli {

void AddVersionCommand(CLI::App& app, Command* command) {
  app.add_subcommand("version", "The program's version")->callback([command] {
    *command = [](Session& session) -> Result<int> {
      if (session.json()) {
        Json formats = Json::array();
        for (const retrieval::Format& format : retrieval::Formats()) {
          if (retrieval::IsReadable(format)) formats.push_back(format.name);
        }
        PrintJson({{"version", KVLINK_VERSION}, {"compiler", __VERSION__}, {"formats", formats}});
      } else {
        PrintText("kvlink " KVLINK_VERSION "\n");
      }
      return 0;
    };
  });
}

void AddCompletionCommand(CLI::App& app, Command* command) {
  auto shell = std::make_shared<std::string>();
  CLI::App* sub =
      app.add_subcommand("completion", "A script by which a shell completes the program's words");
  sub->add_option(
         "SHELL", *shell,
         "bash: eval \"$(kvlink completion bash)\" in ~/.bashrc; zsh: the same in ~/.zshrc, "
         "behind compinit; fish: kvlink completion fish | source")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  sub->callback([&app, command, shell] {
    const CommandInfo root = DescribeCommands(app);
    std::string script = *shell == "bash"  ? BashCompletion(root)
                         : *shell == "zsh" ? ZshCompletion(root)
                                           : FishCompletion(root);
    *command = [script = std::move(script)](Session&) -> Result<int> {
      PrintText(script);
      return 0;
    };
  });
}

void AddManualCommand(CLI::App& app, Command* command) {
  CLI::App* sub = app.add_subcommand("manual", "The manual page kvlink(1), in roff");
  sub->group("");  // hidden: cmake installs what it prints
  sub->callback([&app, command] {
    *command = [page = ManualPage(DescribeCommands(app), KVLINK_VERSION, KVLINK_DATE)](
                   Session&) -> Result<int> {
      PrintText(page);
      return 0;
    };
  });
}

}  // namespace kvlink::cli
