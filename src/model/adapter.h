// A low-rank adapter: y += scale * B (A x) on some of a layer's matrices, for the tokens its scope
// names (LoRA, arXiv 2106.09685; active outside documents only: Activated LoRA, arXiv 2504.12397).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace kvlink::model {

enum class AdapterScope {
  kOutsideDocuments,  // segment 0 only: every block of the base model stays valid
  kEverywhere,        // documents too: blocks belong to this adapter
};

// As link files have it.
constexpr std::string_view Name(AdapterScope scope) {
  return scope == AdapterScope::kEverywhere ? "everywhere" : "outside_documents";
}

enum class Projection { kQ = 0, kK, kV, kO, kGate, kUp, kDown };
inline constexpr int kProjections = 7;

struct LowRank {
  int32_t rank = 0;      // r; 0: no adapter at this projection
  std::vector<float> a;  // [r, K], K inputs
  std::vector<float> b;  // [N, r], N outputs, already times scale (alpha / rank)
};

// Immutable once loaded. Matrices act on GGUF's row order (kvlink's own; see link_file.h for
// PEFT's).
struct Adapter {
  AdapterScope scope = AdapterScope::kOutsideDocuments;
  std::vector<std::array<LowRank, kProjections>> layers;  // [L]
  Sha256Digest hash{};  // part of the block id where scope is kEverywhere
};

// Over scope, places, ranks and matrices as they act (scale folded in), so the same for the same
// adapter in another dtype or file. Whoever makes an adapter fills
// Adapter::hash with it.
Sha256Digest AdapterHash(const Adapter& adapter);

}  // namespace kvlink::model
