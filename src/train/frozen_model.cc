#include "train/frozen_model.h"

#include <torch/types.h>

#include <numeric>

#include "train/layer_functions.h"

namespace kvlink::train {
namespace {

// Matrices one below the other.
at::Tensor Stack(std::initializer_list<const formats::TensorInfo*> parts, at::ScalarType dtype,
                 at::Device device) {
  std::vector<at::Tensor> tensors;
  for (const formats::TensorInfo* part : parts) {
    at::Tensor t = at::empty({part->shape[0], part->shape[1]}, at::kFloat);
    for (int64_t r = 0; r < part->shape[0]; ++r) {
      model::ReadRow(*part, r, t.data_ptr<float>() + r * part->shape[1]);
    }
    tensors.push_back(t.to(dtype));
  }
  return at::cat(tensors, 0).to(device);
}

at::Tensor Vector(const formats::TensorInfo& info, at::Device device) {
  return torch::tensor(model::ReadVector(info), at::kFloat).to(device);
}

}  // namespace

FrozenModel::FrozenModel(const model::Model& model, at::ScalarType dtype, at::Device device)
    : config_(model.config()),
      embedding_(&model.weights().embedding),
      dtype_(dtype),
      device_(device),
      turns_(model.config(), device) {}

Result<std::unique_ptr<FrozenModel>> FrozenModel::Create(const model::Model& model,
                                                         at::ScalarType dtype, at::Device device) {
  const at::NoGradGuard no_gradient;
  std::unique_ptr<FrozenModel> frozen(new FrozenModel(model, dtype, device));
  const formats::GgufFile& file = model.file();
  const model::ModelConfig& c = model.config();
  frozen->head_ = Stack({file.FindTensor(c.tied_output ? "token_embd.weight" : "output.weight")},
                        dtype, device);
  frozen->final_norm_ = Vector(*file.FindTensor("output_norm.weight"), device);
  for (int32_t l = 0; l < c.layers; ++l) {
    const std::string prefix = "blk." + std::to_string(l) + ".";
    const auto tensor = [&](const char* name) {
      return file.FindTensor(prefix + name + ".weight");
    };
    frozen->layers_.push_back(
        {Vector(*tensor("attn_norm"), device),
         Stack({tensor("attn_q"), tensor("attn_k"), tensor("attn_v")}, dtype, device),
         Stack({tensor("attn_output")}, dtype, device), Vector(*tensor("ffn_norm"), device),
         Stack({tensor("ffn_gate"), tensor("ffn_up")}, dtype, device),
         Stack({tensor("ffn_down")}, dtype, device)});
  }
  KVLINK_RETURN_IF_ERROR(file.CheckUnchanged());
  return frozen;
}

at::Tensor FrozenModel::Embed(const std::vector<int32_t>& tokens, Parameters& parameters) const {
  at::Tensor x = at::empty({static_cast<int64_t>(tokens.size()), config_.width}, at::kFloat);
  std::vector<int64_t> link_rows, link_indices;
  for (size_t t = 0; t < tokens.size(); ++t) {
    if (tokens[t] >= 0) {
      embedding_->ReadRow(tokens[t], x.data_ptr<float>() + static_cast<int64_t>(t) * config_.width);
    } else {
      link_rows.push_back(static_cast<int64_t>(t));
      link_indices.push_back(~tokens[t]);
    }
  }
  x = x.to(device_);
  if (link_rows.empty()) return x;
  const at::Tensor links =
      parameters.links().index_select(0, torch::tensor(link_indices, at::kLong).to(device_));
  return x.index_copy(0, torch::tensor(link_rows, at::kLong).to(device_), links);
}

at::Tensor FrozenModel::Adapt(const at::Tensor& y, const at::Tensor& x, int32_t layer,
                              std::initializer_list<model::Projection> projections,
                              const Rows& rows, const Parameters& parameters) const {
  if (!rows.adapter || !parameters.has_adapter()) return y;
  std::vector<at::Tensor> a;
  for (const model::Projection projection : projections) {
    const TrainedLowRank& low = parameters.At(layer, projection);
    if (low.a.defined()) a.push_back(low.a);
  }
  if (a.empty()) return y;
  at::Tensor inner = at::linear(x, (a.size() == 1 ? a[0] : at::cat(a, 0)).to(dtype_));
  inner = inner * parameters.scale();
  if (rows.active.defined()) inner = inner * rows.active;
  std::vector<at::Tensor> outputs;
  int64_t column = 0;
  const int64_t heads = static_cast<int64_t>(config_.heads) * config_.head_dim;
  const int64_t kv = static_cast<int64_t>(config_.kv_heads) * config_.head_dim;
  for (const model::Projection projection : projections) {
    const TrainedLowRank& low = parameters.At(layer, projection);
    if (!low.a.defined()) {
      const int64_t n = projection == model::Projection::kQ   ? heads
                        : projection == model::Projection::kK ? kv
                        : projection == model::Projection::kV
                            ? kv
                            : config_.feed_forward;  // others stand alone
      outputs.push_back(at::zeros({x.size(0), n}, x.options()));
      continue;
    }
    const int64_t rank = low.a.size(0);
    outputs.push_back(at::linear(inner.narrow(1, column, rank), low.b.to(dtype_)));
    column += rank;
  }
  return y + (outputs.size() == 1 ? outputs[0] : at::cat(outputs, 1));
}

at::Tensor FrozenModel::RunLayers(const Rows& rows, Parameters& parameters) {
  const double epsilon = config_.norm_epsilon;
  at::Tensor x = Embed(rows.tokens, parameters);
  for (int32_t l = 0; l < config_.layers; ++l) {
    const Layer& w = layers_[l];
    at::Tensor n = RmsNorm(x, w.attention_norm, epsilon, dtype_);
    const at::Tensor qkv = Adapt(
        FrozenLinear(n, w.qkv), n, l,
        {model::Projection::kQ, model::Projection::kK, model::Projection::kV}, rows, parameters);
    n = LinkedAttention(qkv, &rows.attention, l, &config_);
    x = x + Adapt(FrozenLinear(n, w.output), n, l, {model::Projection::kO}, rows, parameters);
    n = RmsNorm(x, w.feed_forward_norm, epsilon, dtype_);
    n = SwiGlu(Adapt(FrozenLinear(n, w.gate_up), n, l,
                     {model::Projection::kGate, model::Projection::kUp}, rows, parameters));
    x = x + Adapt(FrozenLinear(n, w.down), n, l, {model::Projection::kDown}, rows, parameters);
  }
  return x;
}

at::Tensor FrozenModel::AnswerLogits(const PassInput& input, Parameters& parameters) {
  buffers_.clear();
  buffers_.reserve(input.prompts.size());
  rows_ = {};
  Rows prefix;
  rows_.adapter = prefix.adapter = input.adapter;
  std::vector<float> prefix_active, active;
  bool some_inactive = false;
  std::vector<int64_t> targets;
  const auto add_rows = [&](Rows* rows, const std::vector<int32_t>& tokens,
                            std::vector<int64_t> positions, std::vector<int64_t> sees_from,
                            KvBuffer* kv) {
    const auto first = static_cast<int64_t>(rows->tokens.size());
    rows->tokens.insert(rows->tokens.end(), tokens.begin(), tokens.end());
    // Rows of padding stand behind everything: nothing sees them.
    while (positions.size() % kRowMultiple != 0) {
      positions.push_back(positions.back() + 1);
      rows->tokens.push_back(0);
    }
    sees_from.resize(positions.size());
    rows->attention.push_back(
        MakeAttentionRows(kv, first, positions, sees_from, turns_, dtype_, device_));
  };
  {
    const at::NoGradGuard no_gradient;
    for (size_t i = 0; i < input.prompts.size(); ++i) {
      const TrainingPrompt& prompt = *input.prompts[i];
      buffers_.push_back(NewKvBuffer(config_, prompt.length + kRowMultiple, dtype_, device_));
      KvBuffer* const kv = &buffers_.back();
      for (size_t d = 0; d < prompt.documents.size(); ++d) {
        PlaceBlock(*input.blocks[i][d], prompt.starts[d], turns_, kv);
      }
      if (!prompt.prefix.empty()) {
        std::vector<int64_t> positions(prompt.prefix.size());
        std::iota(positions.begin(), positions.end(), 0);
        add_rows(&prefix, prompt.prefix, std::move(positions), {}, kv);
        prefix_active.resize(prefix_active.size() + prompt.preamble_tokens, 1.0f);
        prefix_active.resize(prefix.tokens.size(), 0.0f);
      }
      for (const int32_t row : prompt.target_rows) {
        targets.push_back(static_cast<int64_t>(rows_.tokens.size()) + row);
      }
      add_rows(&rows_, prompt.tokens, {prompt.positions.begin(), prompt.positions.end()},
               {prompt.sees_from.begin(), prompt.sees_from.end()}, kv);
      for (const uint8_t in_document : prompt.in_document) {
        active.push_back(in_document != 0 ? 0.0f : 1.0f);
        some_inactive = some_inactive || in_document != 0;
      }
      active.resize(rows_.tokens.size(), 1.0f);
    }
    const auto factors = [&](const std::vector<float>& of_rows) {
      return torch::tensor(of_rows, at::kFloat).to(dtype_).to(device_).unsqueeze(1);
    };
    if (some_inactive) rows_.active = factors(active);
    if (!prefix.tokens.empty()) {
      prefix.active = factors(prefix_active);
      RunLayers(prefix, parameters);
    }
  }
  const at::Tensor x = RunLayers(rows_, parameters);
  const at::Tensor wanted = x.index_select(0, torch::tensor(targets, at::kLong).to(device_));
  return FrozenLinear(RmsNorm(wanted, final_norm_, config_.norm_epsilon, dtype_), head_)
      .to(at::kFloat);
}

}  // namespace kvlink::train
