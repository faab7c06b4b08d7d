#include "library/label.h"

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/bounded_json.h"
#include "base/utf8.h"
#include "retrieval/source_map.h"

namespace kvlink::library {
namespace {

using Json = nlohmann::ordered_json;  // keys in the order in which they were put

// The source as it was, if the label has its bytes.
std::optional<std::string> SourceBytes(const Json& json) {
  const auto bytes = json.find("source_bytes");
  if (bytes == json.end() || !bytes->is_array()) return std::nullopt;
  std::string source;
  for (const Json& byte : *bytes) {
    if (!byte.is_number_unsigned() || byte.get<uint64_t>() > 255) return std::nullopt;
    source.push_back(static_cast<char>(byte.get<uint64_t>()));
  }
  return source;
}

}  // namespace

std::string LabelOf(const retrieval::SourceDocument& document) {
  Json json{{"id", document.id},         {"title", document.title}, {"text", document.text},
            {"source", document.source}, {"begin", document.begin}, {"end", document.end}};
  if (document.unit != PlaceUnit::kByte) json["unit"] = retrieval::UnitName(document.unit);
  // The name of a file is bytes, JSON is UTF-8: what it would change is kept beside.
  if (WellFormedEnd(document.source, 0) < document.source.size()) {
    json["source_bytes"] = std::vector<uint8_t>(document.source.begin(), document.source.end());
  }
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::optional<retrieval::SourceDocument> ParseLabel(std::string_view label) {
  const Json json = ParseBoundedJson<Json>(label);
  if (!json.is_object()) return std::nullopt;
  const auto is_text = [&](const char* key) { return json.contains(key) && json[key].is_string(); };
  const auto is_number = [&](const char* key) {
    if (!json.contains(key) || !json[key].is_number_integer()) return false;
    return !json[key].is_number_unsigned() ||
           json[key].get<uint64_t>() <= std::numeric_limits<int64_t>::max();
  };
  if (!is_text("id") || !is_text("title") || !is_text("text") || !is_text("source") ||
      !is_number("begin") || !is_number("end")) {
    return std::nullopt;
  }
  retrieval::SourceDocument document;
  document.id = json["id"].get<std::string>();
  document.title = json["title"].get<std::string>();
  document.text = json["text"].get<std::string>();
  document.source = SourceBytes(json).value_or(json["source"].get<std::string>());
  document.begin = json["begin"].get<int64_t>();
  document.end = json["end"].get<int64_t>();
  if (is_text("unit")) {
    const auto unit = retrieval::UnitOfName(json["unit"].get<std::string>());
    if (!unit) return std::nullopt;
    document.unit = *unit;
  }
  return document;
}

Document ToEngine(const retrieval::SourceDocument& document) {
  Document out;
  out.id = document.id;
  out.title = document.title;
  out.text = document.text;
  out.label = LabelOf(document);
  return out;
}

Document ToEngine(const IndexedDocument& document) {
  Document out = ToEngine(retrieval::SourceDocument{document.id, document.title, document.text,
                                                    document.source, document.begin, document.end,
                                                    document.unit});
  out.pinned = document.pinned;
  return out;
}

}  // namespace kvlink::library
