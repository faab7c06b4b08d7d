#include "train/full_model.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>

#include "train/parameters.h"

namespace kvlink::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// A layer that keeps its input only. Its parameters are no inputs of the function: their gradients
// are added where they belong by the backward pass inside this one.
struct CheckpointedLayer : public Function<CheckpointedLayer> {
  static Variable forward(AutogradContext* context, const Variable& x, FullModel* model,
                          int64_t layer, const FullModel::Pass* pass) {
    context->save_for_backward({x});
    context->saved_data["model"] = reinterpret_cast<int64_t>(model);
    context->saved_data["pass"] = reinterpret_cast<int64_t>(pass);
    context->saved_data["layer"] = layer;
    return model->RunLayer(x, static_cast<int32_t>(layer), *pass);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto* model = reinterpret_cast<FullModel*>(context->saved_data["model"].toInt());
    const auto* pass =
        reinterpret_cast<const FullModel::Pass*>(context->saved_data["pass"].toInt());
    at::Tensor x = context->get_saved_variables()[0].detach();
    x.requires_grad_(true);
    model->CountRecomputedLayer();
    const at::AutoGradMode with_graph(true);
    const at::Tensor y =
        model->RunLayer(x, static_cast<int32_t>(context->saved_data["layer"].toInt()), *pass);
    torch::autograd::backward({y}, {gradients[0]});
    return {x.grad(), Variable(), Variable(), Variable()};
  }
};

// Where every token of the prompt stands: [T] its id and its segment (docs/method.md, section 3).
struct Whole {
  std::vector<int32_t> tokens, segments;
};

Whole WholeOf(const TrainingPrompt& prompt) {
  Whole whole;
  whole.tokens.resize(static_cast<size_t>(prompt.length));
  whole.segments.resize(static_cast<size_t>(prompt.length));
  std::copy(prompt.prefix.begin(), prompt.prefix.end(), whole.tokens.begin());
  for (size_t i = 0; i < prompt.tokens.size(); ++i) {
    whole.tokens[prompt.positions[i]] = prompt.tokens[i];
  }
  for (size_t d = 0; d < prompt.documents.size(); ++d) {
    for (size_t i = 0; i < prompt.documents[d].size(); ++i) {
      whole.tokens[prompt.starts[d] + i] = prompt.documents[d][i];
      whole.segments[prompt.starts[d] + i] = static_cast<int32_t>(d) + 1;
    }
  }
  return whole;
}

// q sees k <=> k <= q and (segment(q) == 0 or segment(q) == segment(k)).
at::Tensor Mask(const std::vector<int32_t>& segments, at::ScalarType dtype, at::Device device) {
  const at::Tensor s = torch::tensor(segments, at::kLong).to(device);
  const at::Tensor q = s.unsqueeze(1), k = s.unsqueeze(0);
  const at::Tensor sees = q.eq(0).logical_or(q.eq(k)).tril();
  return at::zeros(sees.sizes(), at::TensorOptions(dtype).device(device))
      .masked_fill_(sees.logical_not(), -std::numeric_limits<double>::infinity());
}

at::Tensor ToDevice(const std::vector<int64_t>& values, at::Device device) {
  return torch::tensor(values, at::kLong).to(device);
}

}  // namespace

FullModel::FullModel(const model::Model& model, at::ScalarType dtype, at::Device device)
    : config_(model.config()), dtype_(dtype), device_(device), turns_(model.config(), device) {}

Result<std::unique_ptr<FullModel>> FullModel::Create(const model::Model& model,
                                                     const TrainOptions& options,
                                                     at::ScalarType dtype, at::Device device) {
  const at::NoGradGuard no_gradient;
  std::unique_ptr<FullModel> full(new FullModel(model, dtype, device));
  full->k_ = options.attention == TrainAttention::kFull ? 0 : options.k;
  full->slots_ = full->k_ == 0 ? 1 : options.slots;
  const int64_t links = static_cast<int64_t>(full->k_) * full->slots_;
  full->link_count_ = links * model.config().width;
  std::vector<const formats::TensorInfo*> trained;
  int64_t total = full->link_count_;
  for (const formats::TensorInfo& tensor : model.file().tensors()) {
    if (tensor.name.starts_with("rope_")) continue;  // divisors of frequencies: no weights
    trained.push_back(&tensor);
    total += tensor.elements();
  }
  at::Tensor values = at::empty({total}, at::kFloat);
  if (links > 0) {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<float> start, LinkStart(model, options, links));
    std::copy(start.begin(), start.end(), values.data_ptr<float>());
  }
  int64_t offset = full->link_count_;
  for (const formats::TensorInfo* tensor : trained) {
    const int64_t columns = tensor->shape.back();
    for (int64_t r = 0; r < tensor->elements() / columns; ++r) {
      model::ReadRow(*tensor, r, values.data_ptr<float>() + offset + r * columns);
    }
    offset += tensor->elements();
  }
  KVLINK_RETURN_IF_ERROR(model.file().CheckUnchanged());
  full->values_ = values.to(device);
  full->gradients_ = at::zeros_like(full->values_);
  if (links > 0) {
    full->links_ = LeafOf(full->values_, full->gradients_, 0, {links, model.config().width});
  }
  offset = full->link_count_;
  for (const formats::TensorInfo* tensor : trained) {
    full->leaves_[tensor->name] = LeafOf(full->values_, full->gradients_, offset, tensor->shape);
    offset += tensor->elements();
  }
  return full;
}

const at::Tensor* FullModel::Find(const std::string& name) const {
  const auto found = leaves_.find(name);
  return found == leaves_.end() ? nullptr : &found->second;
}

at::Tensor FullModel::Norm(const at::Tensor& x, const at::Tensor& weight) const {
  const at::Tensor root =
      (x.square().mean(1, /*keepdim=*/true) + static_cast<double>(config_.norm_epsilon)).rsqrt();
  return (x * root * weight).to(dtype_);
}

at::Tensor FullModel::RunLayer(const at::Tensor& x, int32_t layer, const Pass& pass) const {
  const int64_t t = x.size(0), h = config_.heads, g = config_.kv_heads, d = config_.head_dim;
  const std::string prefix = "blk." + std::to_string(layer) + ".";
  const auto weight = [&](const char* name) { return leaves_.at(prefix + name + ".weight"); };
  const auto matrix = [&](const char* name) { return weight(name).to(dtype_); };

  at::Tensor n = Norm(x, weight("attn_norm"));
  const at::Tensor q = RopeTurns::Turn(at::linear(n, matrix("attn_q")).view({t, h, d}), pass.turns)
                           .to(dtype_)
                           .view({t, g, h / g, d})
                           .permute({1, 2, 0, 3});  // [G, H/G, T, D]
  const at::Tensor k = RopeTurns::Turn(at::linear(n, matrix("attn_k")).view({t, g, d}), pass.turns)
                           .to(dtype_)
                           .permute({1, 2, 0})
                           .unsqueeze(1);  // [G, 1, D, T]
  const at::Tensor v =
      at::linear(n, matrix("attn_v")).view({t, g, d}).permute({1, 0, 2}).unsqueeze(1);
  const double scale = 1 / std::sqrt(static_cast<double>(d));
  const at::Tensor p = at::softmax(at::matmul(q * scale, k) + pass.mask, -1);
  const at::Tensor attended = at::matmul(p, v).permute({2, 0, 1, 3}).reshape({t, h * d});
  const at::Tensor middle = x + at::linear(attended, matrix("attn_output"));

  n = Norm(middle, weight("ffn_norm"));
  const at::Tensor inner =
      at::silu(at::linear(n, matrix("ffn_gate"))) * at::linear(n, matrix("ffn_up"));
  return middle + at::linear(inner, matrix("ffn_down"));
}

at::Tensor FullModel::AnswerLogits(const TrainingPrompt& prompt) {
  const Whole whole = WholeOf(prompt);
  pass_.turns = turns_.At(at::arange(prompt.length, at::TensorOptions(at::kLong).device(device_)));
  pass_.mask = Mask(whole.segments, dtype_, device_);
  std::vector<int64_t> ids, link_rows, link_indices;
  for (const int32_t token : whole.tokens) {
    if (token < 0) {
      link_rows.push_back(static_cast<int64_t>(ids.size()));
      link_indices.push_back(~token);
    }
    ids.push_back(std::max(token, 0));
  }
  const at::Tensor& embedding = leaves_.at("token_embd.weight");
  at::Tensor x = embedding.index_select(0, ToDevice(ids, device_));
  if (!link_rows.empty()) {
    x = x.index_copy(0, ToDevice(link_rows, device_),
                     links_.index_select(0, ToDevice(link_indices, device_)));
  }
  const bool checkpoint = checkpointing_ && at::GradMode::is_enabled();
  for (int32_t layer = 0; layer < config_.layers; ++layer) {
    x = checkpoint ? CheckpointedLayer::apply(x, this, layer, &pass_) : RunLayer(x, layer, pass_);
  }
  std::vector<int64_t> rows;
  for (const int32_t row : prompt.target_rows) rows.push_back(prompt.positions[row]);
  const at::Tensor wanted = x.index_select(0, ToDevice(rows, device_));
  const at::Tensor& head = config_.tied_output ? embedding : leaves_.at("output.weight");
  return at::linear(Norm(wanted, leaves_.at("output_norm.weight")), head.to(dtype_)).to(at::kFloat);
}

links::Links FullModel::ToLinks(const link::LinkableModel& model) const {
  links::Links links;
  links.k = k_;
  links.slots = slots_;
  if (k_ > 0) {
    const at::Tensor flat = links_.detach().to(at::kCPU).contiguous();
    links.embeddings.assign(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  }
  links.prompt_template = model.prompt_template();
  return links;
}

}  // namespace kvlink::train
