// The link file: what makes a model linkable. Safetensors with K link-token embeddings, an optional
// low-rank adapter in PEFT's naming, and JSON metadata (template, K, base fingerprint, quality
// gate). Grammar: docs/link-file.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"
#include "kvlink/status.h"
#include "model/adapter.h"
#include "model/config.h"
#include "text/template.h"

namespace kvlink {

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
  std::optional<PromptTemplate> prompt_template;  // none: the model's own
  std::optional<Adapter> adapter;
  Sha256Digest base{};  // fingerprint of the model they were trained on; zeros: any, warned
  QualityGate gate;
  std::vector<std::string> warnings;  // one line each, for whoever asks with these links
  Sha256Digest hash{};                // of the whole file
  Sha256Digest content{};             // of all but the gate (links/gate.h)

  // Index of link j of the document in `slot` into embeddings or token_ids. Slots past the last
  // one share the last.
  int32_t IndexOf(int32_t slot, int32_t j) const { return std::min(slot, slots - 1) * k + j; }
};

// Over scope, places, ranks and matrices as they act (scale folded in), so the same for the same
// adapter in another dtype or file. LoadLinks fills Adapter::hash with it.
Sha256Digest AdapterHash(const Adapter& adapter);

// Errors: kFailedPrecondition (another base model: both fingerprints named; a newer version),
// kInvalidArgument / kDataLoss (shape, dtype, metadata, numbers that are not finite: field,
// expected, found), kUnsupported (an adapter on Q or K of a model that rotates only a part of a
// head; what the safetensors reader does not read).
Result<std::unique_ptr<const Links>> LoadLinks(FileSystem& files, const std::string& path,
                                               const ModelConfig& config,
                                               const Sha256Digest& model_fingerprint);
// Adapter matrices of Q and K go from GGUF's rotary row order to Hugging Face's on writing and back
// on reading, so that `peft` reads the file with the Hugging Face model. The scale is folded into
// lora_B, so alpha = rank stands in the file. Durable on return, or nothing has changed. Errors:
// kInvalidArgument (links that LoadLinks would refuse, named; a provenance that is not a JSON
// object), and what the disk says. Empty provenance_json: none. A gate is not written: it is
// measured on the saved file and recorded then (RecordGate). With kBF16 all tensors are rounded to
// bf16, half the bytes.
Status SaveLinks(FileSystem& files, const std::string& path, const Links& links,
                 const ModelConfig& config, const std::string& provenance_json,
                 DType dtype = DType::kF32);

}  // namespace kvlink
