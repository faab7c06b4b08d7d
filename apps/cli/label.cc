#include "cli/label.h"

#include "cli/json_output.h"
#include "text/bounded_json.h"

namespace kvlink::cli {

std::string LabelOf(const SourceDocument& document) {
  return DumpJson(Json{{"id", document.id},
                       {"title", document.title},
                       {"text", document.text},
                       {"source", document.source},
                       {"begin", document.begin},
                       {"end", document.end}});
}

std::optional<SourceDocument> ParseLabel(std::string_view label) {
  const Json json = ParseBoundedJson<Json>(label);
  if (!json.is_object()) return std::nullopt;
  const auto is_text = [&](const char* key) { return json.contains(key) && json[key].is_string(); };
  const auto is_number = [&](const char* key) {
    return json.contains(key) && json[key].is_number_integer();
  };
  if (!is_text("id") || !is_text("title") || !is_text("text") || !is_text("source") ||
      !is_number("begin") || !is_number("end")) {
    return std::nullopt;
  }
  SourceDocument document;
  document.id = json["id"].get<std::string>();
  document.title = json["title"].get<std::string>();
  document.text = json["text"].get<std::string>();
  document.source = json["source"].get<std::string>();
  document.begin = json["begin"].get<int64_t>();
  document.end = json["end"].get<int64_t>();
  return document;
}

Document ToEngine(const SourceDocument& document) {
  return {document.id, document.title, document.text, LabelOf(document)};
}

Document ToEngine(const IndexedDocument& document) {
  return ToEngine(SourceDocument{document.id, document.title, document.text, document.source,
                                 document.begin, document.end});
}

}  // namespace kvlink::cli
