// The link file: what makes a model linkable. Safetensors with K link-token embeddings, an optional
// low-rank adapter in PEFT's naming, and JSON metadata (template, K, base fingerprint, quality
// gate). Grammar: docs/link-file.md.
#pragma once

#include <memory>
#include <string>

#include "base/digest_cache.h"
#include "base/dtype.h"
#include "base/file.h"
#include "kvlink/status.h"
#include "links/links.h"
#include "model/config.h"

namespace kvlink::links {

// Errors: kFailedPrecondition (another base model: both fingerprints named; a newer version),
// kInvalidArgument / kDataLoss (shape, dtype, metadata, numbers that are not finite: field,
// expected, found), kUnsupported (an adapter on Q or K of a model that rotates only a part of a
// head; what the safetensors reader does not read). The file's two hashes are asked of `digests`.
Result<std::unique_ptr<const Links>> LoadLinks(FileSystem& files, const std::string& path,
                                               const model::ModelConfig& config,
                                               const Sha256Digest& model_fingerprint,
                                               const DigestCache& digests = DigestCache(""));
// Adapter matrices of Q and K go from GGUF's rotary row order to Hugging Face's on writing and back
// on reading, so that `peft` reads the file with the Hugging Face model. The scale is folded into
// lora_B, so alpha = rank stands in the file. Durable on return, or nothing has changed. Errors:
// kInvalidArgument (links that LoadLinks would refuse, named; a provenance that is not a JSON
// object), and what the disk says. Empty provenance_json: none. A gate is not written: it is
// measured on the saved file and recorded then (RecordGate). With kBF16 all tensors are rounded to
// bf16, half the bytes.
Status SaveLinks(FileSystem& files, const std::string& path, const Links& links,
                 const model::ModelConfig& config, const std::string& provenance_json,
                 DType dtype = DType::kF32);

}  // namespace kvlink::links
