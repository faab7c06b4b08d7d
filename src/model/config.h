// A model's hyperparameters, read from GGUF metadata, and whether it can be linked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/hash.h"
#include "formats/gguf.h"
#include "kvlink/status.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace kvlink::model {

enum class RopeScaling {
  kNone,
  kLinear,     // every frequency divided by `factor`
  kLlama3,     // Llama 3.1's bands; in GGUF as the tensor rope_freqs.weight [rotated dims / 2]
  kDependent,  // depends on the prompt's length (dynamic NTK, YaRN, LongRoPE): cannot be linked
};

struct RopeConfig {
  double base = 10000;
  int32_t dims = 0;  // how many of D are rotated
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;            // linear
  std::vector<float> divisors;  // llama3: frequency i is divided by divisors[i]
  std::string scaling_name;     // as the file says it
};

struct ModelConfig {
  std::string architecture;  // "llama"
  std::string name;          // general.name, may be empty
  std::string file_type;     // "Q4_1": the most common type of the matrices
  int32_t layers = 0;        // L
  int32_t heads = 0;         // H
  int32_t kv_heads = 0;      // G, divides H
  int32_t head_dim = 0;      // D
  int32_t width = 0;         // E
  int32_t feed_forward = 0;  // F
  int32_t vocab = 0;         // V
  int32_t context_tokens = 0;
  float norm_epsilon = 1e-5f;
  bool tied_output = false;  // no output.weight: the embedding serves
  RopeConfig rope;
  int64_t parameters = 0;

  int64_t KvBytesPerToken(DType dtype) const {
    return 2ll * layers * kv_heads * head_dim * SizeOf(dtype);
  }
};

// kUnsupported: an architecture, a RoPE, a tensor that this build does not compute (named).
// kInvalidArgument: sizes that contradict each other or the tensors' shapes, or are out of bounds.
Result<ModelConfig> ReadModelConfig(const formats::GgufFile& file);
// kUnsupported: a tokenizer model or pre-tokenizer that is not implemented (named).
Result<text::TokenizerConfig> ReadTokenizerConfig(const formats::GgufFile& file);
// What the file says about prompts. kInvalidArgument: a key of another type.
Result<text::FilePrompt> ReadFilePrompt(const formats::GgufFile& file);

// Empty if the model can be linked, else the reason (docs/method.md, section 4).
std::string WhyNotLinkable(const ModelConfig& config);

// Stands before everything that a fingerprint hashes, and in the cache of digests.
inline constexpr std::string_view kModelFingerprintName = "kvlink model 1";

// SHA-256 over the tensors' names, types, shapes and bytes and the hyperparameters in use: what
// decides a block's bytes on the model's side. Reads the whole file (about 1 GB/s).
Sha256Digest ModelFingerprint(const formats::GgufFile& file, const ModelConfig& config);

}  // namespace kvlink::model
