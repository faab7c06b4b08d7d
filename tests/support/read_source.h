// A source read and split at once, its documents kept.
#pragma once

#include <string>
#include <string_view>

#include "retrieval/read_source.h"

namespace kvlink::testing {

inline Result<retrieval::SourceFile> Split(const retrieval::SourceBytes& source,
                                           const retrieval::ReadOptions& options,
                                           const retrieval::TokenCounter& count_tokens) {
  std::vector<retrieval::SourceDocument> documents;
  auto file = retrieval::SplitSource(FileSystem::Posix(), source, options, count_tokens,
                                     [&](retrieval::SourceDocument document) {
                                       documents.push_back(std::move(document));
                                       return Status();
                                     });
  if (file.ok()) file->documents = std::move(documents);
  return file;
}

inline Result<retrieval::SourceFile> ReadSource(FileSystem& files, const std::string& path,
                                                const retrieval::ReadOptions& options,
                                                const retrieval::TokenCounter& count_tokens) {
  KVLINK_ASSIGN_OR_RETURN(const retrieval::SourceBytes source,
                          retrieval::ReadSourceBytes(files, path, options));
  return Split(source, options, count_tokens);
}

inline Result<retrieval::SourceFile> ReadSourceText(const std::string& name, std::string_view bytes,
                                                    const retrieval::ReadOptions& options,
                                                    const retrieval::TokenCounter& count_tokens) {
  return Split(retrieval::SourceBytesOf(name, std::string(bytes), options), options, count_tokens);
}

}  // namespace kvlink::testing
