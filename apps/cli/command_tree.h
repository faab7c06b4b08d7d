// The commands and options as plain data, read once from CLI11's tree: what help, completions, the
// manual page and "did you mean" are made from. Not here: parsing (arguments.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace kvlink::cli {

struct OptionInfo {
  std::vector<std::string> names;  // "--top-k"; of an argument: "PATH"
  bool argument = false;           // stands by its place
  bool repeats = false;
  std::string value;                 // what is given: "N", "DIR", "auto|f32"; empty: a flag
  std::vector<std::string> choices;  // if there are few
  std::string about;
  std::string fallback;  // what it is if it is not given; may be empty
  std::string variable;  // of the environment; may be empty
  std::string group;
};

struct CommandInfo {
  std::vector<std::string> path;  // "kvlink", "store", "gc"
  std::string about;
  std::vector<OptionInfo> options;
  std::vector<CommandInfo> commands;

  std::string name() const;  // "kvlink store gc"
};

// Without what is hidden.
CommandInfo DescribeCommands(const CLI::App& app);

// Of a command and all below it, the command first.
std::vector<const CommandInfo*> AllCommands(const CommandInfo& root);

// The candidate that was probably meant; empty: none is near.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);
// "; did you mean --store?", or nothing.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace kvlink::cli
