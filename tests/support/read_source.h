// A source read and split at once, its documents kept.
#pragma once

#include <string>
#include <string_view>

#include "retrieval/read_source.h"

namespace kvlink::testing {

inline Result<SourceFile> Split(const SourceBytes& source, const ReadOptions& options,
                                const TokenCounter& count_tokens) {
  std::vector<SourceDocument> documents;
  auto file =
      SplitSource(FileSystem::Posix(), source, options, count_tokens, [&](SourceDocument document) {
        documents.push_back(std::move(document));
        return Status();
      });
  if (file.ok()) file->documents = std::move(documents);
  return file;
}

inline Result<SourceFile> ReadSource(FileSystem& files, const std::string& path,
                                     const ReadOptions& options, const TokenCounter& count_tokens) {
  KVLINK_ASSIGN_OR_RETURN(const SourceBytes source, ReadSourceBytes(files, path, options));
  return Split(source, options, count_tokens);
}

inline Result<SourceFile> ReadSourceText(const std::string& name, std::string_view bytes,
                                         const ReadOptions& options,
                                         const TokenCounter& count_tokens) {
  return Split(SourceBytesOf(name, std::string(bytes), options), options, count_tokens);
}

}  // namespace kvlink::testing
