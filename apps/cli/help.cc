#include "cli/help.h"

#include <algorithm>

#include "cli/printable.h"

namespace kvlink::cli {
namespace {

constexpr int kColumn = 26;  // where what is said of an option begins

// `text` in lines, the first of which begins at `at`, the others at `indent`.
std::string Wrapped(const std::string& text, int at, int indent, int width) {
  std::string out;
  int column = at;
  bool first_word = true;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const int wide = DisplayWidth(word);
    if (!first_word && column + 1 + wide > width) {
      out += "\n" + std::string(static_cast<size_t>(indent), ' ');
      column = indent;
      first_word = true;
    }
    if (!first_word) {
      out += ' ';
      ++column;
    }
    out += word;
    column += wide;
    first_word = false;
    if (end < text.size() && text[end] == '\n') {
      out += "\n" + std::string(static_cast<size_t>(indent), ' ');
      column = indent;
      first_word = true;
    }
    begin = end + 1;
  }
  return out;
}

void AppendEntry(const std::string& name, const std::string& about, int width, std::string* out) {
  std::string line = "  " + name;
  if (DisplayWidth(line) + 2 > kColumn) {
    *out += line + "\n";
    line.clear();
  }
  line.resize(kColumn + line.size() - static_cast<size_t>(DisplayWidth(line)), ' ');
  *out += line + Wrapped(about, kColumn, kColumn, width) + "\n";
}

}  // namespace

std::string AboutOption(const OptionInfo& option) {
  std::string about = option.about;
  if (!option.fallback.empty()) about += " [" + option.fallback + "]";
  if (!option.variable.empty()) about += " (" + option.variable + ")";
  return about;
}

std::string OptionUsage(const OptionInfo& option) {
  std::string usage;
  for (const std::string& name : option.names) {
    if (!usage.empty()) usage += ", ";
    usage += name;
  }
  if (!option.argument && !option.value.empty()) usage += " " + option.value;
  if (option.repeats) usage += "...";
  return usage;
}

std::string CommandUsage(const CommandInfo& command) {
  std::string usage = command.name();
  if (!command.commands.empty()) usage += " COMMAND";
  usage += " [OPTIONS]";
  for (const OptionInfo& option : command.options) {
    if (option.argument) usage += " " + OptionUsage(option);
  }
  return usage;
}

std::string ShortHelp(const CommandInfo& root, int width) {
  std::string out = Wrapped(root.about, 0, 0, width) + "\n\n";
  for (const CommandInfo& command : root.commands) {
    AppendEntry(command.path.back(), command.about, width, &out);
  }
  return out +
         "\nStart with:        kvlink index PATH, then: kvlink ask QUESTION\n"
         "Help of a command: kvlink help COMMAND; all options: kvlink --help\n";
}

std::string Help(const CommandInfo& command, int width) {
  std::string out = Wrapped(command.about, 0, 0, width) + "\n\nUsage: ";
  out += Wrapped(CommandUsage(command), 7, 9, width) + "\n";
  if (!command.commands.empty()) {
    out += "\nCommands:\n";
    for (const CommandInfo& sub : command.commands) {
      AppendEntry(sub.path.back(), sub.about, width, &out);
    }
  }
  std::vector<std::string> groups;
  for (const OptionInfo& option : command.options) {
    const std::string group = option.argument ? "Arguments" : option.group;
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
    const auto rank = [](const std::string& group) {
      return group == "Arguments" ? 0 : group == "Options" ? 1 : 2;
    };
    return rank(a) < rank(b);
  });
  for (const std::string& group : groups) {
    out += "\n" + group + ":\n";
    for (const OptionInfo& option : command.options) {
      if ((option.argument ? "Arguments" : option.group) != group) continue;
      AppendEntry(OptionUsage(option), AboutOption(option), width, &out);
    }
  }
  if (command.path.size() > 1) {
    out += "\nOptions of every command (--store, --model, --json, ...): kvlink --help\n";
  } else {
    const std::string footer =
        "A flag beats the environment (KVLINK_STORE, ...), which beats the configuration file: "
        "store = \"~/notes-store\", and top-k = 3 below [ask].";
    out += "\n" + Wrapped(footer, 0, 0, width) +
           "\nStart with: kvlink index PATH, then: kvlink ask QUESTION\n";
  }
  return out;
}

std::string HelpOfAll(const CommandInfo& root, int width) {
  std::string out;
  for (const CommandInfo* command : AllCommands(root)) {
    if (!out.empty()) out += "\n" + std::string(std::min(width, 60), '-') + "\n\n";
    out += Help(*command, width);
  }
  return out;
}

}  // namespace kvlink::cli
