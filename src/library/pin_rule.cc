#include "library/pin_rule.h"

#include <memory>
#include <optional>
#include <set>

#include "library/label.h"
#include "retrieval/document_index.h"

namespace kvlink::library {
namespace {

std::optional<std::set<std::string>> PinnedIds(const std::string& path) {
  constexpr int kPatienceMs = 500;  // the store may be locked meanwhile
  const auto index = retrieval::DocumentIndex::Open(path, /*read_only=*/true, kPatienceMs);
  if (!index.ok()) return std::nullopt;
  const auto ids = (*index)->PinnedIds();
  if (!ids.ok()) return std::nullopt;
  return std::set<std::string>(ids->begin(), ids->end());
}

}  // namespace

kv::PinRule MakePinRule(const std::string& documents_path) {
  struct State {
    bool read = false;
    std::optional<std::set<std::string>> pinned;
  };
  return [documents_path,
          state = std::make_shared<State>()](std::string_view label) -> std::optional<bool> {
    if (!state->read) {
      state->read = true;
      state->pinned = PinnedIds(documents_path);
    }
    const std::optional<retrieval::SourceDocument> document = ParseLabel(label);
    if (!state->pinned || !document) return std::nullopt;
    return state->pinned->contains(document->id);
  };
}

}  // namespace kvlink::library
