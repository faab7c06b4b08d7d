// What a link file holds, as values. Not here: the file (links/link_file.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "model/adapter.h"
#include "text/template.h"

namespace kvlink::links {

// The measured quality of these links on this base (kvlink check --quality).
struct QualityGate {
  bool measured = false;
  bool passed = false;
  std::string summary;   // one line for people
  std::string json;      // the record as it stands in the file
  std::string distrust;  // why a record that stands in the file counts as none; empty: it does not
};

// Immutable after loading.
struct Links {
  std::string path;
  int32_t k = 0;                   // link tokens after each document
  int32_t slots = 1;               // 1: embeddings shared over slots; else one set a slot
  std::vector<float> embeddings;   // [slots * k, E]; empty when ids are used
  std::vector<int32_t> token_ids;  // [slots * k]: links that are vocabulary tokens (the authors'
                                   // checkpoints, where link j of slot i is 128011 + k*i + j)
  std::optional<text::PromptTemplate> prompt_template;  // none: the model's own
  std::optional<model::Adapter> adapter;
  Sha256Digest base{};  // fingerprint of the model they were trained on; zeros: any, warned
  QualityGate gate;
  std::vector<std::string> warnings;  // one line each, for whoever asks with these links
  Sha256Digest hash{};                // of the whole file
  Sha256Digest content{};             // of all but the gate (links/gate.h)

  // Index of link j of the document in `slot` into embeddings or token_ids. Slots past the last
  // one share the last.
  int32_t IndexOf(int32_t slot, int32_t j) const { return std::min(slot, slots - 1) * k + j; }
};

}  // namespace kvlink::links
