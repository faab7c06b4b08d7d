// The sources that a run of indexing means: which there are, which are gone. Standard input has a
// name of its own.
#pragma once

#include <string>
#include <vector>

#include "kvlink/library.h"
#include "retrieval/document_index.h"
#include "retrieval/sources.h"

namespace kvlink::library {

inline constexpr char kStandardInput[] = "-";  // as a path

// The source that standard input's documents belong to. Those of files are absolute paths.
std::string InputSource(const IndexSources& sources);

// The sources that `paths` names, in order, none twice. With `prune`, a path that was indexed and
// is gone names none; `indexed` are the sources of the list then. kNotFound: such a path never was;
// kFailedPrecondition: a folder with indexed files is gone, or empty, as when its disk is not
// mounted, and nobody said yes.
Result<retrieval::FoundSources> SourcesOf(const IndexSources& sources,
                                          const std::vector<std::string>& indexed);

// The indexed files below the paths that are gone, but for those on a disk that is not there now,
// unless somebody said yes; what was not to be decided is a line of `failures`.
std::vector<std::string> GoneSources(const IndexSources& sources,
                                     const std::vector<std::string>& present,
                                     const std::map<std::string, retrieval::FileState>& states,
                                     std::vector<std::string>* failures);

}  // namespace kvlink::library
