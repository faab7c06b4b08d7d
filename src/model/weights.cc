#include "model/weights.h"

#include <cstring>
#include <string>
#include <utility>

#include "tensor/quantized_matrix.h"

namespace kvlink::model {
namespace {

// What all matrices of a model are packed with.
struct Packing {
  DType dtype;
  bool keep_codes;
  bool codes_alone;  // of what has codes
  tensor::WeightMemory* memory;
};

// The matrices' codes, if all are quantised and codes are kept; else none.
Result<std::vector<tensor::QuantizedMatrix>> PackCodes(
    const std::vector<const formats::TensorInfo*>& parts, const Packing& packing) {
  std::vector<tensor::QuantizedMatrix> codes;
  for (const formats::TensorInfo* part : parts) {
    if (!packing.keep_codes || !tensor::QuantizedMatrix::CanHold(part->type, part->shape[1]))
      return codes;
  }
  for (const formats::TensorInfo* part : parts) {
    KVLINK_ASSIGN_OR_RETURN(
        tensor::QuantizedMatrix packed,
        tensor::QuantizedMatrix::Create(part->type, part->data.data(), part->shape[0],
                                        part->shape[1], packing.memory));
    codes.push_back(packed);
  }
  return codes;
}

// Matrices one below the other as one Linear.
Result<tensor::Linear> Stack(const std::vector<const formats::TensorInfo*>& parts,
                             const Packing& packing) {
  const int64_t columns = parts[0]->shape[1];
  KVLINK_ASSIGN_OR_RETURN(std::vector<tensor::QuantizedMatrix> codes, PackCodes(parts, packing));
  if (packing.codes_alone && !codes.empty()) {
    return tensor::Linear::OfCodes(columns, packing.dtype, std::move(codes));
  }
  int64_t rows = 0;
  for (const formats::TensorInfo* part : parts) rows += part->shape[0];
  const auto fill = [&](int64_t begin, int64_t end, float* out) {
    int64_t first = 0;  // of the part, among all rows
    for (const formats::TensorInfo* part : parts) {
      const int64_t from = std::max(begin, first);
      const int64_t to = std::min(end, first + part->shape[0]);
      for (int64_t r = from; r < to; ++r) ReadRow(*part, r - first, out + (r - begin) * columns);
      first += part->shape[0];
    }
  };
  KVLINK_ASSIGN_OR_RETURN(
      tensor::Linear linear,
      tensor::Linear::Create(columns, rows, packing.dtype, fill, packing.memory));
  if (!codes.empty()) linear.MultiplyRowsBy(std::move(codes));
  return linear;
}

// Logits are wanted of a row, at most of an answer that is scored, never of a whole prompt.
Result<tensor::Linear> Head(const formats::TensorInfo* head, const Packing& packing,
                            std::vector<tensor::QuantizedMatrix> codes) {
  if (codes.empty()) return Stack({head}, packing);
  return tensor::Linear::OfCodes(head->shape[1], packing.dtype, std::move(codes));
}

}  // namespace

void ReadRow(const formats::TensorInfo& tensor, int64_t row, float* out) {
  const int64_t columns = tensor.shape.back();
  const GgmlTypeTraits& traits = *TraitsOf(static_cast<uint32_t>(tensor.type));
  const int64_t row_bytes = columns / traits.block_elements * traits.block_bytes;
  tensor::Dequantize(tensor.type, tensor.data.data() + row * row_bytes, columns, out);
}

std::vector<float> ReadVector(const formats::TensorInfo& tensor) {
  std::vector<float> out(static_cast<size_t>(tensor.elements()));
  tensor::Dequantize(tensor.type, tensor.data.data(), tensor.elements(), out.data());
  return out;
}

Result<Embedding> Embedding::Copy(const formats::TensorInfo& tensor, tensor::WeightMemory* where) {
  void* copy = where->Take(static_cast<int64_t>(tensor.data.size()));
  if (copy == nullptr) {
    return ResourceExhausted("memory for the embedding of " + std::to_string(tensor.data.size()) +
                             " bytes could not be had; close other programs");
  }
  std::memcpy(copy, tensor.data.data(), tensor.data.size());
  Embedding embedding;
  embedding.tensor_.type = tensor.type;
  embedding.tensor_.shape = tensor.shape;
  embedding.tensor_.data = {static_cast<const std::byte*>(copy), tensor.data.size()};
  return embedding;
}

void Embedding::ReadRow(int64_t row, float* out) const {
  if (codes_) {
    codes_->ReadRow(row, out);
  } else {
    model::ReadRow(tensor_, row, out);
  }
}

int64_t Embedding::own_bytes() const { return static_cast<int64_t>(tensor_.data.size()); }

int64_t Weights::bytes() const {
  int64_t total = static_cast<int64_t>(final_norm.size()) * 4 + embedding.own_bytes();
  for (const tensor::Linear& h : output_head) total += h.bytes();
  for (const LayerWeights& l : layers) {
    total += l.qkv.bytes() + l.output.bytes() + l.gate_up.bytes() + l.down.bytes() +
             static_cast<int64_t>(l.attention_norm.size() + l.feed_forward_norm.size()) * 4;
  }
  return total;
}

Result<Weights> LoadWeights(const formats::GgufFile& file, const ModelConfig& config, DType dtype,
                            bool keep_codes) {
  Weights weights;
  weights.memory = std::make_unique<tensor::WeightMemory>();
  const Packing packing{dtype, keep_codes, tensor::CodesMultiplyPieces(dtype),
                        weights.memory.get()};
  const formats::TensorInfo* embedding = file.FindTensor("token_embd.weight");
  const formats::TensorInfo* head =
      config.tied_output ? embedding : file.FindTensor("output.weight");
  // The largest first: packing without codes needs a copy for a moment, best while little is held.
  KVLINK_ASSIGN_OR_RETURN(std::vector<tensor::QuantizedMatrix> codes, PackCodes({head}, packing));
  if (config.tied_output && !codes.empty()) {
    weights.embedding = Embedding(codes.front());
  } else {
    KVLINK_ASSIGN_OR_RETURN(weights.embedding, Embedding::Copy(*embedding, packing.memory));
  }
  KVLINK_ASSIGN_OR_RETURN(tensor::Linear packed_head, Head(head, packing, std::move(codes)));
  weights.output_head.push_back(std::move(packed_head));
  weights.final_norm = ReadVector(*file.FindTensor("output_norm.weight"));
  for (int32_t l = 0; l < config.layers; ++l) {
    const std::string prefix = "blk." + std::to_string(l) + ".";
    const auto tensor = [&](const char* name) {
      return file.FindTensor(prefix + name + ".weight");
    };
    KVLINK_ASSIGN_OR_RETURN(tensor::Linear qkv,
                            Stack({tensor("attn_q"), tensor("attn_k"), tensor("attn_v")}, packing));
    KVLINK_ASSIGN_OR_RETURN(tensor::Linear output, Stack({tensor("attn_output")}, packing));
    KVLINK_ASSIGN_OR_RETURN(tensor::Linear gate_up,
                            Stack({tensor("ffn_gate"), tensor("ffn_up")}, packing));
    KVLINK_ASSIGN_OR_RETURN(tensor::Linear down, Stack({tensor("ffn_down")}, packing));
    weights.layers.push_back(LayerWeights{ReadVector(*tensor("attn_norm")), std::move(qkv),
                                          std::move(output), ReadVector(*tensor("ffn_norm")),
                                          std::move(gate_up), std::move(down)});
  }
  return weights;
}

}  // namespace kvlink::model
