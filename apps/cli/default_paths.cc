#include "cli/default_paths.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/absolute_path.h"
#include "base/file.h"

namespace kvlink::cli {
namespace {

namespace fs = std::filesystem;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The XDG rule: a relative path in the variable is to be ignored.
std::string XdgDirectory(const char* variable, const char* below_home) {
  const std::string given = Environment(variable);
  if (!given.empty() && given[0] == '/') return given + "/kvlink";
  const std::string home = Environment("HOME");
  if (home.empty()) return "";
  return home + below_home + "/kvlink";
}

}  // namespace

Result<std::string> DataDirectory() {
  std::string directory = XdgDirectory("XDG_DATA_HOME", "/.local/share");
  if (directory.empty()) {
    return FailedPrecondition(
        "neither XDG_DATA_HOME nor HOME is set, so there is no default place: give --store DIR and "
        "--model PATH");
  }
  return directory;
}

std::string ConfigPath() {
  const std::string directory = XdgDirectory("XDG_CONFIG_HOME", "/.config");
  return directory.empty() ? "" : directory + "/config.toml";
}

std::string DigestsPath() {
  const std::string directory = XdgDirectory("XDG_CACHE_HOME", "/.cache");
  return directory.empty() ? "" : directory + "/digests";
}

Result<std::string> StorePath(const std::string& given) {
  if (!given.empty()) return AbsolutePath(given);
  KVLINK_ASSIGN_OR_RETURN(const std::string data, DataDirectory());
  return data + "/store";
}

Result<std::string> ModelsDirectory() {
  KVLINK_ASSIGN_OR_RETURN(const std::string data, DataDirectory());
  return data + "/models";
}

Result<std::string> ModelPath(const std::string& given) {
  if (!given.empty() && library::FileExists(given)) return given;
  if (given.find('/') != std::string::npos) {
    return NotFound("model " + given + ": no such file");
  }
  KVLINK_ASSIGN_OR_RETURN(const std::string models, ModelsDirectory());
  const std::string name = given.empty() ? kDefaultModel : given;
  for (const char* ending : {"", ".gguf"}) {
    std::string path = models + "/";
    path += name;
    path += ending;
    if (library::FileExists(path)) return path;
  }
  if (given.empty()) {
    return NotFound("no model: " + models + "/" + name +
                    " is not there; run ./quickstart, or bring a GGUF file with: kvlink model add "
                    "PATH, or name one with --model");
  }
  return NotFound("model " + given + ": no such file, and " + models +
                  " has none of that name; see: kvlink model list");
}

std::string LinksBeside(const std::string& model_path) {
  std::string_view stem = model_path;
  if (stem.ends_with(".gguf")) stem.remove_suffix(5);
  return std::string(stem) + ".links.safetensors";
}

std::string FileName(const std::string& path) { return fs::path(path).filename().string(); }

std::string ExpandHome(const std::string& path) {
  if (!path.starts_with('~')) return path;
  const size_t end = std::min(path.find('/'), path.size());
  const std::string name = path.substr(1, end - 1);
  std::string home = name.empty() ? Environment("HOME") : "";
  if (home.empty()) {
    const passwd* user = name.empty() ? ::getpwuid(::getuid()) : ::getpwnam(name.c_str());
    if (user == nullptr || user->pw_dir == nullptr) return path;
    home = user->pw_dir;
  }
  return home + path.substr(end);
}

}  // namespace kvlink::cli
