#include "model/model.h"

#include <omp.h>

#include <cmath>

namespace kvlink {

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
  KVLINK_ASSIGN_OR_RETURN(model->file_, GgufFile::Open(files, path));
  KVLINK_ASSIGN_OR_RETURN(model->config_, ReadModelConfig(*model->file_));
  const ModelConfig& c = model->config_;
  KVLINK_ASSIGN_OR_RETURN(const TokenizerConfig vocabulary, ReadTokenizerConfig(*model->file_));
  KVLINK_ASSIGN_OR_RETURN(model->tokenizer_, Tokenizer::Create(vocabulary));
  KVLINK_ASSIGN_OR_RETURN(model->file_prompt_, ReadFilePrompt(*model->file_));
  if (c.rope.scaling == RopeScaling::kDependent) {
    return Unsupported(path + ": RoPE scaling '" + c.rope.scaling_name +
                       "' depends on the prompt's length, which kvlink does not compute; use a "
                       "model with none, linear or llama3 scaling");
  }
  if (options.dtype != "auto" && options.dtype != "bf16" && options.dtype != "f32") {
    return InvalidArgument("dtype is '" + options.dtype + "'; it can be auto, bf16 or f32");
  }
  model->threads_ = options.threads > 0 ? options.threads : omp_get_num_procs();
  omp_set_num_threads(model->threads_);
  model->kv_dtype_ = options.dtype == "f32" ? DType::kF32 : DType::kBF16;
  model->matmul_dtype_ = MatmulDType(model->kv_dtype_);
  model->fingerprint_ = ModelFingerprint(*model->file_, c);
  KVLINK_ASSIGN_OR_RETURN(model->weights_,
                          LoadWeights(*model->file_, c, model->matmul_dtype_,
                                      /*keep_codes=*/model->kv_dtype_ != DType::kF32));
  model->file_->Release();  // packed; only rows of the embedding are still read from it
  model->rope_ = std::make_unique<RopeTable>(RopeFrequencies(c.rope));
  model->attention_ = std::make_unique<Attention>(
      AttentionShape{c.heads, c.kv_heads, c.head_dim, model->kv_dtype_, model->matmul_dtype_},
      model->rope_.get());
  return model;
}

std::string Model::compute_path() const {
  return "forward-2/matmul-" + std::string(Name(matmul_dtype_));
}

}  // namespace kvlink
