#include "cli/config_file.h"

#include <toml++/toml.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/file.h"
#include "cli/command_tree.h"
#include "cli/number_option.h"

namespace kvlink::cli {
namespace {

constexpr int64_t kMostBytes = 1 << 20;

std::vector<CLI::App*> CommandsOf(CLI::App& app) {
  std::vector<CLI::App*> commands = app.get_subcommands([](CLI::App* sub) {
    return !sub->get_group().empty();  // what is hidden has no settings
  });
  return commands;
}

// The option's name in the file; empty: it is none.
std::string SettingOf(const CLI::Option& option) {
  return option.get_configurable() && !option.get_lnames().empty() ? option.get_lnames()[0] : "";
}

CLI::Option* FindSetting(CLI::App& app, std::string_view name) {
  for (CLI::Option* option : app.get_options([](CLI::Option*) { return true; })) {
    if (!name.empty() && SettingOf(*option) == name) return option;
  }
  return nullptr;
}

// One file, read once.
class ConfigFile {
 public:
  ConfigFile(CLI::App& root, std::string path) : root_(root), path_(std::move(path)) {}

  Status Apply(const toml::table& table, CLI::App& app) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (const toml::table* inner = node.as_table()) {
        const std::vector<CLI::App*> commands = CommandsOf(app);
        const auto found = std::find_if(commands.begin(), commands.end(), [&](CLI::App* command) {
          return command->get_name() == name;
        });
        if (found == commands.end()) return NoTable(key, name, app, commands);
        KVLINK_RETURN_IF_ERROR(Apply(*inner, **found));
        continue;
      }
      CLI::Option* option = FindSetting(app, name);
      if (option == nullptr) return NoSetting(key, name, app);
      KVLINK_RETURN_IF_ERROR(Set(key.source().begin, name, node, *option));
    }
    return {};
  }

  Status Wrong(const toml::source_position& at, const std::string& what) const {
    return InvalidArgument("configuration file " + path_ + ", line " + std::to_string(at.line) +
                           ", column " + std::to_string(at.column) + ": " + what);
  }

 private:
  static std::string TableOf(const CLI::App& app) {
    std::string name = app.get_name();
    for (const CLI::App* at = app.get_parent(); at != nullptr && at->get_parent() != nullptr;
         at = at->get_parent()) {
      name = at->get_name() + "." + name;
    }
    return name;
  }

  Status NoTable(const toml::key& key, const std::string& name, CLI::App& app,
                 const std::vector<CLI::App*>& commands) const {
    std::vector<std::string> names;
    for (const CLI::App* command : commands) names.push_back(command->get_name());
    std::string what = "there is no command '" + name + "' for a table";
    if (FindSetting(app, name) != nullptr) what = name + ": a value is expected, a table found";
    return Wrong(key.source().begin, what + DidYouMean(name, names));
  }

  Status NoSetting(const toml::key& key, const std::string& name, CLI::App& app) const {
    std::string what = "there is no setting '" + name + "'";
    if (&app != &root_) what += " of [" + TableOf(app) + "]";
    // It may stand at the wrong place.
    if (&app != &root_ && FindSetting(root_, name) != nullptr) {
      return Wrong(key.source().begin, what + "; it stands above all tables");
    }
    for (CLI::App* command : CommandsOf(root_)) {
      if (command == &app || FindSetting(*command, name) == nullptr) continue;
      return Wrong(key.source().begin, what + (&app == &root_ ? " outside tables" : "") +
                                           "; it belongs below [" + TableOf(*command) + "]");
    }
    std::vector<std::string> names;
    for (const CLI::App* place : {&app, &root_}) {
      for (const CLI::Option* option :
           place->get_options([](const CLI::Option*) { return true; })) {
        if (!SettingOf(*option).empty()) names.push_back(SettingOf(*option));
      }
    }
    const std::string meant = DidYouMean(name, names);
    return Wrong(
        key.source().begin,
        what +
            (meant.empty() ? "; settings are the options of kvlink --help without dashes" : meant));
  }

  static std::string KindOf(const toml::node& node) {
    switch (node.type()) {
      case toml::node_type::string:
        return "a string";
      case toml::node_type::integer:
        return "an integer";
      case toml::node_type::floating_point:
        return "a number";
      case toml::node_type::boolean:
        return "true or false";
      case toml::node_type::array:
        return "an array";
      case toml::node_type::table:
        return "a table";
      default:
        return "a date or time";
    }
  }

  // As it would stand on the command line; none: a value of another kind is expected.
  static std::optional<std::string> TextOf(const toml::node& node, const CLI::Option& option) {
    if (option.get_items_expected_max() == 0) {  // a flag
      if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
      return std::nullopt;
    }
    const std::string type = option.get_type_name();
    const std::string value = type.substr(0, type.find(':'));
    const bool number =
        value == "N" || value == "SIZE" || value == "INT" || value == "UINT" || value == "FLOAT";
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* integer = node.as_integer(); integer != nullptr && number) {
      return std::to_string(integer->get());
    }
    if (const auto* floating = node.as_floating_point(); floating != nullptr && number) {
      std::array<char, 512> digits{};  // with an exponent a SIZE would be another one
      const auto end =
          std::to_chars(digits.begin(), digits.end(), floating->get(), std::chars_format::fixed);
      return std::string(digits.data(), end.ptr);
    }
    return std::nullopt;
  }

  static std::string Expected(const CLI::Option& option) {
    if (option.get_items_expected_max() == 0) return "true or false";
    const std::string type = option.get_type_name();
    const std::string value = type.substr(0, type.find(':'));
    if (value == "SIZE") return "a size (\"20GB\", or bytes)";
    return value == "N" || value == "INT" || value == "UINT" || value == "FLOAT" ? "a number"
                                                                                 : "a string";
  }

  Status Set(const toml::source_position& at, const std::string& name, const toml::node& node,
             CLI::Option& option) const {
    std::vector<std::string> values;
    const bool many = option.get_expected_max() > 1 || option.get_items_expected_max() > 1;
    const toml::array* array = node.as_array();
    const auto wrong_kind = [&](const toml::node& found) {
      return Wrong(found.source().begin ? found.source().begin : at,
                   name + ": " + Expected(option) + " is expected, " + KindOf(found) + " found");
    };
    if (array != nullptr && many) {
      for (const toml::node& item : *array) {
        const std::optional<std::string> text = TextOf(item, option);
        if (!text) return wrong_kind(item);
        values.push_back(*text);
      }
    } else {
      const std::optional<std::string> text = TextOf(node, option);
      if (!text) return wrong_kind(node);
      values.push_back(*text);
    }
    try {
      // CLI11 takes a default that is a list in this form.
      option.default_val(array != nullptr ? "[" + CLI::detail::join(values, ",") + "]" : values[0]);
    } catch (const CLI::ParseError& e) {
      std::string what = e.what();
      const std::string flag = option.get_name() + ": ";
      if (what.starts_with(flag)) what.erase(0, flag.size());
      std::replace(what.begin(), what.end(), '\n', ' ');
      return Wrong(node.source().begin, name + ": " + InPlainWords(what));
    }
    return {};
  }

  CLI::App& root_;
  const std::string path_;
};

}  // namespace

Status ApplyConfigFile(CLI::App& app, const std::string& path, bool named, std::string* warning) {
  if (path.empty()) return {};
  const Result<std::string> text = ReadWholeFile(FileSystem::Posix(), path, kMostBytes);
  if (text.code() == StatusCode::kNotFound && !named) return {};
  // Another user's home, most likely (a container's HOME): none of this user's settings are lost.
  if (text.code() == StatusCode::kFailedPrecondition && !named) {
    *warning = "going on without the configuration file: " + text.status().message();
    return {};
  }
  if (!text.ok()) return Status(text.code(), "configuration file: " + text.status().message());
  ConfigFile file(app, path);
  toml::table table;
  try {
    table = toml::parse(*text);
  } catch (const toml::parse_error& error) {
    std::string what(error.description());
    std::replace(what.begin(), what.end(), '\n', ' ');
    return file.Wrong(error.source().begin, "not TOML: " + what);
  }
  return file.Apply(table, app);
}

}  // namespace kvlink::cli
