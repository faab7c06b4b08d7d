// JSON lines (retrieval/jsonl.h). The only file of the room that includes nlohmann/json.
#include "retrieval/jsonl.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bounded_json.h"
#include "retrieval/boundaries.h"

namespace kvlink::retrieval {
namespace {

using nlohmann::json;

// Calls visit(line number from 1, its begin, trimmed range) for each line that is not blank, until
// it is false.
template <class Visit>
void ForEachLine(std::string_view text, Visit visit) {
  int64_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t newline = std::min(text.find('\n', at), text.size());
    ++number;
    const TextRange line = Trimmed(text, {at, newline});
    if (!line.empty() && !visit(number, at, line)) return;
    at = newline + 1;
  }
}

// The library's own words, without its "[json.exception.parse_error.101]", its place (it knows one
// line) and the text around the fault, which may be long.
std::string Reason(const json::exception& e) {
  std::string_view what = e.what();
  if (const size_t bracket = what.find("] "); bracket != std::string_view::npos) {
    what.remove_prefix(bracket + 2);
  }
  if (what.starts_with("parse error at ")) {
    what.remove_prefix(std::min(what.find(": "), what.size() - 2) + 2);
  }
  std::string reason(what.substr(0, std::min(what.find("; last read"), what.size())));
  std::replace_if(
      reason.begin(), reason.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; },
      ' ');
  return reason.size() > 200 ? reason.substr(0, 200) : reason;
}

// A NUL (written \u0000 in JSON) would end the text in much that reads it later.
std::string WithoutNul(std::string s) {
  for (size_t at = s.find('\0'); at != std::string::npos; at = s.find('\0', at)) {
    s.replace(at, 1, "\xef\xbf\xbd");
  }
  return s;
}

// `place` is the file and the line, `indent` what stands before `line` there.
Result<JsonlDocument> ParseLine(const std::string& place, size_t indent, std::string_view line,
                                const JsonlKeys& keys) {
  const std::string where = place + ": ";
  if (BoundedJson(line).size() < line.size()) {
    return InvalidArgument(where + "lists and objects within each other, deeper than " +
                           std::to_string(kMaxJsonDepth));
  }
  try {
    const json value = json::parse(line);
    if (!value.is_object()) {
      return InvalidArgument(where +
                             "an object like {\"title\": \"…\", \"text\": \"…\"} expected, " +
                             value.type_name() + " found");
    }
    JsonlDocument document;
    const std::string title_key = keys.title.empty() ? "title" : keys.title;
    if (const auto title = value.find(title_key); title != value.end() && !title->is_null()) {
      if (!title->is_string()) {
        return InvalidArgument(where + "\"" + title_key + "\" must be a string, " +
                               title->type_name() + " found");
      }
      document.title = WithoutNul(title->get<std::string>());
    }
    const std::vector<std::string> text_keys =
        keys.text.empty() ? std::vector<std::string>{"text", "contents", "content"}
                          : std::vector<std::string>{keys.text};
    for (const std::string& key : text_keys) {
      const auto text = value.find(key);
      if (text == value.end()) continue;
      if (!text->is_string()) {
        return InvalidArgument(where + "\"" + key + "\" must be a string, " + text->type_name() +
                               " found");
      }
      document.text = WithoutNul(text->get<std::string>());
      return document;
    }
    if (!keys.text.empty()) return InvalidArgument(where + "there is no \"" + keys.text + "\"");
    return InvalidArgument(where +
                           "there is no \"text\" (nor \"contents\" or \"content\"); another key: "
                           "--text-key KEY");
  } catch (const json::parse_error& e) {
    return InvalidArgument(place + ", column " + std::to_string(indent + e.byte) +
                           ": not JSON: " + Reason(e));
  } catch (const json::exception& e) {
    return InvalidArgument(where + "not JSON: " + Reason(e));
  }
}

}  // namespace

JsonlLines ParseJsonl(const std::string& name, std::string_view text, const JsonlKeys& keys,
                      int64_t first_line) {
  JsonlLines lines;
  ForEachLine(text, [&](int64_t number, size_t begin, TextRange line) {
    Result<JsonlDocument> document =
        ParseLine(name + ": line " + std::to_string(first_line + number - 1), line.begin - begin,
                  text.substr(line.begin, line.size()), keys);
    if (!document.ok()) {
      lines.failures.push_back(document.status().message());
      return true;
    }
    document->begin = static_cast<int64_t>(line.begin);
    document->end = static_cast<int64_t>(line.end);
    lines.documents.push_back(*std::move(document));
    return true;
  });
  return lines;
}

bool IsJsonl(std::string_view text) {
  bool some = false;
  bool all = true;
  ForEachLine(text, [&](int64_t, size_t, TextRange line) {
    some = true;
    // accept() builds nothing; the first character tells an object from other JSON.
    all = text[line.begin] == '{' && json::accept(text.substr(line.begin, line.size()));
    return all;
  });
  return some && all;
}

}  // namespace kvlink::retrieval
