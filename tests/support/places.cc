// Where tests find what is not part of the tree: a real model, and reference numbers.
#include <cstdlib>
#include <filesystem>

#include "support/tiny_model.h"

namespace kvlink::testing {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string IfExists(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) ? path.string() : "";
}

}  // namespace

std::string RealModelPath() {
  if (const std::string path = Environment("KVLINK_TEST_MODEL"); !path.empty()) {
    return IfExists(path);
  }
  std::filesystem::path data = Environment("XDG_DATA_HOME");
  if (data.empty()) {
    const std::string home = Environment("HOME");
    if (home.empty()) return "";
    data = std::filesystem::path(home) / ".local/share";
  }
  return IfExists(data / "kvlink/models/SmolLM2-135M-Instruct.Q4_1.gguf");
}

// Told by CMake: __FILE__ may be relative to a folder that only the compiler knew.
std::string TreePath(const std::string& relative) { return KVLINK_TREE + ("/" + relative); }

std::string SharedPath(const std::string& relative) {
  if (const std::string shared = Environment("KVLINK_SHARED"); !shared.empty()) {
    return IfExists(std::filesystem::path(shared) / relative);
  }
  return IfExists(std::filesystem::path(KVLINK_TREE).parent_path() / "shared" / relative);
}

}  // namespace kvlink::testing
