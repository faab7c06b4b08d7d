#include "cli/arguments.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "cli/command_tree.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/default_paths.h"
#include "cli/help.h"
#include "cli/json_output.h"
#include "cli/number_option.h"

namespace kvlink::cli {
namespace {

// CLI11 parts a word like [draft, 2] at its commas, as if it were a list. This before it, which
// nobody types, is taken off again before anything looks at the word.
constexpr char kAsItIs = '\x1f';

// What the name of an option's value says when it is a path: --out DIR.
constexpr const char* kPathTypes[] = {"DIR", "FILE", "PATH"};

constexpr char kConfigVariable[] = "KVLINK_CONFIG";

bool IsSet(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  return value != nullptr && *value != '\0';
}

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
  app.add_option("--threads", options->threads, "Threads; 0: as many as may be used")
      ->check(CLI::Range(0, 4096))
      ->envname("KVLINK_THREADS")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--budget", options->budget_bytes, "Most bytes that blocks may take; 0: no limit")
      ->transform(SizeOption())
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

const CLI::App& TypedCommand(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

const CommandInfo* Find(const CommandInfo& root, const std::string& name) {
  for (const CommandInfo* command : AllCommands(root)) {
    if (command->name() == name) return command;
  }
  return nullptr;
}

std::string NameOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : NameOf(*app.get_parent()) + " " + app.get_name();
}

// "ask", "store gc"; behind the program's name, which opens every complaint.
std::string BehindProgram(const CommandInfo& command) {
  return command.path.size() < 2 ? "" : command.name().substr(command.path[0].size() + 1);
}

// "there is no command asc; did you mean ask?"
std::string NoCommand(const CommandInfo& root, const CommandInfo& above, const std::string& word) {
  std::vector<std::string> names;
  for (const CommandInfo& command : above.commands) names.push_back(command.path.back());
  std::string meant = DidYouMean(word, names);
  for (const CommandInfo* command : AllCommands(root)) {  // of another command?
    if (meant.empty() && command->path.size() > 2 && command->path.back() == word) {
      meant = "; did you mean " + command->name() + "?";
    }
  }
  if (meant.empty()) {
    meant = "; there are: ";
    for (const std::string& name : names) meant += (name == names[0] ? "" : ", ") + name;
  }
  return "there is no command " + BehindProgram(above) + (above.path.size() > 1 ? " " : "") + word +
         meant;
}

// What is wrong with words that CLI11 could not place.
std::string Unexpected(const CommandInfo& root, const CommandInfo& command,
                       const std::string& word) {
  if (word.size() < 2 || word[0] != '-') {
    if (!command.commands.empty()) return NoCommand(root, command, word);
    return BehindProgram(command) + ": nothing more is expected, " + word + " found";
  }
  std::vector<std::string> names;
  for (const CommandInfo* place : {&command, &root}) {
    for (const OptionInfo& option : place->options) {
      if (!option.argument) names.insert(names.end(), option.names.begin(), option.names.end());
    }
  }
  const std::string flag = word.substr(0, word.find('='));
  std::string what = BehindProgram(command) + (command.path.size() > 1 ? ": " : "") +
                     "there is no option " + flag + DidYouMean(flag, names);
  if (command.path.back() == "ask") what += " (what is to be asked as it is stands behind --)";
  return what;
}

// What is missing, for a command that was typed without it.
std::string Missing(const CommandInfo& command, const std::string& otherwise) {
  if (!command.commands.empty()) {
    std::string names;
    for (const CommandInfo& sub : command.commands) {
      names += (names.empty() ? "" : ", ") + sub.path.back();
    }
    return BehindProgram(command) + " needs a subcommand: " + names;
  }
  for (const OptionInfo& option : command.options) {
    if (option.argument && otherwise.starts_with(option.names[0])) {
      return BehindProgram(command) + " needs " + option.names[0] + ": " + option.about;
    }
  }
  return otherwise;
}

// One line for what CLI11 found wrong.
std::string Describe(const CLI::ParseError& error, const CLI::App& app, const CommandInfo& root,
                     int argc, const char* const* argv) {
  const CommandInfo* command = Find(root, NameOf(TypedCommand(app)));
  if (command == nullptr) command = &root;
  std::vector<std::string> left = app.remaining(/*recurse=*/true);
  for (std::string& word : left) std::erase(word, kAsItIs);
  std::erase(left, "--");
  const bool missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  // CLI11 misses an argument before it looks at the words that stand in its place.
  const bool unexpected = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr || missing;
  if (unexpected && !left.empty()) return Unexpected(root, *command, left[0]);
  if (missing) return Missing(*command, error.what());
  std::string what = error.what();
  std::erase(what, kAsItIs);
  // "--top-k: 1 required N:INT in [0 - 9] missing", "--top-k: At Most 1 required but received 2"
  if (const size_t at = what.find(": 1 required "); at != what.npos && what.ends_with(" missing")) {
    what = what.substr(0, at) + ": a value is expected, none found";
  }
  constexpr std::string_view kTooMany = ": At Most 1 required but received ";
  if (const size_t at = what.find(kTooMany); at != what.npos) {
    what = what.substr(0, at) + ": is expected once, found " + what.substr(at + kTooMany.size()) +
           " times";
  }
  return NamingVariable(InPlainWords(what), app, argc, argv);
}

// The file that the words or KVLINK_CONFIG name, "" for no file; none: the default one.
std::optional<std::string> NamedConfig(int argc, const char* const* argv) {
  std::optional<std::string> named;
  if (const char* variable = std::getenv(kConfigVariable)) named = variable;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    if (word == "--config" && i + 1 < argc) named = argv[i + 1];
    if (word.starts_with("--config=")) named = word.substr(9);
  }
  return named;
}

Command Printing(std::string text) {
  return [text = std::move(text)](Session&) -> Result<int> {
    PrintText(text);
    return 0;
  };
}

int HelpWidth() {
  constexpr int kWidest = 100;
  const int width = Console().out_width();
  return width > 0 ? std::min(width, kWidest) : kWidest;
}

void KeepLists(CLI::App& app) {
  for (CLI::Option* option : app.get_options([](CLI::Option*) { return true; })) {
    if (option->get_items_expected_max() < 2) continue;
    option->transform([](std::string word) {
      if (word.starts_with(kAsItIs)) word.erase(0, 1);
      return word;
    });
  }
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) KeepLists(*sub);
}

// A shell leaves the ~ of --store=~/s, and nobody else expands that of variables and settings.
void ExpandHomes(CLI::App& app) {
  for (CLI::Option* option : app.get_options([](CLI::Option*) { return true; })) {
    const std::string type = option->get_type_name();
    const bool is_path =
        std::any_of(std::begin(kPathTypes), std::end(kPathTypes),
                    [&](const char* path) { return type.find(path) != type.npos; });
    if (is_path) option->transform(ExpandHome);
  }
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) ExpandHomes(*sub);
}

// Whether the word is an option with an empty value: --store=
bool HasEmptyValue(std::string_view word) {
  return word.size() > 3 && word.starts_with("--") && word.find('=') == word.size() - 1;
}

// Where the words that are no options begin.
int OptionsEnd(int argc, const char* const* argv) {
  return static_cast<int>(std::find(argv, argv + argc, std::string_view("--")) - argv);
}

bool IsFlag(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw(name);
  if (option != nullptr) return option->get_items_expected_max() == 0;
  const auto subs = app.get_subcommands([](const CLI::App*) { return true; });
  return std::any_of(subs.begin(), subs.end(),
                     [&](const CLI::App* sub) { return IsFlag(*sub, name); });
}

// A flag whose value is empty, as that of an unset variable is; empty: there is none.
std::string FlagWithoutValue(const CLI::App& app, int argc, const char* const* argv) {
  for (int i = 1; i < OptionsEnd(argc, argv); ++i) {
    const std::string_view word = argv[i];
    if (!HasEmptyValue(word)) continue;
    const std::string name(word.substr(0, word.size() - 1));
    if (IsFlag(app, name)) return name;
  }
  return "";
}

// As CLI11 takes them: the last one first.
std::vector<std::string> WordsOf(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = argc - 1; i > 0; --i) {
    const std::string_view word = argv[i];
    // CLI11 would take the next word as the value.
    if (HasEmptyValue(word) && i < OptionsEnd(argc, argv)) {
      words.emplace_back();
      words.emplace_back(word.substr(0, word.size() - 1));
      continue;
    }
    // The value of an option is not parted.
    const bool list = word.starts_with('[') && word.ends_with(']') &&
                      !std::string_view(argv[i - 1]).starts_with("--");
    words.push_back((list ? std::string(1, kAsItIs) : "") + std::string(word));
  }
  return words;
}

// kvlink help COMMAND...; the words are `typed` by then.
void AddHelpCommand(CLI::App& app, std::vector<std::string>* typed, bool* asked) {
  CLI::App* help = app.add_subcommand("help", "Help of the program, or of a command");
  help->add_option("COMMAND", *typed, "A command: ask, store gc, ...");
  help->callback([asked] { *asked = true; });
}

}  // namespace

Arguments ParseArguments(int argc, const char* const* argv) {
  Arguments arguments;
  GlobalOptions options;
  Command command;
  std::vector<std::string> help_words;
  bool help_asked = false, help_of_all = false;

  CLI::App app(
      "kvlink answers questions over your own documents, from KV caches that were computed once.",
      "kvlink");
  app.require_subcommand(0, 1);
  app.fallthrough();  // options of the program may stand behind the command
  app.set_help_flag("-h,--help", "Print this help");
  app.add_flag("--help-all", help_of_all, "Print the help of all commands")->configurable(false);
  app.set_version_flag("--version", "kvlink " KVLINK_VERSION, "Print the version");
  std::string config;  // read before the other words are
  app.add_option("--config", config, "Configuration file (TOML) [~/.config/kvlink/config.toml]")
      ->configurable(false)
      ->envname(kConfigVariable)
      ->type_name("FILE");
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
  AddCompletionCommand(app, &command);
  AddManualCommand(app, &command);
  AddHelpCommand(app, &help_words, &help_asked);

  KeepLists(app);
  ExpandHomes(app);

  const CommandInfo root = DescribeCommands(app);
  const auto wrong = [&](const std::string& what, const std::string& see) {
    Console().Line("kvlink: " + what + (see.empty() ? "" : "; see: " + see + " --help"));
    arguments.exit_status = 2;
    return arguments;
  };
  const std::optional<std::string> named = NamedConfig(argc, argv);
  const Status configured = ApplyConfigFile(app, ExpandHome(named.value_or(ConfigPath())),
                                            named.has_value(), &arguments.warning);
  if (const std::string flag = FlagWithoutValue(app, argc, argv); !flag.empty()) {
    return wrong(flag + ": true or false is expected behind its =, nothing found", NameOf(app));
  }
  try {
    app.parse(WordsOf(argc, argv));
  } catch (const CLI::CallForVersion& version) {
    arguments.command = Printing(std::string(version.what()) + "\n");
    return arguments;
  } catch (const CLI::Success&) {
    const CommandInfo* typed = Find(root, NameOf(TypedCommand(app)));
    arguments.command = Printing(Help(typed == nullptr ? root : *typed, HelpWidth()));
    return arguments;
  } catch (const CLI::ParseError& e) {
    return wrong(Describe(e, app, root, argc, argv), NameOf(TypedCommand(app)));
  }
  if (help_of_all) {
    arguments.command = Printing(HelpOfAll(root, HelpWidth()));
  } else if (help_asked) {
    const CommandInfo* at = &root;
    for (const std::string& word : help_words) {
      const auto next = std::find_if(at->commands.begin(), at->commands.end(),
                                     [&](const CommandInfo& c) { return c.path.back() == word; });
      if (next == at->commands.end()) return wrong(NoCommand(root, *at, word), "kvlink");
      at = &*next;
    }
    arguments.command = Printing(Help(*at, HelpWidth()));
  } else if (!configured.ok()) {
    return wrong(configured.message(), "");
  } else if (app.get_subcommands().empty()) {
    arguments.command = Printing(ShortHelp(root, HelpWidth()));
  } else {
    arguments.options = options;
    arguments.command = command;
  }
  return arguments;
}

}  // namespace kvlink::cli
