// PromptTemplate as JSON, the form in which link files carry it. A template comes from a file of
// unknown origin, so every field and placeholder is checked by name. Exceptions of nlohmann::json
// stop here.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/bounded_json.h"
#include "base/quote.h"
#include "text/template.h"

namespace kvlink::text {
namespace {

using nlohmann::json;

using Names = std::array<std::string_view, 3>;  // fewer: the others are empty

struct Field {
  const char* name;
  std::string PromptTemplate::*member;
  bool required;
  Names placeholders;       // that may stand in it
  std::string_view needed;  // the one without which it makes no sense
};

constexpr Field kFields[] = {
    {"name", &PromptTemplate::name, true, {}, ""},
    {"system", &PromptTemplate::system, true, {"system"}, ""},
    {"default_system", &PromptTemplate::default_system, false, {}, ""},
    {"documents_begin", &PromptTemplate::documents_begin, false, {}, ""},
    {"document", &PromptTemplate::document, true, {"title", "text", "rank"}, "text"},
    {"untitled_document", &PromptTemplate::untitled_document, true, {"text", "rank"}, "text"},
    {"documents_end", &PromptTemplate::documents_end, false, {}, ""},
    {"question", &PromptTemplate::question, true, {"question"}, "question"},
    {"answer", &PromptTemplate::answer, true, {}, ""},
    {"document_prefix", &PromptTemplate::document_prefix, false, {}, ""},
};

Status Wrong(std::string_view what) { return InvalidArgument("template: " + std::string(what)); }

// For a message: "{title}, {text}", or "none here".
std::string List(const Names& names) {
  std::string list;
  for (const std::string_view name : names) {
    if (!name.empty()) list += (list.empty() ? "{" : ", {") + std::string(name) + "}";
  }
  return list.empty() ? "none here" : list;
}

// A placeholder is a brace, a lower-case name, a brace; any other brace is text.
Status CheckPlaceholders(const Field& field, std::string_view text) {
  bool has_needed = field.needed.empty();
  for (size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
    size_t end = at + 1;
    while (end < text.size() && ((text[end] >= 'a' && text[end] <= 'z') || text[end] == '_')) ++end;
    if (end == at + 1 || end == text.size() || text[end] != '}') continue;
    const std::string_view name = text.substr(at + 1, end - at - 1);
    if (std::find(field.placeholders.begin(), field.placeholders.end(), name) ==
        field.placeholders.end()) {
      return Wrong("field \"" + std::string(field.name) + "\": unknown placeholder " +
                   Quoted(text.substr(at, end + 1 - at)) + "; expected " +
                   List(field.placeholders));
    }
    has_needed = has_needed || name == field.needed;
  }
  if (has_needed) return {};
  return Wrong("field \"" + std::string(field.name) + "\": expected the placeholder {" +
               std::string(field.needed) + "}, found none; add it");
}

Status ReadStop(const json& value, std::vector<std::string>* stop) {
  const auto wrong = [](std::string_view found) {
    return Wrong("field \"stop\": expected an array of texts that are not empty, found " +
                 std::string(found));
  };
  if (!value.is_array()) return wrong(value.type_name());
  for (const json& text : value) {
    if (!text.is_string()) return wrong(std::string("in it: ") + text.type_name());
    if (text.get_ref<const std::string&>().empty()) return wrong("an empty one");
    stop->push_back(text.get<std::string>());
  }
  return {};
}

const Field* FindField(std::string_view name) {
  for (const Field& field : kFields) {
    if (name == field.name) return &field;
  }
  return nullptr;
}

Result<PromptTemplate> FromObject(const json& object) {
  if (!object.is_object()) {
    return Wrong(std::string("expected a JSON object, found ") + object.type_name());
  }
  PromptTemplate t;
  for (const auto& [name, value] : object.items()) {
    if (name == "stop") {
      KVLINK_RETURN_IF_ERROR(ReadStop(value, &t.stop));
      continue;
    }
    const Field* field = FindField(name);
    if (field == nullptr) {
      return Wrong("unknown field " + Quoted(name) + "; remove it, or use a newer kvlink");
    }
    if (!value.is_string()) {
      return Wrong("field \"" + name + "\": expected a string, found " + value.type_name());
    }
    t.*field->member = value.get<std::string>();
    // The default system text is a value: braces in it are text.
    if (field->member != &PromptTemplate::default_system) {
      KVLINK_RETURN_IF_ERROR(CheckPlaceholders(*field, t.*field->member));
    }
  }
  if (!t.document_prefix.empty() && t.document_prefix != "head" && t.document_prefix != "first") {
    return Wrong("field \"document_prefix\": expected \"\", \"head\" or \"first\", found " +
                 Quoted(t.document_prefix));
  }
  for (const Field& field : kFields) {
    if (field.required && !object.contains(field.name)) {
      return Wrong("field \"" + std::string(field.name) + "\" is missing; add it");
    }
  }
  return t;
}

}  // namespace

Result<PromptTemplate> TemplateFromJson(std::string_view text) {
  try {
    return FromObject(json::parse(BoundedJson(text)));
  } catch (const json::parse_error& e) {
    return Wrong("not JSON at byte " + std::to_string(e.byte) + " of " +
                 std::to_string(text.size()) + "; expected one object");
  } catch (const json::exception&) {
    return Wrong("not readable as JSON; expected one object of strings");
  }
}

std::string TemplateToJson(const PromptTemplate& t) {
  json object = json::object();
  for (const Field& field : kFields) object[field.name] = t.*field.member;
  // Programs that do not know the field refuse it: it stands only where it says something.
  if (t.document_prefix.empty()) object.erase("document_prefix");
  object["stop"] = t.stop;
  // Never throws: text that is not UTF-8 is replaced.
  return object.dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace kvlink::text
