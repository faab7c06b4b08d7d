// Which documents the words of a user name: by id, by file or folder, by pattern.
#pragma once

#include <string>
#include <vector>

#include "kvlink/library.h"
#include "kvlink/status.h"
#include "retrieval/document_index.h"

namespace kvlink::library {

// Each word is the path of an indexed file or of a folder with some, or the name of another source;
// else an id or at least four letters of its beginning; else a pattern (* ? [..]) of paths, in
// which * stands for slashes too; one without a slash is of file names, one that begins with * and
// has a slash of any folder's. No words: all documents. kNotFound names the word that means
// nothing; kInvalidArgument an ambiguous id, or a word that is empty. A word that may mean two
// things means its sources, and the result says so: whoever changes something must refuse it.
Result<NamedDocuments> FindDocuments(retrieval::DocumentIndex& index,
                                     const std::vector<std::string>& words);

// Whether the source is at the absolute path, or in the folder there. Nothing is under "".
bool IsUnder(const std::string& source, const std::string& path);

}  // namespace kvlink::library
