#include "cli/links_info.h"

#include "base/bounded_json.h"
#include "base/file.h"
#include "cli/json_output.h"
#include "cli/terminal.h"
#include "formats/safetensors.h"

namespace kvlink::cli {
namespace {

// A metadata field that holds JSON; null where it is missing or no JSON.
Json Field(const formats::SafetensorsFile& file, std::string_view name) {
  const auto found = file.metadata().find(name);
  if (found == file.metadata().end()) return nullptr;
  Json value = ParseBoundedJson<Json>(found->second);
  return value.is_object() ? value : Json(nullptr);
}

std::string Text(const formats::SafetensorsFile& file, std::string_view name) {
  const auto found = file.metadata().find(name);
  return found == file.metadata().end() ? "" : found->second;
}

}  // namespace

bool IsLinkFile(const std::string& path) { return path.ends_with(".safetensors"); }

Result<int> PrintLinksInfo(const std::string& path, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const auto file,
                          formats::SafetensorsFile::Open(FileSystem::Posix(), path));
  if (Text(*file, "format") != "kvlink-links") {
    return InvalidArgument(path + ": expected a link file (metadata format: kvlink-links), found " +
                           "another kind of safetensors file");
  }
  const Json adapter = Field(*file, "adapter"), gate = Field(*file, "gate"),
             provenance = Field(*file, "provenance");
  if (session.json()) {
    PrintJson({{"path", path},
               {"k", Text(*file, "k")},
               {"base", Text(*file, "base")},
               {"adapter", adapter},
               {"gate", gate},
               {"provenance", provenance}});
    return 0;
  }
  std::string out;
  const auto line = [&out](const std::string& label, const std::string& value) {
    out += CleanLine(label) + std::string(label.size() < 14 ? 14 - label.size() : 1, ' ') +
           CleanLine(value) + "\n";
  };
  // Values as they stand in the file: the file is anybody's.
  const auto object = [&](const std::string& label, const Json& value, const char* otherwise) {
    if (!value.is_object()) return line(label, otherwise);
    out += label + "\n";
    for (const auto& [name, inner] : value.items()) {
      const Json list =
          inner.is_array() && !inner.empty() && inner[0].is_object() ? inner : Json::array({inner});
      for (const Json& item : list) {
        const auto* const text = item.get_ptr<const std::string*>();
        line("  " + name,
             text != nullptr ? *text : item.dump(-1, ' ', false, Json::error_handler_t::replace));
      }
    }
  };
  line("path", path);
  line("link tokens", Text(*file, "k") + " after each document");
  line("base", Text(*file, "base"));
  object("adapter", adapter, "none");
  object("gate", gate, "not measured: kvlink check --quality");
  object("provenance", provenance, "not recorded");
  PrintText(out);
  return 0;
}

}  // namespace kvlink::cli
