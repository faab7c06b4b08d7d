#include "cli/command_tree.h"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace kvlink::cli {
namespace {

// CLI11 joins a value's name and what is checked: "N:INT in [0 - 9]", "TEXT:{auto,f32}".
void ReadValue(const CLI::Option& option, OptionInfo* info) {
  const std::string type = option.get_type_name();
  info->value = type.substr(0, type.find(':'));
  const size_t open = type.find(":{"), close = type.rfind('}');
  if (open == type.npos || close == type.npos || close < open) return;
  info->choices = CLI::detail::split(type.substr(open + 2, close - open - 2), ',');
  constexpr size_t kShort = 40;
  const std::string listed = CLI::detail::join(info->choices, "|");
  if (listed.size() <= kShort) {
    info->value = listed;
  } else {
    info->about += ": " + CLI::detail::join(info->choices, ", ");
  }
}

OptionInfo Describe(const CLI::Option& option) {
  OptionInfo info;
  info.argument = !option.nonpositional();
  info.repeats = option.get_items_expected_max() > 1 || option.get_expected_max() > 1;
  if (info.argument) {
    info.names.push_back(option.get_name(/*positional=*/true));
  } else {
    for (const std::string& name : option.get_snames()) info.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) info.names.push_back("--" + name);
  }
  info.about = option.get_description();
  if (option.get_items_expected_max() > 0) {  // no flag
    ReadValue(option, &info);
    info.fallback = option.get_default_str();
  }
  info.variable = option.get_envname();
  info.group = option.get_group();
  return info;
}

CommandInfo Describe(const CLI::App& app, std::vector<std::string> path) {
  CommandInfo info;
  path.push_back(app.get_name());
  info.path = std::move(path);
  info.about = app.get_description();
  for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) {
    if (!option->get_group().empty()) info.options.push_back(Describe(*option));
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!sub->get_group().empty()) info.commands.push_back(Describe(*sub, info.path));
  }
  return info;
}

// Letters left out, added, wrong, or two that changed places.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      const size_t differs = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + differs});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

// Small letters, and one kind of dash.
std::string Plain(std::string_view word) {
  std::string plain(word.substr(std::min(word.find_first_not_of('-'), word.size())));
  for (char& c : plain) c = c == '_' ? '-' : CLI::detail::to_lower(std::string(1, c))[0];
  return plain;
}

}  // namespace

std::string CommandInfo::name() const { return CLI::detail::join(path, " "); }

CommandInfo DescribeCommands(const CLI::App& app) { return Describe(app, {}); }

std::vector<const CommandInfo*> AllCommands(const CommandInfo& root) {
  std::vector<const CommandInfo*> all = {&root};
  for (const CommandInfo& command : root.commands) {
    const std::vector<const CommandInfo*> below = AllCommands(command);
    all.insert(all.end(), below.begin(), below.end());
  }
  return all;
}

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongest = 64;  // of what could be a name
  const std::string given = Plain(word);
  if (given.size() < 2 || given.size() > kLongest) return "";
  std::string nearest;
  size_t least = std::max<size_t>(1, given.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::string plain = Plain(candidate);
    // The beginning of a name, or a name with more behind it, is as good as one slip.
    const bool begins = given.size() >= 3 && (plain.starts_with(given) || given.starts_with(plain));
    const size_t distance = plain == given ? 0 : begins ? 1 : Distance(given, plain);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string nearest = Nearest(word, candidates);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

}  // namespace kvlink::cli
