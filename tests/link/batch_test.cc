// One pass for several requests: each gets the bits that it gets alone, whatever runs beside it, by
// any number of threads and however its prefill is cut; and a pass that fails leaves no trace.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <random>
#include <span>

#include "link/indexer.h"
#include "link/linker.h"
#include "model/prepared_adapter.h"
#include "support/random_links.h"
#include "support/tiny_model.h"

namespace kvlink::link {
namespace {

constexpr int64_t kPiece = model::Model::kPieceTokens;

std::vector<int32_t> Tokens(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 250);
  return tokens;
}

std::unique_ptr<model::Model> Load(const std::string& path, DType dtype, int threads) {
  auto model = model::Model::Load(FileSystem::Posix(), path, {.dtype = dtype, .threads = threads});
  EXPECT_TRUE(model.ok()) << model.status().message();
  return *std::move(model);
}

// What a request has computed: its tail's keys and values, and its last logits.
struct Result {
  std::vector<std::byte> kv;
  std::vector<float> logits;
  bool operator==(const Result& other) const {
    return kv == other.kv && std::ranges::equal(std::as_bytes(std::span(logits)),
                                                std::as_bytes(std::span(other.logits)));
  }
};

// A request: a prompt over blocks, and tokens that a sampler chose after it.
struct Job {
  std::vector<int> blocks;  // one behind the other
  int start = 0;            // of the first
  int64_t prompt = 0, generated = 0;
  int adapter = 0;  // 0: none
  bool documents = false;
  bool wants_logits = true;
};

class Batch : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.quantised = true;
    options_.width = 64;
    options_.feed_forward = 96;
  }

  void Open(DType dtype, int threads) {
    adapters_.clear();
    path_ = testing::WriteTinyModel(folder_.path(), options_);
    model_ = Load(path_, dtype, threads);
    std::mt19937 random(3);
    for (int i = 0; i < 2; ++i) {
      const model::Adapter adapter = testing::RandomAdapter(
          &random, model_->config(),
          i == 0 ? model::AdapterScope::kOutsideDocuments : model::AdapterScope::kEverywhere);
      adapters_.push_back(
          *model::PreparedAdapter::Create(adapter, model_->config(), model_->matmul_dtype()));
    }
  }

  // Encoded once, by one model: all requests read the same planes.
  const kv::Block& BlockOf(int i) {
    if (blocks_[i] == nullptr) {
      constexpr int64_t kLengths[] = {300, 20, 513};
      Indexer indexer(model_.get(), nullptr, nullptr, nullptr);
      blocks_[i] = *indexer.Encode(Tokens(kLengths[i], 1), BlockKind::kDocument, "");
    }
    return *blocks_[i];
  }

  // A request in flight.
  struct State {
    const Job* job;
    std::vector<model::Segment> segments;
    std::vector<int32_t> tokens, positions;
    std::vector<uint8_t> documents;
    std::unique_ptr<model::Tail> tail;
    std::vector<float> logits;
    int32_t last = 0;
    int64_t done = 0;
  };

  State Start(const Job& job) {
    const model::ModelConfig& c = model_->config();
    State s;
    s.job = &job;
    int32_t start = job.start;
    for (const int b : job.blocks) {
      s.segments.push_back(SegmentOf(BlockOf(b), start));
      start += static_cast<int32_t>(s.segments.back().tokens) + 2;
    }
    const int64_t total = job.prompt + job.generated;
    s.tokens = Tokens(total, static_cast<uint32_t>(total));
    s.positions.resize(s.tokens.size());
    std::iota(s.positions.begin(), s.positions.end(), start);
    for (int64_t i = 0; job.documents && i < total; ++i) s.documents.push_back(i % 3 == 0);
    s.tail = std::make_unique<model::Tail>(
        *model::Tail::Create(c.layers, c.kv_heads, c.head_dim, total, model_->kv_dtype()));
    s.logits.resize(job.wants_logits ? static_cast<size_t>(c.vocab) : 0);
    return s;
  }

  // The next tokens: of the prompt `chunk` at most, or one that was generated.
  model::Sequence Next(State* s, int64_t chunk) {
    const Job& job = *s->job;
    model::Sequence sequence;
    sequence.generated = s->done >= job.prompt;
    const int64_t count = sequence.generated ? 1 : std::min(chunk, job.prompt - s->done);
    sequence.tokens = std::span(s->tokens).subspan(s->done, count);
    sequence.positions = std::span(s->positions).subspan(s->done, count);
    if (job.documents) sequence.in_document = std::span(s->documents).subspan(s->done, count);
    sequence.segments = s->segments;
    sequence.tail = s->tail.get();
    sequence.adapter = job.adapter == 0 ? nullptr : adapters_[job.adapter - 1].get();
    s->last = static_cast<int32_t>(count) - 1;
    if (job.wants_logits) sequence.logit_rows = {&s->last, 1};
    sequence.logits = s->logits.data();
    s->done += count;
    return sequence;
  }

  Result Finish(State* s) {
    const model::ModelConfig& c = model_->config();
    const auto total = static_cast<int64_t>(s->tokens.size());
    EXPECT_EQ(s->tail->size(), total);
    Result result;
    result.logits = s->logits;
    const int64_t row = c.head_dim * SizeOf(model_->kv_dtype());
    for (int32_t l = 0; l < c.layers; ++l) {
      for (const void* plane : {s->tail->keys(l), s->tail->values(l)}) {
        for (int64_t g = 0; g < c.kv_heads; ++g) {
          const auto* from = static_cast<const std::byte*>(plane) + g * s->tail->stride() * row;
          result.kv.insert(result.kv.end(), from, from + total * row);
        }
      }
    }
    return result;
  }

  // All of them at once, each from its own step on, until all are done.
  std::vector<Result> Together(const std::vector<Job>& jobs, int64_t chunk,
                               const std::vector<int>& from) {
    std::vector<State> states;
    for (const Job& job : jobs) states.push_back(Start(job));
    for (int step = 0;; ++step) {
      std::vector<model::Sequence> batch;
      bool waits = false;
      for (size_t i = 0; i < jobs.size(); ++i) {
        waits = waits || step < from[i];
        const bool done = states[i].done == jobs[i].prompt + jobs[i].generated;
        if (step >= from[i] && !done) batch.push_back(Next(&states[i], chunk));
      }
      if (batch.empty() && !waits) break;
      const Status status = model_->Forward(batch);
      EXPECT_TRUE(status.ok()) << status.message();
    }
    std::vector<Result> results;
    for (State& s : states) results.push_back(Finish(&s));
    return results;
  }

  Result Alone(const Job& job, int64_t chunk) { return Together({job}, chunk, {0}).front(); }

  testing::TempDir folder_;
  testing::TinyModelOptions options_;
  std::string path_;
  std::unique_ptr<model::Model> model_;
  std::vector<std::unique_ptr<model::PreparedAdapter>> adapters_;
  std::array<std::shared_ptr<const kv::Block>, 3> blocks_;
};

const std::vector<Job> kJobs = {
    {{0, 1}, 0, 7, 4, 1},              // over blocks, with an adapter
    {{1, 0}, 5, 40, 5, 0},             // the same blocks at other starts
    {{0, 1, 2}, 3, 30, 6, 1, true},    // and the same adapter, not on all tokens
    {{0}, 0, 5, 3, 2},                 // another adapter
    {{2}, 9, 700, 2, 1},               // a long prompt
    {{}, 0, 530, 0, 0, false, false},  // a document that is encoded
    {{}, 0, 1, 3, 0},
    {{0, 2}, 0, 3, 9, 0},
    {{0, 2}, 0, 4, 9, 0},
    {{0, 2}, 70, 5, 9, 2},
};

TEST_F(Batch, EachHasTheBitsThatItHasAlone) {
  for (const bool quantised : {true, false}) {
    options_.quantised = quantised;
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      blocks_ = {};
      Open(dtype, 1);
      std::vector<Result> alone;
      for (const Job& job : kJobs) alone.push_back(Alone(job, 10000));
      for (const int threads : {1, 3}) {
        Open(dtype, threads);
        const std::vector<int> at_once(kJobs.size(), 0), in_turn = {0, 3, 1, 4, 0, 2, 5, 0, 1, 2};
        for (const std::vector<int>& from : {at_once, in_turn}) {
          const std::vector<Result> together = Together(kJobs, kPiece, from);
          for (size_t i = 0; i < kJobs.size(); ++i) {
            EXPECT_TRUE(together[i] == alone[i])
                << "request " << i << ", " << Name(dtype) << ", " << threads << " threads, "
                << (quantised ? "quantised" : "plain");
          }
        }
      }
    }
  }
}

TEST_F(Batch, AnyOrderIsTheSame) {
  Open(DType::kBF16, 2);
  std::vector<Result> alone;
  for (const Job& job : kJobs) alone.push_back(Alone(job, 10000));
  std::mt19937 random(8);
  std::vector<size_t> order(kJobs.size());
  std::iota(order.begin(), order.end(), 0);
  for (int run = 0; run < 3; ++run) {
    std::shuffle(order.begin(), order.end(), random);
    std::vector<Job> jobs;
    std::vector<int> from;
    for (const size_t i : order) jobs.push_back(kJobs[i]);
    for (size_t i = 0; i < jobs.size(); ++i) from.push_back(static_cast<int>(random() % 5));
    const std::vector<Result> together = Together(jobs, kPiece, from);
    for (size_t i = 0; i < jobs.size(); ++i) {
      EXPECT_TRUE(together[i] == alone[order[i]]) << "request " << order[i] << " run " << run;
    }
  }
}

TEST_F(Batch, APrefillIsTheSameHoweverItIsCutIntoPieces) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    blocks_ = {};
    Open(dtype, 2);
    const Job job{{0, 1}, 0, 3 * kPiece + 70, 2, 1};
    const Result whole = Alone(job, 10000);
    EXPECT_TRUE(Alone(job, kPiece) == whole) << Name(dtype);
    EXPECT_TRUE(Alone(job, 2 * kPiece) == whole) << Name(dtype);
  }
}

// A token whose embedding is no number fails its pass; the others go on as if nothing had been.
TEST_F(Batch, APassThatFailsLeavesTailsAsTheyWere) {
  options_.quantised = false;
  options_.tied = false;
  options_.lost_character = 'q';
  Open(DType::kBF16, 2);
  const int32_t lost = model_->tokenizer().Encode("q").front();
  const Job good{{}, 0, 20, 6, 1}, bad{{}, 0, 3, 0, 0};
  const Result alone = Alone(good, 10000);
  State g = Start(good), b = Start(bad);
  ASSERT_EQ(std::count(g.tokens.begin(), g.tokens.end(), lost), 0);
  b.tokens[1] = lost;
  const auto forward = [&](State* first, State* second) {
    std::vector<model::Sequence> batch;
    for (State* s : {first, second}) {
      if (s != nullptr) batch.push_back(Next(s, 10000));
    }
    return model_->Forward(batch);
  };
  ASSERT_TRUE(forward(&g, nullptr).ok());
  const Status failed = forward(&g, &b);
  EXPECT_EQ(failed.code(), StatusCode::kDataLoss);
  EXPECT_NE(failed.message().find("sequence 1 of 2"), std::string::npos) << failed.message();
  EXPECT_EQ(g.tail->size(), 20);
  EXPECT_EQ(b.tail->size(), 0);
  g.done = 20;
  while (g.done < 26) ASSERT_TRUE(forward(&g, nullptr).ok());
  EXPECT_TRUE(Finish(&g) == alone);
}

TEST_F(Batch, OneBadSequenceIsNamedBeforeAnythingIsComputed) {
  Open(DType::kF32, 1);
  const Job job{{1}, 0, 9, 0, 0};
  State good = Start(job), bad = Start(job);
  bad.tokens[4] = 1 << 20;
  std::vector<model::Sequence> batch = {Next(&good, 100), Next(&bad, 100)};
  EXPECT_TRUE(model_->Check(batch[0]).ok());
  EXPECT_EQ(model_->Check(batch[1]).code(), StatusCode::kInvalidArgument);
  const Status refused = model_->Forward(batch);
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(refused.message().starts_with("sequence 1 of 2: token 4")) << refused.message();
  EXPECT_EQ(good.tail->size(), 0);
  const int32_t row = 9;
  batch[0].logit_rows = {&row, 1};
  EXPECT_EQ(model_->Check(batch[0]).code(), StatusCode::kInvalidArgument);
  batch[0].logit_rows = {};
  batch[0].positions = batch[0].positions.first(8);
  EXPECT_EQ(model_->Check(batch[0]).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kvlink::link
