// The mean of link files: embeddings and what adapters add to each matrix are means; a smaller rank
// is the nearest there is; what cannot be averaged is refused in one line.
#include "train/average.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <functional>
#include <random>

#include "links/link_file.h"
#include "model/model.h"
#include "support/random_links.h"
#include "support/tiny_model.h"

namespace kvlink::train {
namespace {

class Average : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::TinyModelOptions sizes;
    sizes.seed = 7;
    options_.model = testing::WriteTinyModel(folder_.path(), sizes);
    auto model = model::Model::Load(FileSystem::Posix(), options_.model, {});
    ASSERT_TRUE(model.ok()) << model.status().message();
    model_ = *std::move(model);
    options_.out = folder_ / "mean.safetensors";
    options_.out_dtype = DType::kF32;
    options_.rank = 100;
  }

  // Random links; `change` may make others of them.
  void Add(uint32_t seed, const std::function<void(links::Links*)>& change = {}) {
    std::mt19937 random(seed);
    links::Links links;
    links.k = 2;
    links.embeddings = testing::RandomFloats(&random, 2 * model_->config().width, 1.0f);
    links.prompt_template = *text::ChooseTemplate(model_->tokenizer());
    links.base = model_->fingerprint();
    links.adapter =
        testing::RandomAdapter(&random, model_->config(), model::AdapterScope::kOutsideDocuments);
    // RandomAdapter leaves a place of the first layer out, and a file has the same in all layers.
    for (auto& projections : links.adapter->layers)
      projections[static_cast<size_t>(model::Projection::kO)] = {};
    if (change) change(&links);
    const std::string path = folder_ / ("member" + std::to_string(options_.links.size()));
    const Status saved = links::SaveLinks(FileSystem::Posix(), path, links, model_->config(), "");
    ASSERT_TRUE(saved.ok()) << saved.message();
    options_.links.push_back(path);
  }

  std::unique_ptr<const links::Links> Load(const std::string& path) {
    auto links =
        links::LoadLinks(FileSystem::Posix(), path, model_->config(), model_->fingerprint());
    EXPECT_TRUE(links.ok()) << links.status().message();
    return *std::move(links);
  }

  // [N, K], what the adapter adds at a projection.
  static at::Tensor Added(const links::Links& links, size_t layer, int projection) {
    const model::LowRank& low = links.adapter->layers[layer][projection];
    if (low.rank == 0) return at::zeros({1}, at::kDouble);
    return at::mm(torch::tensor(low.b, at::kDouble).view({-1, low.rank}),
                  torch::tensor(low.a, at::kDouble).view({low.rank, -1}));
  }

  std::string Refusal() {
    const auto mean = AverageLinks(options_);
    EXPECT_EQ(mean.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(mean.status().message().find('\n'), std::string::npos);
    EXPECT_EQ(FileSystem::Posix().Stat(options_.out).code(), StatusCode::kNotFound)
        << mean.status().message();
    return mean.status().message();
  }

  testing::TempDir folder_;
  AverageOptions options_;
  std::unique_ptr<model::Model> model_;
};

TEST_F(Average, IsTheMeanOfEverything) {
  Add(1), Add(2), Add(3, [](links::Links* links) { links->adapter.reset(); });
  const auto summary = AverageLinks(options_);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->rank, 6);
  EXPECT_NEAR(summary->kept, 1, 1e-9);
  const auto a = Load(options_.links[0]), b = Load(options_.links[1]), c = Load(options_.links[2]),
             mean = Load(options_.out);
  ASSERT_EQ(mean->k, 2);
  for (size_t i = 0; i < mean->embeddings.size(); ++i) {
    EXPECT_NEAR(mean->embeddings[i], (a->embeddings[i] + b->embeddings[i] + c->embeddings[i]) / 3,
                1e-6);
  }
  EXPECT_EQ(text::TemplateToJson(*mean->prompt_template),
            text::TemplateToJson(*a->prompt_template));
  EXPECT_EQ(mean->base, model_->fingerprint());
  ASSERT_TRUE(mean->adapter);
  for (size_t l = 0; l < mean->adapter->layers.size(); ++l) {
    for (int projection = 0; projection < model::kProjections; ++projection) {
      const at::Tensor expected = (Added(*a, l, projection) + Added(*b, l, projection)) / 3;
      EXPECT_LT((Added(*mean, l, projection) - expected).abs().max().item<double>(), 1e-5)
          << l << " " << projection;
      EXPECT_EQ(mean->adapter->layers[l][projection].rank,
                a->adapter->layers[l][projection].rank == 0 ? 0 : 6);
    }
  }
}

TEST_F(Average, ASmallerRankIsTheNearest) {
  Add(1), Add(2);
  options_.rank = 2;
  const auto summary = AverageLinks(options_);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->rank, 2);
  const auto a = Load(options_.links[0]), b = Load(options_.links[1]), mean = Load(options_.out);
  double total = 0, kept = 0;
  for (size_t l = 0; l < mean->adapter->layers.size(); ++l) {
    for (int projection = 0; projection < model::kProjections; ++projection) {
      const at::Tensor whole = (Added(*a, l, projection) + Added(*b, l, projection)) / 2;
      if (whole.dim() < 2) continue;
      const at::Tensor squares = at::linalg_svdvals(whole).square();
      const double beyond = squares.narrow(0, 2, squares.size(0) - 2).sum().item<double>();
      const double missing = (Added(*mean, l, projection) - whole).square().sum().item<double>();
      EXPECT_NEAR(missing, beyond, 1e-4 * squares.sum().item<double>()) << l << " " << projection;
      total += squares.sum().item<double>();
      kept += squares.narrow(0, 0, 2).sum().item<double>();
    }
  }
  EXPECT_NEAR(summary->kept, kept / total, 1e-6);
  EXPECT_LT(summary->kept, 0.99);
}

TEST_F(Average, OfOneWithItselfIsItself) {
  Add(1);
  options_.links.push_back(options_.links[0]);
  const auto summary = AverageLinks(options_);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->rank, 3);  // no rank for what adds nothing
  const auto a = Load(options_.links[0]), mean = Load(options_.out);
  EXPECT_LT((Added(*a, 1, 2) - Added(*mean, 1, 2)).abs().max().item<double>(), 1e-5);
}

TEST_F(Average, OfRankZeroHasNoAdapter) {
  Add(1), Add(2);
  options_.rank = 0;
  const auto summary = AverageLinks(options_);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->rank, 0);
  EXPECT_EQ(summary->kept, 0);
  EXPECT_FALSE(Load(options_.out)->adapter);
}

TEST_F(Average, WithoutAdapters) {
  for (const uint32_t seed : {1, 2}) {
    Add(seed, [](links::Links* links) { links->adapter.reset(); });
  }
  const auto summary = AverageLinks(options_);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->rank, 0);
  EXPECT_FALSE(Load(options_.out)->adapter);
}

TEST_F(Average, OfOtherKindsIsRefused) {
  EXPECT_NE(Refusal().find("expected link files, found none"), std::string::npos);
  Add(1);
  const auto with = [&](const std::function<void(links::Links*)>& change) {
    Add(2, change);
    const std::string refusal = Refusal();
    options_.links.pop_back();
    return refusal;
  };
  EXPECT_NE(with([](links::Links* links) {
              links->k = 1;
              links->embeddings.resize(links->embeddings.size() / 2);
            }).find("K: expected 2, found 1"),
            std::string::npos);
  EXPECT_NE(with([](links::Links* links) {
              links->slots = 2;
              links->embeddings.resize(links->embeddings.size() * 2);
            }).find("slots: expected 1, found 2"),
            std::string::npos);
  EXPECT_NE(with([](links::Links* links) { links->base = {}; }).find("names no base model"),
            std::string::npos);
  Add(3, [](links::Links* links) { links->prompt_template->name = "by another name"; });
  EXPECT_TRUE(AverageLinks(options_).ok());
  ASSERT_TRUE(FileSystem::Posix().Remove(options_.out).ok());
  EXPECT_NE(with([](links::Links* links) {
              links->prompt_template->document_prefix = "first";
            }).find("its template is another one"),
            std::string::npos);
  EXPECT_NE(with([](links::Links* links) {
              links->adapter->scope = model::AdapterScope::kEverywhere;
            }).find("scope: expected outside_documents, found everywhere"),
            std::string::npos);
  options_.links.clear();
  Add(4, [](links::Links* links) { links->adapter.reset(); });
  Add(5);
  EXPECT_NE(with([](links::Links* links) {
              links->adapter->scope = model::AdapterScope::kEverywhere;
            }).find("scope: expected outside_documents, found everywhere"),
            std::string::npos);
  options_.rank = -1;
  EXPECT_NE(Refusal().find("--rank"), std::string::npos);
}

TEST_F(Average, NeverWritesOverWhatItReads) {
  Add(1);
  options_.out = options_.links[0];
  const auto mean = AverageLinks(options_);
  EXPECT_EQ(mean.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(mean.status().message().find("is also --average"), std::string::npos);
  EXPECT_EQ(Load(options_.links[0])->k, 2);
  options_.out = options_.model;
  EXPECT_NE(AverageLinks(options_).status().message().find("is also --model"), std::string::npos);
}

}  // namespace
}  // namespace kvlink::train
