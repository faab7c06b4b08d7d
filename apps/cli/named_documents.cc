#include "cli/named_documents.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/absolute_path.h"
#include "cli/places.h"

namespace kvlink::cli {
namespace {

constexpr size_t kLeastOfId = 4;  // fewer letters are more likely a name's

bool IsBeginningOfId(const std::string& word) {
  return word.size() >= kLeastOfId &&
         word.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool Matches(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

// Whether the word names the source: itself, its folder, or by a pattern.
bool Names(const std::string& word, const std::string& source) {
  if (source == word) return true;  // "-", a name of standard input, an answer
  const std::string path = AbsolutePath(word);
  if (source == path || source.starts_with(path == "/" ? path : path + "/")) return true;
  if (word.find_first_of("*?[") == std::string::npos) return false;
  if (word.find('/') == std::string::npos) return Matches(word, FileName(source));
  if (word.starts_with('*') && Matches(word, source)) return true;  // in whatever folder
  // The folders before the first pattern may be relative, or have dots.
  const size_t slash = word.find_last_of('/', word.find_first_of("*?["));
  if (slash == std::string::npos) return Matches(AbsolutePath(".") + "/" + word, source);
  const std::string folder = slash == 0 ? "" : AbsolutePath(word.substr(0, slash));
  return Matches(folder + word.substr(slash), source);
}

}  // namespace

Result<NamedDocuments> FindDocuments(DocumentIndex& index, const std::vector<std::string>& words) {
  NamedDocuments named;
  KVLINK_ASSIGN_OR_RETURN(const std::vector<IndexedDocument> all, index.List());
  KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> sources, index.Sources());
  for (const std::string& word : words) {
    if (IsBeginningOfId(word)) {
      const Result<IndexedDocument> document = index.Get(word);
      if (document.ok()) {
        named.ids.insert(document->id);
        continue;
      }
      if (document.code() != StatusCode::kNotFound) return document.status();
    }
    const size_t before = named.sources.size();
    bool some = false;
    for (const std::string& source : sources) {
      if (!Names(word, source)) continue;
      named.sources.insert(source);
      some = true;
    }
    if (!some && named.sources.size() == before) {
      return NotFound(word +
                      ": no indexed document or file of that id, path or pattern; kvlink docs "
                      "list shows what is there");
    }
  }
  for (const IndexedDocument& document : all) {
    if (words.empty() || named.ids.count(document.id) > 0 ||
        named.sources.count(document.source) > 0) {
      named.documents.push_back(document);
    }
  }
  return named;
}

}  // namespace kvlink::cli
