// All three scripts walk the words up to the cursor to the command that they name, and offer what
// may stand behind it.
#include "cli/completion.h"

namespace kvlink::cli {
namespace {

// What is offered for a value.
enum class Offer { kNothing, kFiles, kFolders, kChoices };

Offer OfferFor(const OptionInfo& option) {
  if (!option.choices.empty()) return Offer::kChoices;
  const std::string& kind = option.argument ? option.names[0] : option.value;
  if (kind == "DIR") return Offer::kFolders;
  for (const char* file : {"FILE", "PATH", "MODEL"}) {
    if (kind.find(file) != std::string::npos) return Offer::kFiles;
  }
  return Offer::kNothing;
}

std::string Joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

// For single quotes of bash and zsh.
std::string ShellQuoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string FishQuoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// One line of what is said of it, for lists.
std::string Brief(const std::string& about) {
  constexpr size_t kMost = 60;
  std::string brief = about.substr(0, about.find_first_of(";\n"));
  if (brief.size() <= kMost) return brief;
  brief.resize(brief.rfind(' ', kMost));
  return brief + "\u2026";
}

// "kvlink ask"|"kvlink store gc": what a word may complete to another command.
std::string CommandPatterns(const CommandInfo& root, const char* between) {
  std::vector<std::string> patterns;
  for (const CommandInfo* command : AllCommands(root)) {
    if (command != &root) patterns.push_back("'" + command->name() + "'");
  }
  return Joined(patterns, between);
}

std::vector<std::string> OptionNames(const CommandInfo& command) {
  std::vector<std::string> names;
  for (const OptionInfo& option : command.options) {
    if (!option.argument) names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

std::vector<std::string> CommandNames(const CommandInfo& command) {
  std::vector<std::string> names;
  for (const CommandInfo& sub : command.commands) names.push_back(sub.path.back());
  return names;
}

// The options of all commands stand behind every command.
std::string OptionPatterns(const CommandInfo& root, const CommandInfo& command,
                           const OptionInfo& option) {
  std::vector<std::string> patterns;
  for (const std::string& name : option.names) {
    patterns.push_back(&command == &root ? "'kvlink'*' " + name + "'"
                                         : "'" + command.name() + " " + name + "'");
  }
  return Joined(patterns, "|");
}

const OptionInfo* Argument(const CommandInfo& command) {
  for (const OptionInfo& option : command.options) {
    if (option.argument) return &option;
  }
  return nullptr;
}

}  // namespace

std::string BashCompletion(const CommandInfo& root) {
  std::string out =
      "# bash completion of kvlink; made by: kvlink completion bash\n"
      "_kvlink() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at=kvlink i\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"$at ${COMP_WORDS[i]}\" in\n"
      "      " +
      CommandPatterns(root, "|") +
      ") at+=\" ${COMP_WORDS[i]}\" ;;\n"
      "    esac\n"
      "  done\n"
      "  if [[ $cur == = ]]; then cur=; fi\n"
      "  if [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
      "  local files= folders= words=\n"
      "  case \"$at $prev\" in\n";
  for (const CommandInfo* command : AllCommands(root)) {
    for (const OptionInfo& option : command->options) {
      if (option.argument || option.value.empty()) continue;
      out += "    " + OptionPatterns(root, *command, option) + ") ";
      switch (OfferFor(option)) {
        case Offer::kChoices:
          out += "words=" + ShellQuoted(Joined(option.choices)) + " ;;\n";
          break;
        case Offer::kFiles:
          out += "files=1 ;;\n";
          break;
        case Offer::kFolders:
          out += "folders=1 ;;\n";
          break;
        case Offer::kNothing:
          out += "return ;;\n";
          break;
      }
    }
  }
  out += "    *)\n      case $at in\n";
  for (const CommandInfo* command : AllCommands(root)) {
    out +=
        "        '" + command->name() + "') words=" + ShellQuoted(Joined(CommandNames(*command)));
    const OptionInfo* argument = Argument(*command);
    if (argument != nullptr && OfferFor(*argument) == Offer::kFiles) out += " files=1";
    if (argument != nullptr && !argument->choices.empty()) {
      out += " words=" + ShellQuoted(Joined(argument->choices));
    }
    out += "\n          [[ $cur == -* ]] && files= words=" +
           ShellQuoted(Joined(OptionNames(*command)) +
                       (command == &root ? "" : " " + Joined(OptionNames(root)))) +
           " ;;\n";
  }
  return out +
         "      esac ;;\n"
         "  esac\n"
         "  [[ -n $words ]] && mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
         "  [[ -n $folders ]] && mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
         "  [[ -n $files ]] && mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "  [[ -n $files$folders ]] && compopt -o filenames 2>/dev/null\n"
         "  return 0\n"
         "}\n"
         "complete -F _kvlink kvlink\n";
}

std::string ZshCompletion(const CommandInfo& root) {
  std::string out =
      "#compdef kvlink\n"
      "# zsh completion of kvlink; made by: kvlink completion zsh\n"
      "_kvlink() {\n"
      "  local at=kvlink prev=${words[CURRENT-1]} i\n"
      "  local -a commands options\n"
      "  for ((i = 2; i < CURRENT; i++)); do\n"
      "    case \"$at ${words[i]}\" in\n"
      "      (" +
      CommandPatterns(root, "|") +
      ") at+=\" ${words[i]}\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$at $prev\" in\n";
  for (const CommandInfo* command : AllCommands(root)) {
    for (const OptionInfo& option : command->options) {
      if (option.argument || option.value.empty()) continue;
      out += "    (" + OptionPatterns(root, *command, option) + ") ";
      switch (OfferFor(option)) {
        case Offer::kChoices:
          out += "compadd -- " + Joined(option.choices);
          break;
        case Offer::kFiles:
          out += "_files";
          break;
        case Offer::kFolders:
          out += "_files -/";
          break;
        case Offer::kNothing:
          out += "_message " + ShellQuoted(option.value);
          break;
      }
      out += "; return ;;\n";
    }
  }
  out += "  esac\n  case $at in\n";
  const auto entry = [](std::string name, const std::string& about) {
    for (size_t at = name.find(':'); at != std::string::npos; at = name.find(':', at + 2)) {
      name.insert(at, "\\");
    }
    return "      " + ShellQuoted(name + ":" + Brief(about)) + "\n";
  };
  for (const CommandInfo* command : AllCommands(root)) {
    out += "    ('" + command->name() + "')\n      commands=(\n";
    for (const CommandInfo& sub : command->commands) out += entry(sub.path.back(), sub.about);
    out += "      )\n      options=(\n";
    for (const CommandInfo* place : {command, &root}) {
      for (const OptionInfo& option : place->options) {
        if (option.argument) continue;
        for (const std::string& name : option.names) out += entry(name, option.about);
      }
      if (command == &root) break;
    }
    out += "      ) ;;\n";
  }
  out +=
      "  esac\n"
      "  if [[ $PREFIX == -* ]]; then _describe option options; return; fi\n"
      "  (( $#commands )) && _describe command commands\n"
      "  case $at in\n";
  for (const CommandInfo* command : AllCommands(root)) {
    const OptionInfo* argument = Argument(*command);
    if (argument == nullptr || OfferFor(*argument) == Offer::kNothing) continue;
    out += "    ('" + command->name() + "') " +
           (argument->choices.empty() ? "_files" : "compadd -- " + Joined(argument->choices)) +
           " ;;\n";
  }
  return out +
         "  esac\n"
         "}\n"
         "if [[ ${funcstack[1]-} == _kvlink ]]; then _kvlink \"$@\"; else compdef _kvlink kvlink; "
         "fi\n";
}

std::string FishCompletion(const CommandInfo& root) {
  std::string out =
      "# fish completion of kvlink; made by: kvlink completion fish\n"
      "function __kvlink_at\n"
      "  set -l at kvlink\n"
      "  set -l words (commandline -opc)\n"
      "  for word in $words[2..-1]\n"
      "    switch \"$at $word\"\n"
      "      case " +
      CommandPatterns(root, " ") +
      "\n"
      "        set at \"$at $word\"\n"
      "    end\n"
      "  end\n"
      "  test \"$at\" = \"$argv\"\n"
      "end\n"
      "complete -c kvlink -f\n";
  for (const CommandInfo* command : AllCommands(root)) {
    const std::string there =
        "complete -c kvlink -n " + FishQuoted("__kvlink_at " + command->name());
    for (const CommandInfo& sub : command->commands) {
      out += there + " -a " + sub.path.back() + " -d " + FishQuoted(Brief(sub.about)) + "\n";
    }
    const OptionInfo* argument = Argument(*command);
    if (argument != nullptr && OfferFor(*argument) == Offer::kFiles) out += there + " -F\n";
    if (argument != nullptr && !argument->choices.empty()) {
      out += there + " -a " + FishQuoted(Joined(argument->choices)) + "\n";
    }
    for (const OptionInfo& option : command->options) {
      if (option.argument) continue;
      out += command == &root ? "complete -c kvlink" : there;
      for (const std::string& name : option.names) {
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (!option.value.empty()) {
        switch (OfferFor(option)) {
          case Offer::kChoices:
            out += " -x -a " + FishQuoted(Joined(option.choices));
            break;
          case Offer::kFiles:
            out += " -r -F";
            break;
          case Offer::kFolders:
            out += " -x -a '(__fish_complete_directories)'";
            break;
          case Offer::kNothing:
            out += " -x";
            break;
        }
      }
      out += " -d " + FishQuoted(Brief(option.about)) + "\n";
    }
  }
  return out;
}

}  // namespace kvlink::cli
