// Mixtures (train/mixture.h). nlohmann::json's exceptions are off here.
#include "train/mixture.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/bounded_json.h"
#include "base/quote.h"

namespace kvlink::train {
namespace {

using nlohmann::json;

constexpr int64_t kMostBytes = 1 << 20;
constexpr std::array<std::pair<PartKind, std::string_view>, 7> kNames = {{
    {PartKind::kByExample, "by-example"},
    {PartKind::kQaSegments, "qa-segments"},
    {PartKind::kQaPlain, "qa-plain"},
    {PartKind::kChat, "chat"},
    {PartKind::kChatPlain, "chat-plain"},
    {PartKind::kSummary, "summary"},
    {PartKind::kText, "text"},
}};

std::string Found(const json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end()) return "nothing";
  if (at->is_string()) return Quoted(at->get_ref<const std::string&>());
  if (at->is_number()) return at->dump();
  return at->type_name();
}

// The files of one path, which may be a pattern.
Result<std::vector<std::string>> Find(FileSystem& files, const std::string& path) {
  const size_t slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string pattern = slash == std::string::npos ? path : path.substr(slash + 1);
  if (pattern.find_first_of("*?") == std::string::npos) {
    KVLINK_RETURN_IF_ERROR(files.Stat(path).status());
    return std::vector<std::string>{path};
  }
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> list, files.List(folder));
  std::vector<std::string> found;
  for (const FileInfo& file : list) {
    if (file.is_directory() || !FitsPattern(file.name, pattern)) continue;
    found.push_back(slash == std::string::npos ? file.name : folder + file.name);
  }
  if (found.empty()) return NotFound(path + ": no file fits this pattern");
  return found;
}

// `place`: "parts[1]". Errors do not name the mixture's file.
Status ReadPart(FileSystem& files, const std::string& folder, const std::string& place,
                const json& object, MixturePart* part) {
  static constexpr std::array<std::string_view, 6> kFields = {"name", "data",  "weight",
                                                              "kind", "limit", "piece_words"};
  const auto wrong = [&](const char* field, const std::string& expected) {
    return InvalidArgument("field \"" + place + "." + field + "\": " + expected + " expected, " +
                           Found(object, field) + " found");
  };
  if (!object.is_object()) return InvalidArgument("field \"" + place + "\": an object expected");
  for (const auto& item : object.items()) {
    if (std::find(kFields.begin(), kFields.end(), item.key()) == kFields.end()) {
      return InvalidArgument("field \"" + place +
                             "\": name, data, weight, kind, limit, piece_words expected, " +
                             Quoted(item.key()) + " found");
    }
  }
  const auto data = object.find("data");
  if (data == object.end() || !data->is_string() || data->get_ref<const std::string&>().empty()) {
    return wrong("data", "a path or a pattern of paths");
  }
  const auto& pattern = data->get_ref<const std::string&>();
  part->name = pattern;
  if (const auto name = object.find("name"); name != object.end()) {
    if (!name->is_string()) return wrong("name", "a string");
    part->name = name->get<std::string>();
  }
  const auto weight = object.find("weight");
  if (weight == object.end() || !weight->is_number() || !(weight->get<double>() > 0)) {
    return wrong("weight", "a number above 0");
  }
  part->weight = weight->get<double>();
  if (object.contains("kind")) {
    const json& kind = object["kind"];
    bool known = false;
    for (const auto& [value, name] : kNames) {
      if (!kind.is_string() || kind.get_ref<const std::string&>() != name) continue;
      part->kind = value;
      known = true;
    }
    if (!known) {
      return wrong("kind", "qa-segments, qa-plain, chat, chat-plain, summary, text or by-example");
    }
  }
  for (const auto& [field, to] :
       {std::pair("limit", &part->limit), std::pair("piece_words", &part->piece_words)}) {
    if (!object.contains(field)) continue;
    if (!object[field].is_number_unsigned() || object[field].get<uint64_t>() > INT32_MAX) {
      return wrong(field, "a whole number from 0");
    }
    *to = object[field].get<int64_t>();
  }
  Result<std::vector<std::string>> found =
      Find(files, pattern.starts_with('/') ? pattern : folder + pattern);
  if (!found.ok()) {
    return {found.code(), "field \"" + place + ".data\": " + found.status().message()};
  }
  part->files = *std::move(found);
  return {};
}

}  // namespace

std::string_view Name(PartKind kind) {
  for (const auto& [value, name] : kNames) {
    if (value == kind) return name;
  }
  return "";
}

PartKind KindOf(const data::Example& example) {
  switch (example.kind) {
    case data::ExampleKind::kQuestion:
      return PartKind::kQaSegments;
    case data::ExampleKind::kSummary:
      return PartKind::kSummary;
    case data::ExampleKind::kChat:
      return PartKind::kChat;
    case data::ExampleKind::kText:
      return PartKind::kText;
  }
  return PartKind::kQaSegments;
}

bool FitsPattern(std::string_view name, std::string_view pattern) {
  // After a mismatch the last * takes one character more; earlier ones need not change.
  size_t n = 0, p = 0, star = pattern.npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != pattern.npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<std::vector<MixturePart>> ReadMixture(FileSystem& files, const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(files, path, kMostBytes));
  const json whole = ParseBoundedJson<json>(text);
  if (!whole.is_object()) {
    return InvalidArgument(path + ": a JSON object {\"parts\": [..]} expected, " +
                           (whole.is_discarded() ? "found what is not JSON"
                                                 : std::string(whole.type_name()) + " found"));
  }
  for (const auto& item : whole.items()) {
    if (item.key() == "parts" || item.key() == "about") continue;
    return InvalidArgument(path + ": parts and about expected, " + Quoted(item.key()) + " found");
  }
  const auto list = whole.find("parts");
  if (list == whole.end() || !list->is_array() || list->empty()) {
    return InvalidArgument(path + ": field \"parts\": an array of at least one part expected, " +
                           Found(whole, "parts") + " found");
  }
  const std::string folder = path.substr(0, path.find_last_of('/') + 1);
  std::vector<MixturePart> parts(list->size());
  for (size_t i = 0; i < parts.size(); ++i) {
    const Status status =
        ReadPart(files, folder, "parts[" + std::to_string(i) + "]", (*list)[i], &parts[i]);
    if (!status.ok()) return Status(status.code(), path + ": " + status.message());
  }
  return parts;
}

}  // namespace kvlink::train
