#include "cli/manual.h"

#include "cli/help.h"

namespace kvlink::cli {
namespace {

// Text as roff takes it: no line is a request, dashes stay dashes that can be copied.
std::string Roff(const std::string& text) {
  std::string out;
  bool starts_line = true;
  for (const char c : text) {
    if (starts_line && (c == '.' || c == '\'')) out += "\\&";
    starts_line = c == '\n';
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '~':
        out += "\\(ti";
        break;
      case '^':
        out += "\\(ha";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void AppendOptions(const CommandInfo& command, bool arguments, std::string* out) {
  for (const OptionInfo& option : command.options) {
    if (option.argument != arguments) continue;
    *out += ".TP\n.B " + Roff(OptionUsage(option)) + "\n" + Roff(AboutOption(option)) + "\n";
  }
}

}  // namespace

std::string ManualPage(const CommandInfo& root, const std::string& version,
                       const std::string& date) {
  std::string out =
      ".\\\" Made by the program itself: kvlink manual\n"
      ".TH KVLINK 1 \"" +
      date + "\" \"kvlink " + version +
      "\" \"User Commands\"\n"
      ".SH NAME\n"
      "kvlink \\- answers over documents from KV caches that were computed once\n"
      ".SH SYNOPSIS\n.B kvlink\n.I COMMAND\n.RI [ OPTIONS ]\n"
      ".SH DESCRIPTION\n" +
      Roff(root.about) +
      "\n.PP\n"
      "Each document is computed once, alone, and kept on disk; a question puts the caches of the\n"
      "documents that it needs side by side. Start with\n.B kvlink index\n.IR PATH ,\nthen\n"
      ".B kvlink ask\n.IR QUESTION .\n"
      ".SH COMMANDS\n";
  for (const CommandInfo* command : AllCommands(root)) {
    if (command == &root) continue;
    out += ".SS " + Roff(command->name()) + "\n" + Roff(command->about) + ".\n.PP\n.B " +
           Roff(CommandUsage(*command)) + "\n";
    AppendOptions(*command, /*arguments=*/true, &out);
    AppendOptions(*command, /*arguments=*/false, &out);
  }
  out += ".SH OPTIONS OF EVERY COMMAND\n";
  AppendOptions(root, /*arguments=*/false, &out);
  return out +
         ".SH FILES\n"
         ".TP\n.I \\(ti/.config/kvlink/config.toml\n"
         "Settings in TOML: options without their dashes, those of a command below a table of its\n"
         "name, as\n.B top\\-k = 3\nbelow\n.BR [ask] .\n"
         "A flag beats the environment, which beats the file.\n"
         ".TP\n.I \\(ti/.local/share/kvlink/store\nThe store: the documents and their blocks.\n"
         ".TP\n.I \\(ti/.local/share/kvlink/models\nModels, and their link files.\n"
         ".SH EXIT STATUS\n"
         "0: done. 1: failed, with one line on standard error. 2: wrong usage. 130: stopped by\n"
         "Ctrl\\-C.\n"
         ".SH EXAMPLES\n.nf\n"
         "kvlink index \\(ti/notes\n"
         "kvlink ask when does the ferry leave\n"
         "kvlink ask \"When does the ferry leave?\" \\-\\-compare\n"
         "kvlink store gc \\-\\-budget 20GB\n.fi\n";
}

}  // namespace kvlink::cli
