// One model, loaded: its configuration, tokenizer, packed weights, and the forward pass.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "formats/gguf.h"
#include "kvlink/status.h"
#include "model/config.h"
#include "model/pass_rows.h"
#include "model/prepared_adapter.h"
#include "model/sequence.h"
#include "model/weights.h"
#include "tensor/attention.h"
#include "tensor/rope.h"
#include "text/tokenizer.h"

namespace kvlink::model {

struct ModelOptions {
  // kBF16: bf16 blocks, matmuls in bf16 where the CPU has it; kF32: f32 throughout.
  DType dtype = DType::kBF16;
  int32_t threads = 0;       // 0: as many as may be used (base/cpu_count.h)
  std::string digests = "";  // the file in which digests are remembered; empty: they are not
};

// Thread promise: one Forward at a time; everything else is immutable.
class Model {
 public:
  static Result<std::unique_ptr<Model>> Load(FileSystem& files, const std::string& path,
                                             const ModelOptions& options);

  const ModelConfig& config() const { return config_; }
  const formats::GgufFile& file() const { return *file_; }
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  const text::FilePrompt& file_prompt() const { return file_prompt_; }
  const Weights& weights() const { return weights_; }
  const Sha256Digest& fingerprint() const { return fingerprint_; }
  int32_t threads() const { return threads_; }          // that a pass is computed with, at most
  DType kv_dtype() const { return kv_dtype_; }          // of blocks and tails
  DType matmul_dtype() const { return matmul_dtype_; }  // of activations in linear layers
  // Names everything about this build and CPU that decides a block's bytes beside weights, tokens
  // and dtype. Part of the block id.
  std::string compute_path() const;

  // No number of x [n] is NaN or infinite.
  static bool AreFinite(const void* x, int64_t n, DType dtype);

  // Frequencies of RoPE [dims / 2], radians a position, scaling included.
  static std::vector<double> RopeFrequencies(const RopeConfig& rope);

  // A prompt's tokens are computed in pieces of as many, each by itself: what a token computes is
  // decided by its own sequence and where its piece begins, not by what else is in the pass.
  // Whoever computes a prompt in several passes ends each but the last where tail.size() is a
  // multiple.
  static constexpr int64_t kPieceTokens = 256;

  // What Forward would refuse this sequence for: kInvalidArgument (a token id, position or row of
  // logits that is out of range), kResourceExhausted (no room in its tail).
  Status Check(const Sequence& s) const;

  // Computes the sequences' new tokens in one pass over the weights: appends their K and V to each
  // tail and writes the logits asked for. A token sees: its segments' tokens before its position
  // that are not hidden, and its tail up to itself (by segments, if given). A sequence gets the
  // bits that it gets alone. On errors all tails are as they were. No tail may be there twice. With
  // a probe (of one sequence) the pass ends early. Errors: as Check, naming the sequence;
  // kFailedPrecondition: in a process that was forked after Load, or with threads that cannot
  // compute (tensor/thread_team.h); kDataLoss: a logit is no finite number.
  // `between` (may be empty) is called between layers, and may run passes of its own over other
  // tails: a long pass does not keep short ones waiting. Its error ends the pass.
  Status Forward(std::span<Sequence> batch, Probe* probe = nullptr,
                 const std::function<Status()>& between = {});

 private:
  Model() = default;
  Status CheckProcess() const;
  void ReserveActivations(int64_t rows);
  Status ReadFile(const ModelOptions& options);  // from file_, all that a pass needs
  void Embed(const PassRows& rows);
  // out [T, N] = inputs W^T, and what adapters add to it.
  Status Multiply(const PassRows& rows, int32_t layer, ProjectionGroup group, tensor::Linear& w,
                  float* out);
  void AppendKv(const PassRows& rows, int32_t layer);
  Status Attend(std::span<const Sequence> batch, const PassRows& rows, int32_t layer, Probe* probe);
  Status Logits(std::span<const Sequence> batch, const PassRows& rows);

  ModelConfig config_;
  std::unique_ptr<formats::GgufFile> file_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  text::FilePrompt file_prompt_;
  Weights weights_;
  Sha256Digest fingerprint_{};
  DType kv_dtype_ = DType::kF32;
  DType matmul_dtype_ = DType::kF32;
  int32_t threads_ = 0;
  int64_t process_ = 0;  // that loaded it
  std::unique_ptr<tensor::RopeTable> rope_;
  std::unique_ptr<tensor::Attention> attention_;

  // Activations of one pass, kept between passes. T: rows of the pass, padded ones too.
  struct Activations {
    std::vector<float> x;           // [T, E] the residual stream
    std::vector<std::byte> normed;  // [T, max(E, H * D, F)] matmul dtype: inputs of linear layers
    std::vector<float> qkv;         // [T, (H + 2G) * D]
    std::vector<float> y;           // [T, max(E, 2F)] outputs of linear layers
    std::vector<float> logits;      // [some of the rows wanted, V]
  } a_;
};

}  // namespace kvlink::model
