#include "train/parameters.h"

#include <torch/types.h>

#include <cmath>

#include "base/random.h"

namespace kvlink::train {
namespace {

struct Sizes {
  int64_t inputs = 0, outputs = 0;
};

Sizes SizesOf(const model::ModelConfig& c, model::Projection projection) {
  const int64_t qd = static_cast<int64_t>(c.heads) * c.head_dim;
  const int64_t kd = static_cast<int64_t>(c.kv_heads) * c.head_dim;
  switch (projection) {
    case model::Projection::kQ:
      return {c.width, qd};
    case model::Projection::kK:
    case model::Projection::kV:
      return {c.width, kd};
    case model::Projection::kO:
      return {qd, c.width};
    case model::Projection::kGate:
    case model::Projection::kUp:
      return {c.width, c.feed_forward};
    case model::Projection::kDown:
      return {c.feed_forward, c.width};
  }
  return {};
}

double Uniform(Random* random) {  // in [-1, 1)
  return static_cast<double>(random->Next() >> 11) * 0x1p-52 - 1;
}

std::vector<float> ToVector(const at::Tensor& t) {
  const at::Tensor flat = t.detach().to(at::kCPU, at::kFloat).contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

}  // namespace

// The mean of the vocabulary alone is short, and the first layers were trained on vectors of the
// vocabulary's length: the mean is brought to it by noise of the vocabulary's own spread, small
// enough that links of one set begin alike.
Result<std::vector<float>> LinkStart(const model::Model& model, const TrainOptions& options,
                                     int64_t count) {
  const model::ModelConfig& c = model.config();
  const model::Embedding& table = model.weights().embedding;
  const int64_t e = c.width;
  std::vector<float> start(static_cast<size_t>(count * e));
  if (options.link_start != "mean") {
    const std::vector<int32_t> ids = model.tokenizer().EncodeSpecial(options.link_start);
    if (ids.empty()) {
      return InvalidArgument(
          "--link-start: expected mean or a text of at least one token, found \"" +
          options.link_start + "\"");
    }
    for (int64_t i = 0; i < count; ++i) {
      table.ReadRow(ids[static_cast<size_t>(i % options.k) % ids.size()], start.data() + i * e);
    }
    return start;
  }
  std::vector<double> mean(static_cast<size_t>(e)), squares(static_cast<size_t>(e));
  std::vector<float> row(static_cast<size_t>(e));
  for (int64_t v = 0; v < c.vocab; ++v) {
    table.ReadRow(v, row.data());
    for (int64_t i = 0; i < e; ++i) {
      mean[i] += row[i];
      squares[i] += static_cast<double>(row[i]) * row[i];
    }
  }
  Random random(options.seed ^ 0x6c696e6b73ull);
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t i = 0; i < e; ++i) {
      const double m = mean[i] / c.vocab;
      const double deviation = std::sqrt(std::max(0.0, squares[i] / c.vocab - m * m));
      // Uniform noise of deviation 1 has width sqrt(3).
      start[n * e + i] = static_cast<float>(m + Uniform(&random) * 1.7320508075688772 * deviation);
    }
  }
  return start;
}

at::Tensor LeafOf(const at::Tensor& values, const at::Tensor& gradients, int64_t offset,
                  at::IntArrayRef shape) {
  const int64_t count = c10::multiply_integers(shape);
  at::Tensor leaf = values.narrow(0, offset, count).view(shape).detach();
  leaf.requires_grad_(true);
  // Defined beforehand, so that backward passes add into the flat vector.
  leaf.mutable_grad() = gradients.narrow(0, offset, count).view(shape);
  return leaf;
}

Result<Parameters> Parameters::Create(const model::Model& model, const TrainOptions& options,
                                      at::Device device) {
  const model::ModelConfig& c = model.config();
  Parameters p;
  p.k_ = options.attention == TrainAttention::kFull ? 0 : options.k;
  p.slots_ = p.k_ == 0 ? 1 : options.slots;
  p.scope_ = options.scope;
  p.rank_ = options.targets.empty() ? 0 : options.rank;
  p.scale_ = p.rank_ == 0 ? 1 : options.alpha / p.rank_;
  const int64_t links = static_cast<int64_t>(p.k_) * p.slots_;
  p.link_count_ = links * c.width;
  std::vector<float> values;
  if (links > 0) {
    KVLINK_ASSIGN_OR_RETURN(values, LinkStart(model, options, links));
  }
  Random random(options.seed);
  std::vector<std::array<int64_t, model::kProjections>> offsets(c.layers);
  if (p.rank_ > 0) {
    for (int32_t l = 0; l < c.layers; ++l) {
      for (const model::Projection projection : options.targets) {
        const Sizes sizes = SizesOf(c, projection);
        offsets[l][static_cast<size_t>(projection)] = static_cast<int64_t>(values.size());
        const double bound = 1 / std::sqrt(static_cast<double>(sizes.inputs));
        for (int64_t i = 0; i < p.rank_ * sizes.inputs; ++i) {
          values.push_back(static_cast<float>(Uniform(&random) * bound));
        }
        values.resize(values.size() + static_cast<size_t>(sizes.outputs * p.rank_));
      }
    }
  }
  if (values.empty()) {
    return InvalidArgument(
        "nothing to train: expected link tokens (--k above 0) or an adapter (--rank above 0)");
  }
  p.values_ = torch::tensor(values, at::kFloat).to(device);
  p.gradients_ = at::zeros_like(p.values_);
  if (links > 0) p.links_ = LeafOf(p.values_, p.gradients_, 0, {links, c.width});
  p.layers_.resize(c.layers);
  for (int32_t l = 0; p.rank_ > 0 && l < c.layers; ++l) {
    for (const model::Projection projection : options.targets) {
      const Sizes sizes = SizesOf(c, projection);
      const int64_t at = offsets[l][static_cast<size_t>(projection)];
      p.layers_[l][static_cast<size_t>(projection)] = {
          LeafOf(p.values_, p.gradients_, at, {p.rank_, sizes.inputs}),
          LeafOf(p.values_, p.gradients_, at + p.rank_ * sizes.inputs, {sizes.outputs, p.rank_})};
    }
  }
  return p;
}

Status Parameters::StartFrom(const links::Links& links, const std::string& path) {
  const auto refuse = [&](const std::string& what, int64_t found, int64_t expected) {
    return InvalidArgument("--start " + path + ": has " + what + " " + std::to_string(found) +
                           ", and what is to be trained has " + std::to_string(expected));
  };
  if (links.k != k_) return refuse("K", links.k, k_);
  if (links.slots != slots_) return refuse("slots", links.slots, slots_);
  const at::NoGradGuard no_gradient;
  const auto take = [](at::Tensor& leaf, const std::vector<float>& numbers, double factor) {
    leaf.copy_((torch::tensor(numbers, at::kFloat) * factor).view(leaf.sizes()));
  };
  if (k_ > 0) take(links_, links.embeddings, 1);
  for (size_t l = 0; l < layers_.size(); ++l) {
    for (int s = 0; s < model::kProjections; ++s) {
      const int32_t found = links.adapter ? links.adapter->layers[l][s].rank : 0;
      TrainedLowRank& projection = layers_[l][s];
      const int32_t expected = projection.a.defined() ? rank_ : 0;
      if (found != expected) {
        return refuse("in layer " + std::to_string(l) + " at place " + std::to_string(s) + " rank",
                      found, expected);
      }
      if (expected == 0) continue;
      take(projection.a, links.adapter->layers[l][s].a, 1);
      take(projection.b, links.adapter->layers[l][s].b, 1 / scale_);  // a file's has it folded in
    }
  }
  return {};
}

links::Links Parameters::ToLinks(const link::LinkableModel& model) const {
  links::Links links;
  links.k = k_;
  links.slots = slots_;
  if (k_ > 0) links.embeddings = ToVector(links_);
  links.prompt_template = model.prompt_template();
  links.base = model.model().fingerprint();
  if (rank_ > 0) {
    model::Adapter adapter;
    adapter.layers.resize(layers_.size());
    for (size_t l = 0; l < layers_.size(); ++l) {
      for (int s = 0; s < model::kProjections; ++s) {
        const TrainedLowRank& projection = layers_[l][s];
        if (!projection.a.defined()) continue;
        adapter.layers[l][s] = {rank_, ToVector(projection.a), ToVector(projection.b * scale_)};
      }
    }
    adapter.scope = scope_;
    adapter.hash = model::AdapterHash(adapter);
    links.adapter = std::move(adapter);
  }
  return links;
}

}  // namespace kvlink::train
