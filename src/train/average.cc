#include "train/average.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "formats/gguf.h"
#include "links/link_file.h"
#include "model/config.h"
#include "text/template.h"
#include "train/options.h"
#include "train/output_files.h"
#include "train/torch_failure.h"

namespace kvlink::train {
namespace {

constexpr double kNothing = 1e-12;  // of the largest singular value: none at all

using LinksFile = std::unique_ptr<const links::Links>;

// Why `other` cannot be averaged with `first`; empty: it can.
std::string Difference(const links::Links& first, const links::Links& other) {
  const auto numbers = [](const char* what, int32_t expected, int32_t found) {
    return std::string(what) + ": expected " + std::to_string(expected) + ", found " +
           std::to_string(found);
  };
  const auto text = [](const links::Links& links) {
    if (!links.prompt_template) return std::string();
    text::PromptTemplate unnamed = *links.prompt_template;
    unnamed.name.clear();
    return text::TemplateToJson(unnamed);
  };
  if (other.k != first.k) return numbers("K", first.k, other.k);
  if (other.slots != first.slots) return numbers("slots", first.slots, other.slots);
  if (text(other) != text(first)) return "its template is another one";
  return "";
}

// nullptr: none has one.
const links::Links* FirstWithAdapter(const std::vector<LinksFile>& all) {
  for (const LinksFile& links : all) {
    if (links->adapter) return links.get();
  }
  return nullptr;
}

Status CheckAlike(const std::vector<LinksFile>& all) {
  const links::Links* const with_adapter = FirstWithAdapter(all);
  for (const LinksFile& links : all) {
    if (!links->token_ids.empty()) {
      return InvalidArgument("--average " + links->path +
                             ": its link tokens are ids of the vocabulary, which have no mean");
    }
    if (const std::string why = Difference(*all.front(), *links); !why.empty()) {
      return InvalidArgument("--average " + links->path + " differs from " + all.front()->path +
                             ": " + why);
    }
    if (links->base == Sha256Digest{}) {
      return InvalidArgument("--average " + links->path +
                             ": names no base model, so that its place in a mean is unknown");
    }
    if (!links->adapter) continue;
    const model::AdapterScope expected = with_adapter->adapter->scope,
                              found = links->adapter->scope;
    if (found != expected) {
      return InvalidArgument("--average " + links->path + " differs from " + with_adapter->path +
                             ": scope: expected " + std::string(model::Name(expected)) +
                             ", found " + std::string(model::Name(found)));
    }
  }
  return {};
}

// What the adapters add to one matrix, as B A: a [R, K], b [N, R], double; undefined: nothing.
struct Product {
  at::Tensor a, b;
};

Product MeanAt(const std::vector<LinksFile>& all, size_t layer, int projection) {
  std::vector<at::Tensor> a, b;
  for (const LinksFile& links : all) {
    if (!links->adapter) continue;
    const model::LowRank& low = links->adapter->layers[layer][projection];
    if (low.rank == 0) continue;
    a.push_back(torch::tensor(low.a, at::kDouble).view({low.rank, -1}));
    b.push_back(torch::tensor(low.b, at::kDouble).view({-1, low.rank}) /
                static_cast<double>(all.size()));
  }
  if (a.empty()) return {};
  return {at::cat(a, 0), at::cat(b, 1)};
}

// The nearest product of at most `rank`, balanced between both sides. Adds the squares of all
// numbers of B A, and of those that are kept, to *total and *kept. By the factors' QR: B A itself
// is large.
Product Nearest(const Product& mean, int64_t rank, double* total, double* kept) {
  const auto [qb, rb] = at::linalg_qr(mean.b);
  const auto [qa, ra] = at::linalg_qr(mean.a.t());
  const auto [u, s, v] = at::linalg_svd(at::mm(rb, ra.t()), /*full_matrices=*/false);
  const int64_t some = s.gt(s[0] * kNothing).sum().item<int64_t>();
  const int64_t r = std::clamp<int64_t>(some, 1, rank);
  *total += s.square().sum().item<double>();
  *kept += s.narrow(0, 0, r).square().sum().item<double>();
  const at::Tensor root = s.narrow(0, 0, r).sqrt();
  return {at::mm(root.unsqueeze(1) * v.narrow(0, 0, r), qa.t()),
          at::mm(qb, u.narrow(1, 0, r)) * root};
}

// Of the given rank: rows and columns of zeros behind those there are.
model::LowRank Padded(const Product& product, int32_t rank) {
  const int64_t more = rank - product.a.size(0);
  const auto numbers = [](const at::Tensor& t) {
    const at::Tensor flat = t.to(at::kFloat).contiguous();
    return std::vector<float>(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  };
  return {rank, numbers(at::constant_pad_nd(product.a, {0, 0, 0, more})),
          numbers(at::constant_pad_nd(product.b, {0, more}))};
}

model::Adapter MeanAdapter(const std::vector<LinksFile>& all, const model::Adapter& like,
                           int32_t most_rank, AverageSummary* summary) {
  const size_t layers = like.layers.size();
  std::vector<std::array<Product, model::kProjections>> products(layers);
  double total = 0, kept = 0;
  for (size_t l = 0; l < layers; ++l) {
    for (int projection = 0; projection < model::kProjections; ++projection) {
      const Product mean = MeanAt(all, l, projection);
      if (!mean.a.defined()) continue;
      products[l][projection] = Nearest(mean, most_rank, &total, &kept);
      summary->rank =
          std::max(summary->rank, static_cast<int32_t>(products[l][projection].a.size(0)));
    }
  }
  if (total > 0) summary->kept = kept / total;
  model::Adapter adapter;
  adapter.scope = like.scope;
  adapter.layers.resize(layers);
  for (size_t l = 0; l < layers; ++l) {
    for (int projection = 0; projection < model::kProjections; ++projection) {
      if (!products[l][projection].a.defined()) continue;
      adapter.layers[l][projection] = Padded(products[l][projection], summary->rank);
    }
  }
  adapter.hash = model::AdapterHash(adapter);
  return adapter;
}

std::vector<float> MeanEmbeddings(const std::vector<LinksFile>& all) {
  std::vector<double> sum(all.front()->embeddings.size());
  for (const LinksFile& links : all) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += links->embeddings[i];
  }
  std::vector<float> mean;
  for (const double x : sum)
    mean.push_back(static_cast<float>(x / static_cast<double>(all.size())));
  return mean;
}

std::string Provenance(int32_t rank, const std::vector<LinksFile>& all) {
  nlohmann::ordered_json members = nlohmann::ordered_json::array();
  for (const LinksFile& links : all) {
    members.push_back({{"file", FileNameOf(links->path)}, {"sha256", ToHex(links->hash)}});
  }
  return nlohmann::ordered_json({{"program", "kvlink-train " KVLINK_VERSION},
                                 {"average", std::move(members)},
                                 {"rank", rank}})
      .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<AverageSummary> Average(const AverageOptions& options, FileSystem& files) {
  if (options.links.empty()) return InvalidArgument("--average: expected link files, found none");
  TrainOptions named;  // for the trainer's own checks
  named.out = options.out;
  named.rank = options.rank;
  KVLINK_RETURN_IF_ERROR(CheckOptions(named));
  KVLINK_RETURN_IF_ERROR(CheckNotOutput(named, "--model", options.model));
  KVLINK_ASSIGN_OR_RETURN(const auto model,
                          formats::GgufFile::Open(FileSystem::Posix(), options.model));
  KVLINK_ASSIGN_OR_RETURN(const model::ModelConfig config, model::ReadModelConfig(*model));
  const Sha256Digest base = model::ModelFingerprint(*model, config);
  KVLINK_RETURN_IF_ERROR(model->CheckUnchanged());
  KVLINK_RETURN_IF_ERROR(files.CreateDirectories(FolderOf(options.out), FileAccess::kByUmask));
  std::vector<LinksFile> all;
  for (const std::string& path : options.links) {
    KVLINK_RETURN_IF_ERROR(CheckNotOutput(named, "--average", path));
    KVLINK_ASSIGN_OR_RETURN(LinksFile links, links::LoadLinks(files, path, config, base));
    all.push_back(std::move(links));
  }
  KVLINK_RETURN_IF_ERROR(CheckAlike(all));
  links::Links mean;
  mean.k = all.front()->k;
  mean.slots = all.front()->slots;
  mean.embeddings = MeanEmbeddings(all);
  mean.prompt_template = all.front()->prompt_template;
  mean.base = base;
  AverageSummary summary;
  if (const links::Links* const like = FirstWithAdapter(all); like != nullptr) {
    if (options.rank > 0) {
      mean.adapter = MeanAdapter(all, *like->adapter, options.rank, &summary);
    } else {
      summary.kept = 0;
    }
  }
  KVLINK_RETURN_IF_ERROR(links::SaveLinks(files, options.out, mean, config,
                                          Provenance(summary.rank, all), options.out_dtype));
  return summary;
}

}  // namespace

Result<AverageSummary> AverageLinks(const AverageOptions& options, FileSystem& files) {
  return GuardedTorch("--average: there is not enough memory: average fewer link files at once",
                      [&] { return Average(options, files); });
}

}  // namespace kvlink::train
