#include "cli/arguments.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "cli/commands.h"
#include "cli/json_output.h"
#include "cli/places.h"

namespace kvlink::cli {
namespace {

std::string VariableOf(const std::string& option) {
  std::string variable = "KVLINK_";
  for (const char c : option) {
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return variable;
}

bool IsSet(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  return value != nullptr && *value != '\0';
}

// CLI11 would let the file beat the environment, so what the environment sets is dropped from it.
class EnvironmentFirst : public CLI::ConfigTOML {
 public:
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> read = CLI::ConfigTOML::from_config(input);
    std::erase_if(read, [](const CLI::ConfigItem& item) {
      if (!item.parents.empty()) return false;
      return IsSet(VariableOf(item.name));
    });
    return read;
  }
};

void AddGlobalOptions(CLI::App& app, GlobalOptions* options) {
  app.add_option("--store", options->store, "Folder of the store [~/.local/share/kvlink/store]")
      ->envname("KVLINK_STORE")
      ->type_name("DIR");
  app.add_option(
         "--model", options->model,
         std::string("GGUF file, or the name of one in the models folder [") + kDefaultModel + "]")
      ->envname("KVLINK_MODEL")
      ->type_name("PATH|NAME");
  app.add_option("--links", options->links,
                 "Link file, or none [MODEL.links.safetensors beside the model, if there]")
      ->envname("KVLINK_LINKS")
      ->type_name("FILE|none");
  app.add_option("--template", options->prompt_template,
                 "How prompts are written: chatml, llama3, or a JSON file (docs/link-file.md) [the "
                 "link file's, else the model's own]")
      ->envname("KVLINK_TEMPLATE")
      ->type_name("NAME|FILE");
  app.add_option("--dtype", options->dtype, "What activations and blocks are kept in")
      ->check(CLI::IsMember({"auto", "bf16", "f32"}))
      ->envname("KVLINK_DTYPE")
      ->capture_default_str();
  app.add_option("--threads", options->threads, "Threads; 0: one a core")
      ->check(CLI::Range(0, 4096))
      ->envname("KVLINK_THREADS")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--budget", options->budget_bytes, "Most bytes that blocks may take; 0: no limit")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->envname("KVLINK_BUDGET")
      ->type_name("SIZE");
  app.add_flag("--json", options->json, "Results as JSON on standard output")
      ->envname("KVLINK_JSON");
  app.add_flag("--quiet", options->quiet, "Results alone: no warnings, progress or summaries")
      ->envname("KVLINK_QUIET");
  app.add_option("--log-level", options->log_level, "What is said on standard error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
      ->envname("KVLINK_LOG_LEVEL")
      ->capture_default_str();
}

// One line, whatever CLI11 put into its message.
std::string OneLine(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.pop_back();
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// CLI11 names the option where its variable holds what is wrong.
std::string NamingVariable(std::string what, const CLI::App& app, int argc,
                           const char* const* argv) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string flag = option->get_name(), &variable = option->get_envname();
    const size_t place = what.find(flag);
    if (variable.empty() || !IsSet(variable) || place == what.npos) continue;
    const bool typed = std::any_of(argv, argv + argc, [&](const std::string_view word) {
      return word == flag || word.starts_with(flag + "=");
    });
    if (!typed) return what.replace(place, flag.size(), variable);
  }
  return what;
}

std::string TypedCommand(const CLI::App& app) {
  std::string name = "kvlink";
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    name += " " + at->get_name();
  }
  return name;
}

}  // namespace

Arguments ParseArguments(int argc, const char* const* argv) {
  Arguments arguments;
  GlobalOptions options;
  Command command;

  CLI::App app("Answers over documents from KV caches that were computed once.", "kvlink");
  app.footer(
      "A flag beats the environment (KVLINK_STORE, KVLINK_MODEL, ...), which beats the "
      "configuration file.\nStart with: kvlink index PATH, then: kvlink ask QUESTION");
  app.require_subcommand(1);
  app.fallthrough();  // options of the program may stand behind the command
  app.set_help_all_flag("--help-all", "Help of all commands");
  app.set_config("--config", ConfigPath(), "Configuration file (TOML)")->type_name("FILE");
  app.config_formatter(std::make_shared<EnvironmentFirst>());
  app.allow_config_extras(CLI::config_extras_mode::error);
  AddGlobalOptions(app, &options);

  AddIndexCommand(app, &command);
  AddAskCommand(app, &command);
  AddDocsCommand(app, &command);
  AddStoreCommand(app, &command);
  AddModelCommand(app, &command);
  AddCheckCommand(app, &command);
  AddBenchCommand(app, &command);
  AddEvalCommand(app, &command);
  AddVersionCommand(app, &command);
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) {
    sub->footer("Options of every command (--store, --model, --json, ...): kvlink --help");
  }

  Console console;
  try {
    app.parse(argc, argv);
    arguments.options = options;
    arguments.command = command;
  } catch (const CLI::Success& help) {
    app.exit(help);
  } catch (const CLI::ConfigError& e) {
    // CLI11 names the key as the last word, and neither the file nor what it could be.
    const std::string what = OneLine(e.what());
    const std::string unknown = "INI was not able to parse ";
    const std::string path = app.get_config_ptr()->as<std::string>();
    console.Line("kvlink: configuration file " + Printable(path, false) + ": " +
                 Printable(what.starts_with(unknown)
                               ? "there is no setting '" + what.substr(unknown.size()) +
                                     "'; settings are the options of kvlink --help without dashes"
                               : what,
                           false));
    arguments.exit_status = 2;
  } catch (const CLI::RequiredError& e) {
    // CLI11 misses the command before it looks at the word that stands in its place.
    const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
    const std::string what = unknown.empty() || unknown[0].starts_with("-")
                                 ? OneLine(e.what())
                                 : "there is no command " + unknown[0];
    console.Line("kvlink: " + Printable(what, false) + "; see: " + TypedCommand(app) + " --help");
    arguments.exit_status = 2;
  } catch (const CLI::ParseError& e) {
    console.Line("kvlink: " + Printable(NamingVariable(OneLine(e.what()), app, argc, argv), false) +
                 "; see: " + TypedCommand(app) + " --help");
    arguments.exit_status = 2;
  }
  return arguments;
}

}  // namespace kvlink::cli
