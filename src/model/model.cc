#include "model/model.h"

#include <cmath>
#include <future>

#include "base/cpu_count.h"
#include "base/digest_cache.h"
#include "base/process.h"
#include "tensor/kernels.h"
#include "tensor/thread_team.h"

namespace kvlink::model {

std::vector<double> Model::RopeFrequencies(const RopeConfig& rope) {
  std::vector<double> frequencies(static_cast<size_t>(rope.dims / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(rope.base, -2.0 * static_cast<double>(i) / rope.dims);
    if (rope.scaling == RopeScaling::kLinear) frequencies[i] /= rope.factor;
    if (rope.scaling == RopeScaling::kLlama3) frequencies[i] /= rope.divisors[i];
  }
  return frequencies;
}

Result<std::unique_ptr<Model>> Model::Load(FileSystem& files, const std::string& path,
                                           const ModelOptions& options) {
  std::unique_ptr<Model> model(new Model());
  KVLINK_ASSIGN_OR_RETURN(model->file_, formats::GgufFile::Open(files, path));
  const Status read = model->ReadFile(options);
  // First: what else is wrong may come of it. What was hashed is what was packed, and all there
  // was.
  KVLINK_RETURN_IF_ERROR(model->file_->CheckUnchanged());
  KVLINK_RETURN_IF_ERROR(read);
  model->file_->Release();  // packed: nothing of it is read for an answer
  return model;
}

Status Model::ReadFile(const ModelOptions& options) {
  KVLINK_ASSIGN_OR_RETURN(config_, ReadModelConfig(*file_));
  const ModelConfig& c = config_;
  KVLINK_ASSIGN_OR_RETURN(const text::TokenizerConfig vocabulary, ReadTokenizerConfig(*file_));
  // Beside the matrices, whose threads wait for each other. Without a thread to be had, later.
  std::future<Result<std::unique_ptr<text::Tokenizer>>> tokenizer =
      std::async([&] { return text::Tokenizer::Create(vocabulary); });
  KVLINK_ASSIGN_OR_RETURN(file_prompt_, ReadFilePrompt(*file_));
  if (c.rope.scaling == RopeScaling::kDependent) {
    return Unsupported(file_->path() + ": RoPE scaling '" + c.rope.scaling_name +
                       "' depends on the prompt's length, which kvlink does not compute; use a "
                       "model with none, linear or llama3 scaling");
  }
  threads_ = options.threads > 0 ? options.threads : UsableProcessors();
  process_ = ProcessId();
  const tensor::TeamScope team(threads_);
  KVLINK_RETURN_IF_ERROR(team.status());
  kv_dtype_ = options.dtype;
  matmul_dtype_ = tensor::MatmulDType(kv_dtype_);
  const auto fingerprint = [&] { return ModelFingerprint(*file_, c); };
  fingerprint_ =
      DigestCache(options.digests).Get(file_->mapping(), kModelFingerprintName, fingerprint);
  KVLINK_ASSIGN_OR_RETURN(weights_, LoadWeights(*file_, c, matmul_dtype_,
                                                /*keep_codes=*/kv_dtype_ != DType::kF32));
  KVLINK_ASSIGN_OR_RETURN(tokenizer_, tokenizer.get());
  rope_ = std::make_unique<tensor::RopeTable>(RopeFrequencies(c.rope));
  attention_ = std::make_unique<tensor::Attention>(
      tensor::AttentionShape{c.heads, c.kv_heads, c.head_dim, kv_dtype_, matmul_dtype_},
      rope_.get());
  return {};
}

bool Model::AreFinite(const void* x, int64_t n, DType dtype) {
  return tensor::AllFinite(x, n, dtype);
}

std::string Model::compute_path() const {
  // 4: in pieces of kPieceTokens, each by itself, at any number of threads.
  const bool by_codes = kv_dtype_ != DType::kF32 && tensor::CodesMultiplyPieces(matmul_dtype_);
  return "forward-4/matmul-" + std::string(by_codes ? "codes" : Name(matmul_dtype_)) + "/" +
         tensor::MatmulLibrary() + "/" + tensor::KernelTarget();
}

// The threads that loaded it are not there in a child of fork(), nor is what a store had locked.
Status Model::CheckProcess() const {
  if (process_ == ProcessId()) return {};
  return FailedPrecondition("the model was loaded in process " + std::to_string(process_) +
                            " and this is a fork of it, " + std::to_string(ProcessId()) +
                            ": open it after fork()");
}

}  // namespace kvlink::model
