// What a method's prompt means: the engine's answers, for every method, adapter, K and prefix,
// against a slow reference that knows nothing of blocks, tails and masks. It is given a list of
// tokens (a document's own copy, its prefix's copy and its recomputed copy each stand in it) and
// says of each pair whether one sees the other.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>

#include "engine/engine_impl.h"
#include "link/recompute.h"
#include "model/reference.h"
#include "support/random_links.h"
#include "support/tiny_model.h"
#include "tensor/log_sum_exp.h"

namespace kvlink::engine {
namespace {

constexpr double kTolerance = 1e-4;  // nats; f32 sums in another order

struct Setting {
  int32_t k = 0;
  std::string adapter{};  // "", "outside", "everywhere"
  std::string prefix{};   // of the template
  DType dtype = DType::kF32;
  bool preamble = true;  // false: a template without system text
  int layers = 3;
  int context = 4096;
};

std::unique_ptr<EngineImpl> MakeEngine(const Setting& setting) {
  static testing::TempDir folder;
  static std::map<std::string, std::string> written;
  const std::string name =
      "tiny" + std::to_string(setting.layers) + "-" + std::to_string(setting.context);
  if (!written.contains(name)) {
    testing::TinyModelOptions options;
    options.seed = 9;
    options.layers = setting.layers;
    options.context = setting.context;
    written[name] = testing::WriteTinyModel(folder.path(), options, name);
  }
  auto model = model::Model::Load(FileSystem::Posix(), written[name], {.dtype = setting.dtype});
  EXPECT_TRUE(model.ok()) << model.status().message();
  std::mt19937 random(4);
  auto links = std::make_unique<links::Links>();
  links->k = setting.k;
  links->embeddings = testing::RandomFloats(
      &random, static_cast<size_t>(setting.k) * (*model)->config().width, 1.0f);
  links->prompt_template = text::ChatMlTemplate();
  links->prompt_template->document_prefix = setting.prefix;
  if (!setting.preamble) {
    links->prompt_template->system = links->prompt_template->default_system = "";
  }
  if (!setting.adapter.empty()) {
    links->adapter =
        testing::RandomAdapter(&random, (*model)->config(),
                               setting.adapter == "outside" ? model::AdapterScope::kOutsideDocuments
                                                            : model::AdapterScope::kEverywhere);
  }
  auto linkable = link::LinkableModel::Create(*std::move(model), std::move(links));
  EXPECT_TRUE(linkable.ok()) << linkable.status().message();
  return std::make_unique<EngineImpl>(*std::move(linkable), kv::NewMemoryStore(), EngineOptions{});
}

Request MakeRequest(const std::string& method, const std::vector<std::string>& texts) {
  Request request;
  request.question = "what of the harbour?";
  request.system = "be brief";
  for (const std::string& text : texts)
    request.documents.push_back({.id = "", .title = "", .text = text, .label = ""});
  request.method = *ParseMethod(method);
  request.max_tokens = 1;
  request.top_logprobs = 100000;  // all of them
  request.want_prompt = true;
  request.gold = "nine cranes";
  return request;
}

const std::vector<std::string> kTexts = {
    "The harbour of Velmora has nine cranes and a green light.", "Bees.",
    "The garden of Ostrin holds four hundred orchids and one tortoise."};

Answer Ask(EngineImpl& engine, const Request& request) {
  const auto answer = engine.Ask(request, {});
  EXPECT_TRUE(answer.ok()) << Name(request.method) << ": " << answer.status().message();
  return answer.ok() ? *answer : Answer();
}

// The reference's list of tokens.
class Explicit {
 public:
  // `before`: entries that it sees beside itself.
  int32_t Add(int32_t id, int32_t position, bool document, bool weigh,
              const std::vector<int32_t>& before) {
    ids.push_back(id);
    positions.push_back(position);
    documents.push_back(document);
    weighed.push_back(weigh);
    sees.push_back(before);
    sees.back().push_back(static_cast<int32_t>(ids.size()) - 1);
    return sees.back().back();
  }
  std::vector<uint8_t> Visible() const {
    std::vector<uint8_t> visible(ids.size() * ids.size());
    for (size_t t = 0; t < ids.size(); ++t) {
      for (const int32_t s : sees[t]) visible[t * ids.size() + s] = 1;
    }
    return visible;
  }
  std::vector<int32_t> ids, positions;
  std::vector<uint8_t> documents, weighed;
  std::vector<std::vector<int32_t>> sees;
};

// The log-probability of each of gold's tokens, and the whole distribution of the first.
struct Expected {
  std::vector<double> gold;
  std::vector<double> first;  // [V]
};

Expected Reference(EngineImpl& engine, const Request& request, const Answer& answer) {
  link::LinkableModel& m = engine.linkable();
  const link::MethodRules rules = link::RulesOf(request.method);
  const text::PromptTemplate& t = m.prompt_template();
  const text::Tokenizer& tokenizer = m.model().tokenizer();
  std::vector<std::vector<int32_t>> documents;
  for (const Document& d : request.documents) {
    if (rules.uses_documents)
      documents.push_back(text::RenderDocument(t, tokenizer, d.title, d.text, 1));
  }
  const link::LinkPlan plan = m.Plan(request.system, documents, request.question, rules.layout);
  EXPECT_EQ(plan.tokens.size(), answer.prompt.size());
  const std::vector<int32_t> preamble =
      text::RenderPreamble(t, tokenizer, request.system, !documents.empty());
  std::vector<int32_t> prefix;
  if (rules.ape.has_value() ||
      (rules.layout == link::Layout::kLinked && t.document_prefix == "head")) {
    prefix = preamble;
  } else if (rules.layout == link::Layout::kLinked && t.document_prefix == "first") {
    prefix = {preamble[0]};
  }

  Explicit list;
  std::vector<int32_t> open;  // what a token outside documents sees
  std::vector<int32_t> own;   // of the current document, by place
  for (size_t i = 0; i < plan.tokens.size(); ++i) {
    const link::PlannedToken& token = plan.tokens[i];
    const bool document = token.source == TokenSource::kDocument;
    if (token.segment == 0) {
      open.push_back(list.Add(token.id, token.position, document, false, open));
      continue;
    }
    if (i == 0 || plan.tokens[i - 1].segment != token.segment) {  // a document begins
      std::vector<int32_t> inside;
      const auto start = static_cast<int32_t>(i), p = static_cast<int32_t>(prefix.size());
      for (int32_t j = 0; j < p; ++j) {
        inside.push_back(list.Add(prefix[j], start - p + j, true, false, inside));
      }
      own.clear();
      for (size_t j = i; j < plan.tokens.size() && plan.tokens[j].segment == token.segment; ++j) {
        const auto place = static_cast<int32_t>(rules.reencoded ? j : j - i);
        own.push_back(list.Add(plan.tokens[j].id, place, true, rules.ape.has_value(), inside));
        inside.push_back(own.back());
      }
      own.insert(own.begin(), start);  // where it starts
    }
    const bool again = answer.prompt[i].segment == 0;
    open.push_back(again ? list.Add(token.id, token.position, true, false, open)
                         : own[1 + i - own[0]]);
  }
  const std::vector<int32_t> gold = text::RenderAnswer(t, tokenizer, request.gold);
  std::vector<int32_t> rows = {static_cast<int32_t>(list.ids.size()) - 1};
  int32_t position = plan.tokens.back().position;
  for (size_t i = 0; i + 1 < gold.size(); ++i) {
    rows.push_back(list.Add(gold[i], ++position, false, false, open));
    open.push_back(rows.back());
  }

  const std::vector<int32_t> no_segments(list.ids.size(), 0);
  const auto visible = list.Visible();
  model::ReferenceInput input{list.ids,
                              m.embeddings(),
                              list.positions,
                              no_segments,
                              rules.adapter && m.links()->adapter ? &*m.links()->adapter : nullptr,
                              rows};
  input.visible = visible;
  input.in_document = list.documents;
  input.ape_weighed = list.weighed;
  if (rules.ape) {
    input.ape_temperature = rules.ape->temperature;
    input.ape_scale = rules.ape->scale;
  }
  const auto logits = model::ReferenceLogits(m.model().file(), m.model().config(), input);
  EXPECT_TRUE(logits.ok());
  const size_t vocab = static_cast<size_t>(m.model().config().vocab);
  Expected expected;
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto row = std::span(*logits).subspan(r * vocab, vocab);
    expected.gold.push_back(row[gold[r]] - tensor::LogSumExp(row));
    for (size_t v = 0; r == 0 && v < vocab; ++v)
      expected.first.push_back(row[v] - tensor::LogSumExp(row));
  }
  return expected;
}

double LargestDifference(const Answer& answer, const Expected& expected) {
  EXPECT_EQ(answer.gold_logprobs.size(), expected.gold.size());
  double largest = 0;
  for (size_t i = 0; i < expected.gold.size(); ++i) {
    largest = std::max(largest, std::abs(answer.gold_logprobs[i] - expected.gold[i]));
  }
  for (const GeneratedToken& token : answer.generated) {
    EXPECT_EQ(token.top.size(), expected.first.size());
    for (const TokenChoice& c : token.top) {
      largest = std::max(largest, std::abs(c.logprob - expected.first[c.id]));
    }
  }
  return largest;
}

double LargestDifference(const Answer& a, const Answer& b) {
  Expected expected;
  expected.gold.assign(b.gold_logprobs.begin(), b.gold_logprobs.end());
  EXPECT_EQ(a.generated.size(), b.generated.size());
  expected.first.resize(b.generated.empty() ? 0 : b.generated[0].top.size());
  for (const GeneratedToken& token : b.generated) {
    for (const TokenChoice& c : token.top) expected.first[c.id] = c.logprob;
  }
  return LargestDifference(a, expected);
}

int64_t Again(const Answer& answer) {  // tokens of documents computed again
  int64_t count = 0;
  for (const PromptToken& t : answer.prompt)
    count += t.source == TokenSource::kDocument && t.segment == 0;
  return count;
}

void CheckUsage(const Answer& answer) {
  int64_t computed = 0;
  for (const PromptToken& t : answer.prompt) computed += t.computed;
  const Usage& usage = answer.usage;
  EXPECT_EQ(usage.computed_tokens, computed);
  EXPECT_EQ(usage.prompt_tokens, static_cast<int64_t>(answer.prompt.size()));
  EXPECT_EQ(usage.prompt_tokens, usage.computed_tokens + usage.exact_tokens + usage.linked_tokens);
}

const char* const kMethods[] = {"full",
                                "full+adapter",
                                "none",
                                "none-base",
                                "link",
                                "block",
                                "reuse",
                                "naive",
                                "epic:3",
                                "epic:1",
                                "cacheblend:0.3",
                                "attention:0.4",
                                "link+epic:2",
                                "link+cacheblend:0.25",
                                "link+attention:0.5",
                                "ape:0.7,0.8",
                                "ape:1.3,1.1"};

bool Possible(const std::string& method, const Setting& setting) {
  if (method == "block") return setting.k == 0 && !setting.adapter.empty();
  return method != "full+adapter" || !setting.adapter.empty();
}

TEST(Methods, EachEqualsTheReference) {
  for (const Setting& setting :
       {Setting{}, Setting{2, "outside"}, Setting{1, "everywhere", "first"},
        Setting{0, "outside", "head"}, Setting{3, "", "head"}, Setting{0, "everywhere"}}) {
    const auto engine = MakeEngine(setting);
    for (const std::string method : kMethods) {
      if (!Possible(method, setting)) continue;
      SCOPED_TRACE(method + " k " + std::to_string(setting.k) + " adapter " + setting.adapter +
                   " prefix " + setting.prefix);
      const Request request = MakeRequest(method, kTexts);
      const Answer first = Ask(*engine, request), answer = Ask(*engine, request);
      EXPECT_LE(LargestDifference(answer, Reference(*engine, request, answer)), kTolerance);
      EXPECT_EQ(LargestDifference(answer, first), 0);  // from blocks that were there
      CheckUsage(first);
      CheckUsage(answer);
    }
  }
}

RC_GTEST_PROP(Methods, RandomPromptsEqualTheReference, ()) {
  Setting setting;
  setting.k = *rc::gen::element(0, 1, 3);
  setting.adapter = *rc::gen::element<std::string>("", "outside", "everywhere");
  setting.prefix = *rc::gen::element<std::string>("", "head", "first");
  setting.layers = *rc::gen::element(1, 2, 3);
  const std::string share = std::to_string(*rc::gen::inRange(0, 11) / 10.0);
  const std::string count = std::to_string(*rc::gen::inRange(0, 40));
  const std::string method = *rc::gen::elementOf(std::vector<std::string>{
      "naive", "reuse", "epic:" + count, "cacheblend:" + share, "attention:" + share,
      "link+epic:" + count, "link+cacheblend:" + share, "link+attention:" + share,
      "ape:" + std::to_string(*rc::gen::inRange(5, 15) / 10.0) + "," +
          std::to_string(*rc::gen::inRange(5, 15) / 10.0)});
  const auto texts = *rc::gen::resize(
      5, rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(rc::gen::resize(
             30, rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'z')))))));
  const auto engine = MakeEngine(setting);
  const Request request = MakeRequest(method, texts);
  const Answer answer = Ask(*engine, request);
  RC_LOG() << method << "\n";
  RC_ASSERT(LargestDifference(answer, Reference(*engine, request, answer)) <= kTolerance);
}

// Documents of several key tiles, and recomputed tokens all over them.
TEST(Methods, LongDocumentsEqualTheReference) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += " zq" + std::to_string(i);
  const auto engine = MakeEngine({1, "outside", "", DType::kF32, true, 2});
  for (const char* method : {"cacheblend:0.1", "link+attention:0.3", "epic:515", "ape:0.8,0.9"}) {
    const Request request = MakeRequest(method, {text, "short", text + " and more"});
    const Answer answer = Ask(*engine, request);
    EXPECT_LE(LargestDifference(answer, Reference(*engine, request, answer)), kTolerance) << method;
  }
}

// bf16 blocks and, where the CPU has it, bf16 tiles: close, not equal (improbable tokens' logits
// differ most).
TEST(Methods, Bf16StaysClose) {
  const auto engine = MakeEngine({2, "outside", "head", DType::kBF16});
  for (const std::string method : kMethods) {
    if (!Possible(method, {2, "outside"})) continue;
    const Request request = MakeRequest(method, kTexts);
    const Answer answer = Ask(*engine, request);
    EXPECT_LE(LargestDifference(answer, Reference(*engine, request, answer)), 0.5) << method;
  }
}

TEST(Methods, ComputingEverythingAgainIsFullAttention) {
  const auto engine = MakeEngine({});
  Ask(*engine, MakeRequest("full", kTexts));  // keeps the preamble's block
  const Answer full = Ask(*engine, MakeRequest("full", kTexts));
  for (const char* method : {"epic:1000", "cacheblend:1.0", "attention:1", "link+epic:1000"}) {
    const Answer answer = Ask(*engine, MakeRequest(method, kTexts));
    EXPECT_LE(LargestDifference(answer, full), kTolerance) << method;
    EXPECT_EQ(answer.usage.linked_tokens, 0) << method;
    EXPECT_EQ(answer.usage.exact_tokens, full.usage.exact_tokens) << method;
  }
  EXPECT_GT(LargestDifference(Ask(*engine, MakeRequest("reuse", kTexts)), full), 0.01);
}

TEST(Methods, ComputingNothingAgainIsReuse) {
  const auto engine = MakeEngine({2, "outside"});
  const Answer reuse = Ask(*engine, MakeRequest("reuse", kTexts));
  for (const char* method : {"epic:0", "cacheblend:0", "attention:0"}) {
    EXPECT_EQ(LargestDifference(Ask(*engine, MakeRequest(method, kTexts)), reuse), 0) << method;
  }
  const Answer link = Ask(*engine, MakeRequest("link", kTexts));
  EXPECT_EQ(LargestDifference(Ask(*engine, MakeRequest("link+epic:0", kTexts)), link), 0);
}

TEST(Methods, NaiveIsReuseOnlyWhereTheDocumentStandsAtItsOwnPlace) {
  const auto engine = MakeEngine({0, "", "", DType::kF32, /*preamble=*/false});
  Request naive = MakeRequest("naive", {kTexts[0]}), reuse = MakeRequest("reuse", {kTexts[0]});
  EXPECT_EQ(LargestDifference(Ask(*engine, naive), Ask(*engine, reuse)), 0);
  naive = MakeRequest("naive", kTexts);
  reuse = MakeRequest("reuse", kTexts);
  EXPECT_GT(LargestDifference(Ask(*engine, naive), Ask(*engine, reuse)), 0.001);
}

TEST(Methods, ApeWithoutTemperatureAndScaleIsReuseBehindTheHead) {
  const auto plain = MakeEngine({}), prefixed = MakeEngine({0, "", "head"});
  const Answer link = Ask(*prefixed, MakeRequest("link", kTexts));
  const Answer ape = Ask(*plain, MakeRequest("ape:1,1", kTexts));
  EXPECT_LE(LargestDifference(ape, link), kTolerance);
  EXPECT_GT(LargestDifference(Ask(*plain, MakeRequest("reuse", kTexts)), link), 0.001);
  EXPECT_GT(LargestDifference(Ask(*plain, MakeRequest("ape:0.5,0.8", kTexts)), link), 0.001);
}

TEST(Methods, NoneIgnoresDocuments) {
  const auto engine = MakeEngine({1, "outside"});
  Request empty = MakeRequest("link", {});
  const Answer none = Ask(*engine, MakeRequest("none", kTexts));
  EXPECT_EQ(LargestDifference(none, Ask(*engine, empty)), 0);
  EXPECT_EQ(none.document_uses.size(), kTexts.size());
  EXPECT_EQ(none.document_uses[0].status, DocumentStatus::kDropped);
  empty.method = {MethodKind::kFull};
  EXPECT_EQ(LargestDifference(Ask(*engine, MakeRequest("none-base", kTexts)), Ask(*engine, empty)),
            0);
}

TEST(Methods, CountersSayWhatWasComputed) {
  const auto engine = MakeEngine({2, "outside"});
  const Answer link = Ask(*engine, MakeRequest("link", kTexts));
  const Answer again = Ask(*engine, MakeRequest("link+epic:2", kTexts));
  const int64_t documents =
      link.document_uses[0].tokens + link.document_uses[1].tokens + link.document_uses[2].tokens;
  EXPECT_EQ(Again(again), 6);
  EXPECT_EQ(again.usage.linked_tokens, documents - 6);
  int64_t others = 0;
  for (const PromptToken& t : again.prompt)
    others += t.source == TokenSource::kLink || t.source == TokenSource::kQuestion;
  EXPECT_EQ(again.usage.computed_tokens, others + 6);
  EXPECT_EQ(again.document_uses[0].status, DocumentStatus::kLinked);
  EXPECT_NE(again.document_uses[0].why.find("2 of its tokens computed again"), std::string::npos);
  for (const char* method : {"cacheblend:0.3", "link+attention:0.3"}) {
    Ask(*engine, MakeRequest(method, kTexts));
    const Answer answer = Ask(*engine, MakeRequest(method, kTexts));
    EXPECT_EQ(Again(answer), std::llround(0.3 * documents)) << method;
    EXPECT_EQ(answer.usage.linked_tokens, documents - Again(answer)) << method;
  }
}

// Against a pass that was not stopped early: V of layer 1 under full attention.
TEST(Methods, CacheBlendChoosesTheLargestDeviations) {
  const auto engine = MakeEngine({});
  const Answer answer = Ask(*engine, MakeRequest("cacheblend:0.2", kTexts));
  link::LinkableModel& m = engine->linkable();
  const model::ModelConfig& c = m.model().config();
  std::vector<std::vector<int32_t>> documents;
  for (const std::string& text : kTexts) documents.push_back(m.RenderDocument("", text, 0));
  const link::LinkPlan plan =
      m.Plan("be brief", documents, "what of the harbour?", link::Layout::kUnlinked);
  const link::LinkedPrompt twin = link::MaskedTwin(plan);
  auto full = model::Tail::Create(c.layers, c.kv_heads, c.head_dim, 1000, DType::kF32);
  auto masked = model::Tail::Create(c.layers, c.kv_heads, c.head_dim, 1000, DType::kF32);
  model::Sequence s;
  s.tokens = twin.tokens;
  s.positions = twin.positions;
  s.tail = &*full;
  ASSERT_TRUE(m.model().Forward({&s, 1}).ok());
  s.segment_ids = twin.segment_ids;
  s.tail = &*masked;
  ASSERT_TRUE(m.model().Forward({&s, 1}).ok());
  const auto* a = static_cast<const float*>(full->values(1));
  const auto* b = static_cast<const float*>(masked->values(1));
  double least_chosen = 1e30, most_left = 0;
  for (const int32_t i : link::BlockTokens(plan)) {
    double deviation = 0;
    for (int32_t g = 0; g < c.kv_heads; ++g) {
      for (int32_t d = 0; d < c.head_dim; ++d) {
        const int64_t at = (g * full->stride() + i) * c.head_dim + d;
        deviation += (a[at] - b[at]) * (a[at] - b[at]);
      }
    }
    double& bound = answer.prompt[i].segment == 0 ? least_chosen : most_left;
    bound = answer.prompt[i].segment == 0 ? std::min(bound, deviation) : std::max(bound, deviation);
  }
  EXPECT_GE(least_chosen, most_left * (1 - 1e-3));
  EXPECT_LT(least_chosen, 1e30);
}

TEST(Methods, WhatALinkFileCannotDoIsRefused) {
  const auto links = MakeEngine({2, "outside"}), none = MakeEngine({});
  const auto refused = [](EngineImpl& engine, const std::string& method, const char* says) {
    const auto answer = engine.Ask(MakeRequest(method, kTexts), {});
    ASSERT_FALSE(answer.ok()) << method;
    EXPECT_NE(answer.status().message().find(says), std::string::npos) << answer.status().message();
  };
  refused(*links, "block", "K = 2");
  refused(*none, "block", "adapter");
  refused(*none, "full+adapter", "adapter");
}

TEST(Methods, OthersThanLinkingAndFullAreForComparison) {
  const auto engine = MakeEngine({});
  const auto warned = [&](const std::string& method) {
    for (const std::string& w : Ask(*engine, MakeRequest(method, kTexts)).warnings) {
      if (w == "method " + method + ": for comparison, see docs/methods.md") return true;
    }
    return false;
  };
  EXPECT_TRUE(warned("reuse"));
  EXPECT_TRUE(warned("epic:1"));
  EXPECT_FALSE(warned("link"));
  EXPECT_FALSE(warned("link+epic:1"));
  EXPECT_FALSE(warned("full"));
}

TEST(Methods, ModesAreMethods) {
  const auto engine = MakeEngine({2, "outside"});
  Request request = MakeRequest("", kTexts);
  EXPECT_EQ(LargestDifference(Ask(*engine, request), Ask(*engine, MakeRequest("link", kTexts))), 0);
  request.method = {MethodKind::kFull};
  EXPECT_EQ(LargestDifference(Ask(*engine, request), Ask(*engine, MakeRequest("full", kTexts))), 0);
}

// A document's block behind a prefix is what one pass over prefix and document makes of it.
TEST(Methods, ABlockBehindAPrefixIsTheEndOfOnePass) {
  const auto engine = MakeEngine({0, "everywhere"});
  link::LinkableModel& m = engine->linkable();
  const model::ModelConfig& c = m.model().config();
  const auto store = kv::NewMemoryStore();
  link::Indexer indexer(&m.model(), store.get(), m.links(), m.adapter());
  const std::vector<int32_t> prefix = m.model().tokenizer().Encode("some text that stands before");
  const std::vector<int32_t> document = m.model().tokenizer().Encode(kTexts[0]);
  const auto block = indexer.Fetch(document, link::BlockKind::kDocument, "", prefix);
  ASSERT_TRUE(block.ok()) << block.status().message();
  std::vector<int32_t> both = prefix, positions;
  both.insert(both.end(), document.begin(), document.end());
  for (size_t i = 0; i < both.size(); ++i) positions.push_back(static_cast<int32_t>(i));
  auto tail = model::Tail::Create(c.layers, c.kv_heads, c.head_dim, 1000, DType::kF32);
  model::Sequence s;
  s.tokens = both;
  s.positions = positions;
  s.tail = &*tail;
  s.adapter = m.adapter();
  ASSERT_TRUE(m.model().Forward({&s, 1}).ok());
  for (int32_t l = 0; l < c.layers; ++l) {
    const auto* whole = static_cast<const float*>(tail->values(l));
    const auto* alone = static_cast<const float*>(block->block->values(l));
    const int64_t stride = block->block->shape().padded_tokens();
    for (int32_t g = 0; g < c.kv_heads; ++g) {
      for (size_t j = 0; j < document.size(); ++j) {
        for (int32_t d = 0; d < c.head_dim; ++d) {
          ASSERT_NEAR(whole[(g * tail->stride() + prefix.size() + j) * c.head_dim + d],
                      alone[(g * stride + j) * c.head_dim + d], 1e-4)
              << l << " " << j;
        }
      }
    }
  }
  // Another block than the one that was encoded alone, and its own prefix's.
  EXPECT_NE(indexer.IdOf(document, link::BlockKind::kDocument),
            indexer.IdOf(document, link::BlockKind::kDocument, prefix));
  EXPECT_NE(indexer.IdOf(document, link::BlockKind::kDocument, document),
            indexer.IdOf(document, link::BlockKind::kDocument, prefix));
  EXPECT_EQ(block->block->identity().id,
            indexer.IdOf(document, link::BlockKind::kDocument, prefix));
  EXPECT_FALSE(indexer.Fetch(document, link::BlockKind::kDocument, "", prefix)->computed);
  // Nothing is kept without a store, and the bytes are the same.
  link::Indexer storeless(&m.model(), nullptr, m.links(), m.adapter());
  for (int i = 0; i < 2; ++i) {
    const auto again = storeless.Fetch(document, link::BlockKind::kDocument, "", prefix);
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_TRUE(again->computed);
    EXPECT_TRUE(std::ranges::equal(again->block->image(), block->block->image()));
  }
}

TEST(Methods, EncodedDocumentsAreFoundBehindTheTemplatesPrefix) {
  for (const char* prefix : {"head", "first"}) {
    const auto engine = MakeEngine({1, "outside", prefix});
    Request request = MakeRequest("link", {kTexts[0]});
    request.system = "";
    const auto encoded = engine->Encode(request.documents[0]);
    ASSERT_TRUE(encoded.ok());
    EXPECT_EQ(encoded->block, engine->Describe(request.documents[0]).block);
    EXPECT_EQ(Ask(*engine, request).document_uses[0].status, DocumentStatus::kLinked) << prefix;
    EXPECT_TRUE(engine->RemoveBlock(request.documents[0]).ok());
    EXPECT_EQ(Ask(*engine, request).document_uses[0].status, DocumentStatus::kComputed) << prefix;
  }
}

// Whatever was generated, and whatever of it, gold's tokens stand right behind the prompt.
TEST(Gold, DoesNotDependOnWhatIsGenerated) {
  const auto engine = MakeEngine({2, "outside"});
  for (const char* method : {"link", "epic:2", "full", "ape:0.8,0.9"}) {
    Request request = MakeRequest(method, kTexts);
    request.max_tokens = 0;
    const Answer alone = Ask(*engine, request);
    ASSERT_GT(alone.gold_logprobs.size(), 3u);
    for (const int32_t tokens : {1, 2, 40}) {
      request.max_tokens = tokens;
      const Answer answer = Ask(*engine, request);
      EXPECT_EQ(answer.gold_logprobs, alone.gold_logprobs) << method << tokens;
      EXPECT_EQ(answer.usage.prompt_tokens, alone.usage.prompt_tokens);
    }
    request.gold = "";
    EXPECT_TRUE(Ask(*engine, request).gold_logprobs.empty());
  }
}

TEST(Gold, MustFitTheContext) {
  const auto engine = MakeEngine({0, "", "", DType::kF32, true, 2, 256});
  Request request = MakeRequest("link", {"Bees."});
  for (int i = 0; i < 300; ++i) request.gold += "z";
  const auto answer = engine->Ask(request, {});
  ASSERT_FALSE(answer.ok());
  EXPECT_NE(answer.status().message().find("gold"), std::string::npos) << answer.status().message();
}

}  // namespace
}  // namespace kvlink::engine
