#include "library/source_check.h"

#include <algorithm>
#include <map>

#include "base/figures.h"

namespace kvlink::library {
namespace {

// "a.txt, b.txt and 7 more"
std::string Some(const std::vector<std::string>& paths) {
  constexpr size_t kMost = 3;
  std::string text;
  for (size_t i = 0; i < std::min(kMost, paths.size()); ++i) {
    text += (i == 0 ? "" : ", ") + paths[i];
  }
  if (paths.size() > kMost) {
    text += " and " + FormatCount(static_cast<int64_t>(paths.size() - kMost)) + " more";
  }
  return text;
}

std::string IndexedFiles(const std::vector<std::string>& paths, const char* one, const char* many) {
  return FormatCounted(static_cast<int64_t>(paths.size()), "indexed file") + " " +
         (paths.size() == 1 ? one : many);
}

}  // namespace

Status CheckSources(retrieval::DocumentIndex& index, std::vector<IndexedDocument>* documents,
                    const Warn& warn) {
  if (documents->empty()) return {};
  KVLINK_ASSIGN_OR_RETURN(const auto indexed, index.FileStates());
  std::map<std::string, SourceState> states;
  for (IndexedDocument& document : *documents) {
    const auto known = indexed.find(document.source);
    if (known == indexed.end()) continue;
    const auto [state, is_new] = states.try_emplace(document.source, SourceState::kUnknown);
    if (is_new)
      state->second = retrieval::StateOf(FileSystem::Posix(), document.source, known->second);
    document.source_state = state->second;
  }
  for (const auto& [path, state] : states) {
    if (state == SourceState::kChanged) {
      warn(path + " changed since it was indexed; read it again: kvlink index FILE");
    } else if (state == SourceState::kGone) {
      warn(path + " is gone since it was indexed; forget it: kvlink docs rm FILE");
    }
  }
  return {};
}

Status WarnOfOtherStale(retrieval::DocumentIndex& index, const std::set<std::string>& seen,
                        const Warn& warn) {
  KVLINK_ASSIGN_OR_RETURN(const auto indexed, index.FileStates());
  std::vector<std::string> changed, gone;
  for (const auto& [path, state] : indexed) {
    if (seen.count(path) > 0) continue;
    const SourceState now = retrieval::StateOf(FileSystem::Posix(), path, state);
    if (now == SourceState::kChanged) changed.push_back(path);
    if (now == SourceState::kGone) gone.push_back(path);
  }
  if (!changed.empty()) {
    warn(IndexedFiles(changed, "changed", "changed") +
         " since and was not read now: " + Some(changed) + "; read them again: kvlink index PATH");
  }
  if (!gone.empty()) {
    warn(IndexedFiles(gone, "is gone", "are gone") + ": " + Some(gone) +
         "; forget them: kvlink index --prune PATH");
  }
  return {};
}

}  // namespace kvlink::library
