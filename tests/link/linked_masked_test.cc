// The most important test: a prompt linked from blocks computes the same function as one masked
// pass over all its tokens (docs/method.md, section 3), on tiny seeded models in f32, over random
// documents, orders, subsets, K, adapters and RoPE scalings. And both equal the slow reference.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <numeric>
#include <random>

#include "diagnose/comparison.h"
#include "kv/store.h"
#include "link/indexer.h"
#include "link/linkable_model.h"
#include "link/linker.h"
#include "model/reference.h"
#include "support/random_links.h"
#include "support/tiny_model.h"

namespace kvlink::link {
namespace {

using testing::RandomAdapter;
using testing::RandomFloats;

constexpr double kTolerance = 1e-4;
constexpr int32_t kSteps = 4;

struct Case {
  int32_t k = 0;
  bool per_slot = false;
  std::string scaling;           // "", "linear", "llama3"
  std::string adapter;           // "", "outside", "everywhere"
  std::vector<int32_t> lengths;  // tokens of each document; 0: empty
  uint32_t seed = 1;
  std::string prefix{};  // of the template: "", "first", "head"
  bool quantised = false;
};

std::unique_ptr<LinkableModel> MakeModel(const Case& the, DType dtype) {
  testing::TinyModelOptions options;
  options.seed = 7;
  if (the.scaling == "linear") {
    options.rope_scaling = "linear";
    options.rope_factor = 4;
  } else if (the.scaling == "llama3") {
    options.rope_freqs = {1, 1, 1, 1.5f, 2, 4, 8, 8};
  }
  if (the.quantised) {
    options.quantised = true;
    options.width = 64;
    options.feed_forward = 96;
  }
  // Loading is most of a case's time: each kind of model is written once.
  static testing::TempDir folder;
  const std::string name = "tiny" + the.scaling + (the.quantised ? "quantised" : "");
  static std::map<std::string, std::string> written;
  if (!written.contains(name)) {
    written[name] = testing::WriteTinyModel(folder.path(), options, name);
  }
  auto model = model::Model::Load(FileSystem::Posix(), written[name], {.dtype = dtype});
  EXPECT_TRUE(model.ok()) << model.status().message();
  std::mt19937 random(the.seed);
  auto links = std::make_unique<links::Links>();
  links->k = the.k;
  links->slots = the.per_slot ? 3 : 1;
  links->embeddings = RandomFloats(
      &random, static_cast<size_t>(links->slots) * the.k * (*model)->config().width, 1.0f);
  if (!the.adapter.empty()) {
    links->adapter = RandomAdapter(&random, (*model)->config(),
                                   the.adapter == "outside" ? model::AdapterScope::kOutsideDocuments
                                                            : model::AdapterScope::kEverywhere);
  }
  links->prompt_template = *text::ChooseTemplate((*model)->tokenizer());
  links->prompt_template->document_prefix = the.prefix;
  auto linkable = LinkableModel::Create(*std::move(model), std::move(links));
  EXPECT_TRUE(linkable.ok()) << linkable.status().message();
  return *std::move(linkable);
}

std::vector<std::vector<int32_t>> RandomDocuments(const Case& the, int32_t vocab) {
  std::mt19937 random(the.seed + 1);
  std::vector<std::vector<int32_t>> documents;
  for (const int32_t length : the.lengths) {
    std::vector<int32_t> tokens(static_cast<size_t>(length));
    for (int32_t& t : tokens) t = static_cast<int32_t>(random() % vocab);
    documents.push_back(std::move(tokens));
  }
  return documents;
}

struct Outcome {
  diagnose::Difference difference;
  bool ids_equal = false;
  std::vector<float> masked_logits;  // first step
};

Outcome LinkedAgainstMasked(LinkableModel& m, const LinkPlan& plan, kv::BlockStore* store) {
  const std::vector<int32_t> prefix = m.DocumentPrefix("");
  Indexer indexer(&m.model(), store, m.links(), m.adapter());
  std::vector<std::shared_ptr<const kv::Block>> blocks;
  for (const PlannedBlock& b : plan.blocks) {
    if (b.length == 0) {
      blocks.push_back(nullptr);
      continue;
    }
    auto fetched = indexer.Fetch(plan, b, prefix);
    EXPECT_TRUE(fetched.ok()) << fetched.status().message();
    blocks.push_back(fetched->block);
  }
  const LinkedPrompt linked = Link(plan, std::move(blocks));
  const LinkedPrompt masked = MaskedTwin(plan, prefix);
  auto a = diagnose::Continue(m.model(), m.adapter(), m.embeddings(), linked, kSteps, {});
  auto free = diagnose::Continue(m.model(), m.adapter(), m.embeddings(), masked, kSteps, {});
  EXPECT_TRUE(a.ok() && free.ok());
  auto b = diagnose::Continue(m.model(), m.adapter(), m.embeddings(), masked, kSteps, a->ids);
  EXPECT_TRUE(b.ok());
  Outcome out;
  out.difference = diagnose::Compare(*a, *b, m.model().config().vocab);
  out.ids_equal = a->ids == free->ids;
  out.masked_logits.assign(b->logits.begin(), b->logits.begin() + m.model().config().vocab);
  return out;
}

void ExpectEqual(const Case& the) {
  const auto m = MakeModel(the, DType::kF32);
  const auto documents = RandomDocuments(the, m->model().config().vocab);
  const auto store = kv::NewMemoryStore();
  const LinkPlan plan = m->Plan("", documents, "what stands where?", false);
  const Outcome out = LinkedAgainstMasked(*m, plan, store.get());
  EXPECT_LE(out.difference.max_logit, kTolerance);
  EXPECT_TRUE(out.ids_equal);
}

TEST(LinkedMasked, EveryKAdapterAndScaling) {
  for (const int32_t k : {0, 1, 5}) {
    for (const char* scaling : {"", "linear", "llama3"}) {
      for (const char* adapter : {"", "outside", "everywhere"}) {
        SCOPED_TRACE(std::string("k ") + std::to_string(k) + " rope " + scaling + " adapter " +
                     adapter);
        ExpectEqual({k, k == 5, scaling, adapter, {30, 1, 0, 17, 64, 3}, 11});
      }
    }
  }
}

TEST(LinkedMasked, ManyAndLongDocuments) {
  ExpectEqual({1, false, "", "outside", std::vector<int32_t>(40, 9), 3});
  ExpectEqual({5, false, "", "", {700, 513, 512, 511}, 4});  // across key tiles
  ExpectEqual({5, false, "", "outside", {30, 0, 2, 600}, 8, "first"});
  ExpectEqual({1, false, "", "everywhere", {30, 0, 2, 600}, 9, "head"});
  ExpectEqual({5, false, "", "", {1}, 5});
  ExpectEqual({5, false, "", "", {0, 0}, 6});
}

RC_GTEST_PROP(LinkedMasked, RandomPrompts, ()) {
  Case the;
  the.k = *rc::gen::element(0, 1, 5);
  the.per_slot = *rc::gen::arbitrary<bool>();
  the.scaling = *rc::gen::element<std::string>("", "linear", "llama3");
  the.adapter = *rc::gen::element<std::string>("", "outside", "everywhere");
  the.lengths = *rc::gen::resize(
      12, rc::gen::nonEmpty(rc::gen::container<std::vector<int32_t>>(rc::gen::inRange(0, 90))));
  the.seed = *rc::gen::arbitrary<uint32_t>();
  the.prefix = *rc::gen::element<std::string>("", "first", "head");
  const auto m = MakeModel(the, DType::kF32);
  auto documents = RandomDocuments(the, m->model().config().vocab);
  const auto store = kv::NewMemoryStore();
  const Outcome first = LinkedAgainstMasked(*m, m->Plan("", documents, "q?", false), store.get());
  RC_ASSERT(first.difference.max_logit <= kTolerance);
  RC_ASSERT(first.ids_equal);

  // Another order and a subset, from the same blocks: nothing is put again.
  const int64_t puts = store->counters().puts;
  std::shuffle(documents.begin(), documents.end(), std::mt19937(the.seed));
  documents.resize(1 + documents.size() / 2);
  const Outcome second =
      LinkedAgainstMasked(*m, m->Plan("", documents, "and now?", false), store.get());
  RC_ASSERT(second.difference.max_logit <= kTolerance);
  RC_ASSERT(second.ids_equal);
  RC_ASSERT(store->counters().puts == puts);
}

// The masked pass itself is right: it equals plain loops over the formulas.
TEST(LinkedMasked, MaskedPassEqualsTheSlowReference) {
  for (const char* scaling : {"", "linear", "llama3"}) {
    for (const char* adapter : {"", "outside", "everywhere"}) {
      const Case the{
          2, true, scaling, adapter, {20, 1, 33}, 21, *adapter == '\0' ? "head" : "first"};
      const auto m = MakeModel(the, DType::kF32);
      const auto store = kv::NewMemoryStore();
      const LinkPlan plan =
          m->Plan("", RandomDocuments(the, m->model().config().vocab), "why?", false);
      const Outcome out = LinkedAgainstMasked(*m, plan, store.get());
      const LinkedPrompt twin = MaskedTwin(plan, m->DocumentPrefix(""));
      const std::vector<int32_t> last = {static_cast<int32_t>(twin.tokens.size()) - 1};
      const auto slow =
          model::ReferenceLogits(m->model().file(), m->model().config(),
                                 {twin.tokens, m->embeddings(), twin.positions, twin.segment_ids,
                                  m->links()->adapter ? &*m->links()->adapter : nullptr, last});
      ASSERT_TRUE(slow.ok()) << slow.status().message();
      for (size_t i = 0; i < slow->size(); ++i) {
        ASSERT_NEAR((*slow)[i], out.masked_logits[i], kTolerance) << scaling << adapter << i;
      }
    }
  }
}

// bf16 rounds keys at different angles in the two ways: close, not equal.
TEST(LinkedMasked, Bf16StaysClose) {
  const Case the{5, false, "", "outside", {60, 44, 80}, 31};
  const auto m = MakeModel(the, DType::kBF16);
  const auto store = kv::NewMemoryStore();
  const LinkPlan plan =
      m->Plan("s", RandomDocuments(the, m->model().config().vocab), "why?", false);
  EXPECT_LE(LinkedAgainstMasked(*m, plan, store.get()).difference.mean_kl, 1e-3);
}

// Steps of decoding multiply by a quantised model's codes, prompts by its packed weights: both are
// the same function, and the slow reference's.
TEST(LinkedMasked, QuantisedWeightsStayClose) {
  const Case the{5, false, "", "outside", {60, 44, 80}, 31, "first", /*quantised=*/true};
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    const auto m = MakeModel(the, dtype);
    const auto store = kv::NewMemoryStore();
    const LinkPlan plan =
        m->Plan("s", RandomDocuments(the, m->model().config().vocab), "why?", false);
    const std::vector<int32_t> prefix = m->DocumentPrefix("");
    EXPECT_LE(LinkedAgainstMasked(*m, plan, store.get()).difference.mean_kl, 1e-3);
    // Its steps one after the other, then all tokens in one masked pass of the reference.
    const LinkedPrompt twin = MaskedTwin(plan, prefix);
    const auto fast =
        diagnose::Continue(m->model(), m->adapter(), m->embeddings(), twin, kSteps, {});
    ASSERT_TRUE(fast.ok()) << fast.status().message();
    std::vector<int32_t> tokens = twin.tokens, positions = twin.positions,
                         segments = twin.segment_ids, rows;
    for (int32_t step = 0; step < kSteps; ++step) {
      rows.push_back(static_cast<int32_t>(tokens.size()) - 1);
      tokens.push_back(fast->ids[step]);
      positions.push_back(positions.back() + 1);
      segments.push_back(0);
    }
    const auto slow = model::ReferenceLogits(
        m->model().file(), m->model().config(),
        {tokens, m->embeddings(), positions, segments, &*m->links()->adapter, rows});
    ASSERT_TRUE(slow.ok()) << slow.status().message();
    const double kl =
        diagnose::Compare(*fast, {.ids = fast->ids, .logits = *slow}, m->model().config().vocab)
            .mean_kl;
    EXPECT_LE(kl, dtype == DType::kF32 ? 1e-6 : 2e-3);
  }
}

// A document behind another without links sees nothing of it, so order must not change its block,
// but does change the answer: the test above would not notice a pass that ignored documents.
TEST(LinkedMasked, DocumentsMatter) {
  const Case the{0, false, "", "", {40, 40}, 41};
  const auto m = MakeModel(the, DType::kF32);
  const auto store = kv::NewMemoryStore();
  auto documents = RandomDocuments(the, m->model().config().vocab);
  const auto a = LinkedAgainstMasked(*m, m->Plan("", documents, "q", false), store.get());
  std::swap(documents[0], documents[1]);
  const auto b = LinkedAgainstMasked(*m, m->Plan("", documents, "q", false), store.get());
  double largest = 0;
  for (size_t i = 0; i < a.masked_logits.size(); ++i) {
    largest = std::max<double>(largest, std::abs(a.masked_logits[i] - b.masked_logits[i]));
  }
  EXPECT_GT(largest, 1e-2);
}

}  // namespace
}  // namespace kvlink::link
