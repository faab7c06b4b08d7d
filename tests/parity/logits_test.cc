// The forward pass against an independent float32 PyTorch model on the same weights: logits of
// eight prompts, causal and with segments and link embeddings, and the link embeddings' effect.
// Tolerance: 5e-3 on logits whose spread is some 30; both sides sum in float32.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "formats/safetensors.h"
#include "model/model.h"
#include "model/reference.h"
#include "support/tiny_model.h"

namespace kvlink {
namespace {

using nlohmann::json;

struct Plan {
  std::string name;
  std::vector<int32_t> tokens, positions, segments;
};

std::vector<Plan> ReadPlans(const std::string& path) {
  std::ifstream in(path);
  std::vector<Plan> plans;
  for (const json& p : json::parse(in)) {
    Plan plan{p["name"], p["ids"], p["positions"], p["segments"]};
    for (const auto& [row, index] : p["link_rows"].items()) {
      plan.tokens[std::stoi(row)] = ~index.get<int32_t>();
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

class Logits : public ::testing::Test {
 protected:
  void SetUp() override {
    model_path_ = testing::RealModelPath();
    const std::string folder = testing::SharedPath("parity");
    if (model_path_.empty()) GTEST_SKIP() << "skipped: the default model is not installed";
    if (folder.empty()) GTEST_SKIP() << "skipped: the reference's numbers are not here";
    plans_ = ReadPlans(folder + "/plans.json");
    auto file = formats::SafetensorsFile::Open(FileSystem::Posix(), folder + "/logits.safetensors");
    ASSERT_TRUE(file.ok()) << file.status().message();
    expected_ = *std::move(file);
  }

  std::unique_ptr<model::Model> Load(DType dtype) {
    auto model = model::Model::Load(FileSystem::Posix(), model_path_, {.dtype = dtype});
    EXPECT_TRUE(model.ok()) << model.status().message();
    return *std::move(model);
  }

  template <class T>
  std::vector<T> Ids(const std::string& name) {
    const formats::SafeTensor& t = expected_->tensors().at(name);
    std::vector<T> out;
    for (int64_t i = 0; i < t.elements(); ++i) {
      if (t.dtype == "I32") {
        int32_t v;
        std::memcpy(&v, t.data.data() + 4 * i, 4);
        out.push_back(static_cast<T>(v));
      } else {
        int64_t v;
        std::memcpy(&v, t.data.data() + 8 * i, 8);
        out.push_back(static_cast<T>(v));
      }
    }
    return out;
  }
  std::vector<float> Floats(const std::string& name) {
    const auto it = expected_->tensors().find(name);
    return it == expected_->tensors().end() ? std::vector<float>{} : it->second.ToFloat();
  }

  std::vector<float> Forward(model::Model& model, const Plan& plan,
                             const std::vector<float>& embeddings,
                             const std::vector<int32_t>& rows) {
    const model::ModelConfig& c = model.config();
    auto tail = model::Tail::Create(c.layers, c.kv_heads, c.head_dim,
                                    static_cast<int64_t>(plan.tokens.size()), model.kv_dtype());
    EXPECT_TRUE(tail.ok());
    std::vector<float> logits(rows.size() * c.vocab);
    model::Sequence s;
    s.tokens = plan.tokens;
    s.embeddings = embeddings;
    s.positions = plan.positions;
    s.segment_ids = plan.segments;
    s.tail = &*tail;
    s.logit_rows = rows;
    s.logits = logits.data();
    const Status status = model.Forward({&s, 1});
    EXPECT_TRUE(status.ok()) << status.message();
    return logits;
  }

  std::string model_path_;
  std::vector<Plan> plans_;
  std::unique_ptr<formats::SafetensorsFile> expected_;
};

TEST_F(Logits, F32EqualsTheIndependentReference) {
  const auto model = Load(DType::kF32);
  const auto sample = Ids<int32_t>("vocab_sample");
  for (const Plan& plan : plans_) {
    SCOPED_TRACE(plan.name);
    const auto rows = Ids<int32_t>(plan.name + ".rows");
    const auto argmax = Ids<int32_t>(plan.name + ".argmax");
    const auto sums = Floats(plan.name + ".logsumexp");
    const auto sampled = Floats(plan.name + ".sampled");
    const auto last = Floats(plan.name + ".last");
    const int64_t v = model->config().vocab;
    const auto logits = Forward(*model, plan, Floats(plan.name + ".link_embeddings"), rows);
    ASSERT_EQ(sampled.size(), rows.size() * sample.size());
    for (size_t r = 0; r < rows.size(); ++r) {
      const float* row = logits.data() + r * v;
      EXPECT_EQ(std::max_element(row, row + v) - row, argmax[r]) << "row " << rows[r];
      double sum = 0;
      for (int64_t i = 0; i < v; ++i) sum += std::exp(static_cast<double>(row[i]) - sums[r]);
      EXPECT_NEAR(std::log(sum), 0, 5e-3) << "row " << rows[r];
      for (size_t i = 0; i < sample.size(); ++i) {
        ASSERT_NEAR(row[sample[i]], sampled[r * sample.size() + i], 5e-3) << "row " << rows[r];
      }
    }
    const float* row = logits.data() + (rows.size() - 1) * v;
    for (int64_t i = 0; i < v; ++i) ASSERT_NEAR(row[i], last[i], 5e-3) << "id " << i;
  }
}

TEST_F(Logits, SlowReferenceEqualsTheIndependentReference) {
  const auto model = Load(DType::kF32);
  for (const Plan& plan : plans_) {
    if (plan.tokens.size() > 60) continue;  // it is slow
    SCOPED_TRACE(plan.name);
    const auto rows = Ids<int32_t>(plan.name + ".rows");
    const auto embeddings = Floats(plan.name + ".link_embeddings");
    const std::vector<int32_t> last_row = {rows.back()};
    const auto logits = model::ReferenceLogits(
        model->file(), model->config(),
        {plan.tokens, embeddings, plan.positions, plan.segments, nullptr, last_row});
    ASSERT_TRUE(logits.ok()) << logits.status().message();
    const auto last = Floats(plan.name + ".last");
    for (size_t i = 0; i < last.size(); ++i) ASSERT_NEAR((*logits)[i], last[i], 5e-3) << "id " << i;
  }
}

// bf16 keeps 8 bits of each number: the distributions must stay close, not the logits equal.
TEST_F(Logits, Bf16StaysCloseToTheIndependentReference) {
  const auto model = Load(DType::kBF16);
  double total = 0;
  for (const Plan& plan : plans_) {
    const auto rows = Ids<int32_t>(plan.name + ".rows");
    const auto last = Floats(plan.name + ".last");
    const auto sums = Floats(plan.name + ".logsumexp");
    const std::vector<int32_t> last_row = {rows.back()};
    const auto logits = Forward(*model, plan, Floats(plan.name + ".link_embeddings"), last_row);
    double sum = 0, kl = 0;
    for (float l : logits) sum += std::exp(static_cast<double>(l) - sums.back());
    const double log_sum = std::log(sum) + sums.back();
    for (size_t i = 0; i < last.size(); ++i) {
      const double log_p = last[i] - sums.back(), log_q = logits[i] - log_sum;
      kl += std::exp(log_p) * (log_p - log_q);
    }
    EXPECT_LE(kl, 1e-2) << plan.name;
    total += kl;
  }
  EXPECT_LE(total / static_cast<double>(plans_.size()), 2e-3);
}

}  // namespace
}  // namespace kvlink
