#include "library/named_documents.h"

#include <algorithm>
#include <iterator>

#include "base/absolute_path.h"
#include "library/pattern.h"
#include "library/store_files.h"

namespace kvlink::library {
namespace {

constexpr size_t kLeastOfId = 4;  // fewer letters are more likely a name's

bool IsBeginningOfId(const std::string& word) {
  return word.size() >= kLeastOfId &&
         word.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Of sources, from the working folder where it begins with none.
std::string PatternOf(const std::string& word) {
  // The folders before the first pattern may be relative, or have dots.
  const size_t slash = word.find_last_of('/', PatternBegin(word));
  const bool relative = slash == std::string::npos;
  const std::string folder = AbsolutePath(relative ? "." : word.substr(0, slash + 1));
  return (folder == "/" ? "" : EscapedPattern(folder)) + "/" +
         word.substr(relative ? 0 : slash + 1);
}

std::vector<std::string> MatchingSources(const std::string& word,
                                         const std::vector<std::string>& sources) {
  std::vector<std::string> matching;
  // A file of that name is not meant to be another one.
  if (!IsPattern(word) || FileExists(AbsolutePath(word))) {
    return matching;
  }
  const bool of_names = word.find('/') == std::string::npos;
  const std::string pattern = of_names ? word : PatternOf(word);
  std::copy_if(
      sources.begin(), sources.end(), std::back_inserter(matching), [&](const std::string& source) {
        return MatchesPattern(pattern, of_names ? std::string(FileNameOf(source)) : source) ||
               (word.starts_with('*') && !of_names && MatchesPattern(word, source));
      });
  return matching;
}

// Sources by their own names or paths, or in the folder that is named.
std::vector<std::string> ExactSources(const std::string& word,
                                      const std::vector<std::string>& sources,
                                      std::string* ambiguity) {
  std::vector<std::string> exact;
  const std::string path = AbsolutePath(word);
  bool named = false;
  for (const std::string& source : sources) {
    // "-", a name of standard input, an answer: no path.
    named |= source == word && source != path;
    if (source == word || IsUnder(source, path)) exact.push_back(source);
  }
  if (named && exact.size() > 1) {
    *ambiguity = word + ": is a text of standard input, and " + path + " is indexed too; ./" +
                 word + " means the path, an id the text";
  }
  return exact;
}

}  // namespace

bool IsUnder(const std::string& source, const std::string& path) {
  if (path.empty()) return false;
  return source == path || source.starts_with(path == "/" ? path : path + "/");
}

Result<NamedDocuments> FindDocuments(retrieval::DocumentIndex& index,
                                     const std::vector<std::string>& words) {
  NamedDocuments named;
  KVLINK_ASSIGN_OR_RETURN(const std::vector<IndexedDocument> all, index.List());
  KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> sources, index.Sources());
  for (const std::string& word : words) {
    if (word.empty()) {
      return InvalidArgument("a word is empty: an id, a file, a folder or a pattern expected");
    }
    std::vector<std::string> meant = ExactSources(word, sources, &named.ambiguity);
    if (IsBeginningOfId(word)) {
      const Result<IndexedDocument> document = index.Get(word);
      const bool is_id = document.code() != StatusCode::kNotFound;
      if (meant.empty() && document.ok()) {
        named.ids.insert(document->id);
        continue;
      }
      if (meant.empty() && is_id) return document.status();
      if (is_id) {
        named.ambiguity = word + ": begins an id, and " + meant.front() + " has that path; ./" +
                          word + " means the path, more letters the id";
      }
    }
    if (meant.empty()) meant = MatchingSources(word, sources);
    if (meant.empty()) {
      return NotFound(word +
                      ": no indexed document or file of that id, path or pattern; kvlink docs "
                      "list shows what is there");
    }
    named.sources.insert(meant.begin(), meant.end());
  }
  for (const IndexedDocument& document : all) {
    if (words.empty() || named.ids.count(document.id) > 0 ||
        named.sources.count(document.source) > 0) {
      named.documents.push_back(document);
    }
  }
  return named;
}

}  // namespace kvlink::library
