// Evaluations over a tiny model: how examples are arranged, that every method is asked the same
// prompts, what a run that was stopped does again, what is refused.
#include "eval/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "support/tiny_model.h"

namespace kvlink::eval {
namespace {

data::Example MakeExample(const std::string& id, int documents,
                          const std::string& dataset = "set") {
  data::Example e;
  e.id = id;
  e.dataset = dataset;
  e.question = "How many cranes of " + id + "?";
  e.answers = {"nine"};
  for (int d = 0; d < documents; ++d) {
    const std::string name = std::string(1, static_cast<char>('a' + d));
    e.documents.push_back({name, "Document " + name + " of " + id + " has nine cranes."});
  }
  e.gold = {0};
  return e;
}

std::string TitlesOf(const data::Example& e) {
  std::string titles;
  for (const data::ExampleDocument& d : e.documents) titles += d.title;
  return titles;
}

std::string TinyModelPath() {
  static const testing::TempDir folder;
  static const std::string path = testing::WriteTinyModel(folder.path(), {});
  return path;
}

EvaluationOptions Options(const std::vector<std::string>& methods) {
  EvaluationOptions options;
  options.engine.model_path = TinyModelPath();
  options.engine.dtype = DType::kF32;
  options.methods = methods;
  options.max_tokens = 4;
  return options;
}

Status RunEvaluation(const EvaluationOptions& options, const std::vector<data::Example>& examples,
                     const EvaluationProgress& progress, PredictionLog* log) {
  KVLINK_ASSIGN_OR_RETURN(const auto engine, OpenForEvaluation(options.engine));
  return Evaluate(*engine, options, examples, progress, log);
}

std::vector<Prediction> AskAll(const EvaluationOptions& options,
                               const std::vector<data::Example>& examples) {
  auto log = PredictionLog::Open("");
  EXPECT_TRUE(log.ok());
  const Status status = RunEvaluation(options, examples, {}, &*log);
  EXPECT_TRUE(status.ok()) << status.message();
  return log->all();
}

// Without times.
std::vector<std::string> LinesOf(std::vector<Prediction> predictions) {
  std::vector<std::string> lines;
  for (Prediction& p : predictions) {
    p.ttft_ms = 0;
    lines.push_back(ToJsonLine(p));
  }
  return lines;
}

TEST(Arrange, OrderComesFromSeedAndIdAlone) {
  EvaluationOptions options;
  std::vector<data::Example> examples;
  for (int i = 0; i < 20; ++i) examples.push_back(MakeExample(std::to_string(i), 6));
  const auto orders = [&](uint64_t seed, const std::vector<data::Example>& of) {
    options.seed = seed;
    std::map<std::string, std::string> titles;
    for (const data::Example& e : ArrangeExamples(of, options)) titles[e.id] = TitlesOf(e);
    return titles;
  };
  const auto one = orders(1, examples);
  EXPECT_EQ(orders(1, examples), one);
  EXPECT_NE(orders(2, examples), one);
  std::set<std::string> different;
  for (const auto& [id, titles] : one) {
    different.insert(titles);
    std::string sorted = titles;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, "abcdef");
  }
  EXPECT_GT(different.size(), 10u);
  // Whichever examples stand around one.
  std::reverse(examples.begin(), examples.end());
  EXPECT_EQ(orders(1, examples), one);
  EXPECT_EQ(orders(1, {examples[3]}).at("16"), one.at("16"));
}

TEST(Arrange, GoldFollowsItsDocument) {
  for (const data::Example& e : ArrangeExamples({MakeExample("x", 6), MakeExample("y", 6)}, {})) {
    ASSERT_EQ(e.gold.size(), 1u);
    EXPECT_EQ(e.documents[e.gold[0]].title, "a");
  }
}

TEST(Arrange, EveryPlaceOfTheGoldDocument) {
  EvaluationOptions options;
  options.gold_position = GoldPosition::kEvery;
  const std::vector<data::Example> arranged =
      ArrangeExamples({MakeExample("x", 4), MakeExample("y", 3)}, options);
  ASSERT_EQ(arranged.size(), 7u);
  std::string others;  // the same order for every position
  for (int position = 0; position < 7; ++position) {
    const data::Example& e = arranged[position];
    const int at = position < 4 ? position : position - 4;
    EXPECT_EQ(e.id, position < 4 ? "x" : "y");
    EXPECT_EQ(e.gold_position, at);
    EXPECT_EQ(e.gold, std::vector<int32_t>{at});
    std::string titles = TitlesOf(e);
    EXPECT_EQ(titles[at], 'a');
    titles.erase(at, 1);
    if (at > 0) {
      EXPECT_EQ(titles, others);
    }
    others = titles;
  }
}

TEST(Arrange, CyclesThroughPlaces) {
  EvaluationOptions options;
  options.gold_position = GoldPosition::kCycled;
  std::vector<data::Example> examples;
  for (int i = 0; i < 5; ++i) examples.push_back(MakeExample(std::to_string(i), 3));
  int32_t i = 0;
  for (const data::Example& e : ArrangeExamples(examples, options)) {
    EXPECT_EQ(e.gold, std::vector<int32_t>{i++ % 3}) << e.id;
  }
}

TEST(Arrange, SeveralGoldDocumentsAreShuffledAsTheRest) {
  EvaluationOptions shuffled, every;
  every.gold_position = GoldPosition::kEvery;
  data::Example two = MakeExample("x", 6);
  two.gold = {0, 1};
  const std::vector<data::Example> a = ArrangeExamples({two}, shuffled),
                                   b = ArrangeExamples({two}, every);
  ASSERT_EQ(b.size(), 1u);
  EXPECT_EQ(TitlesOf(b[0]), TitlesOf(a[0]));
}

TEST(Arrange, LimitIsOfEachDataSet) {
  EvaluationOptions options;
  options.limit = 2;
  options.gold_position = GoldPosition::kEvery;
  std::vector<data::Example> examples;
  for (int i = 0; i < 4; ++i) {
    examples.push_back(MakeExample("p" + std::to_string(i), 2, "p"));
    examples.push_back(MakeExample("q" + std::to_string(i), 2, "q"));
  }
  std::vector<std::string> ids;
  for (const data::Example& e : ArrangeExamples(examples, options)) {
    ids.push_back(e.id + "@" + std::to_string(e.gold_position));
  }
  EXPECT_EQ(ids, (std::vector<std::string>{"p0@0", "p0@1", "q0@0", "q0@1", "p1@0", "p1@1", "q1@0",
                                           "q1@1"}));
}

TEST(Arrange, FewerDocumentsKeepTheGoldOne) {
  EvaluationOptions options;
  options.max_documents = 2;
  data::Example e = MakeExample("x", 6);
  e.gold = {5};
  const std::vector<data::Example> arranged = ArrangeExamples({e}, options);
  ASSERT_EQ(arranged[0].documents.size(), 2u);
  EXPECT_EQ(arranged[0].documents[arranged[0].gold.at(0)].title, "f");
}

TEST(Arrange, TurnsOfAChatKeepTheirOrder) {
  data::Example chat = MakeExample("x", 6);
  chat.kind = data::ExampleKind::kChat;
  chat.gold.clear();
  EXPECT_EQ(TitlesOf(ArrangeExamples({chat}, {})[0]), "abcdef");
  EvaluationOptions options;
  options.max_documents = 2;
  EXPECT_EQ(TitlesOf(ArrangeExamples({chat}, options)[0]), "ef");  // the latest
}

TEST(Arrange, SummariesAreCutAndKeepTheirOrder) {
  EvaluationOptions options;
  options.piece_words = 5;
  options.gold_position = GoldPosition::kEvery;
  data::Example e;
  e.id = "s";
  e.dataset = "samsum";
  e.kind = data::ExampleKind::kSummary;
  e.question = "Summarise.";
  e.answers = {"all of it"};
  for (int i = 0; i < 40; ++i) {
    e.documents.resize(1);
    e.documents[0].text += "word" + std::to_string(i) + " ";
  }
  const std::vector<data::Example> arranged = ArrangeExamples({e}, options);
  ASSERT_EQ(arranged.size(), 1u);
  EXPECT_EQ(arranged[0].id, "s");
  ASSERT_EQ(arranged[0].documents.size(), 8u);
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(arranged[0].documents[i].text.starts_with("word" + std::to_string(5 * i) + " "));
  }
}

TEST(Evaluate, QuestionByQuestionEachByEveryMethod) {
  const std::vector<data::Example> examples = {MakeExample("x", 3), MakeExample("y", 3, "other")};
  const std::vector<Prediction> all = AskAll(Options({"none", "full", "link"}), examples);
  ASSERT_EQ(all.size(), 6u);
  const char* methods[] = {"none", "full", "link"};
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].id, i < 3 ? "x" : "y");
    EXPECT_EQ(all[i].dataset, i < 3 ? "set" : "other");
    EXPECT_EQ(all[i].method, methods[i % 3]);
    EXPECT_GT(all[i].gold_loss, 0);
    EXPECT_GT(all[i].ttft_ms, 0);
    EXPECT_LE(all[i].answer_tokens, 4);
    EXPECT_TRUE(all[i].scores.f1.has_value());
    EXPECT_FALSE(all[i].scores.rouge_l.has_value());
  }
}

// Methods that come to the same thing must get the same answers and losses: same documents, order
// and positions. Everything computed again without links is full attention; no temperature, no
// scale is plain reuse behind the head, and 0 tokens computed again are plain reuse.
TEST(Evaluate, EveryMethodSeesTheSamePrompt) {
  const std::vector<data::Example> examples = ArrangeExamples(
      {MakeExample("x", 5), MakeExample("y", 5), MakeExample("z", 5)}, EvaluationOptions{});
  const std::vector<Prediction> all = AskAll(
      Options({"full", "epic:100000", "cacheblend:1", "attention:1", "reuse", "link", "epic:0"}),
      examples);
  std::map<std::string, std::map<std::string, Prediction>> by_id;
  for (const Prediction& p : all) by_id[p.id][p.method] = p;
  ASSERT_EQ(by_id.size(), 3u);
  for (auto& [id, of] : by_id) {
    for (const char* method : {"epic:100000", "cacheblend:1", "attention:1"}) {
      EXPECT_NEAR(of[method].gold_loss, of["full"].gold_loss, 1e-4) << id << method;
      EXPECT_EQ(of[method].text, of["full"].text) << id << method;
    }
    for (const char* method : {"link", "epic:0"}) {  // there is no link file
      EXPECT_NEAR(of[method].gold_loss, of["reuse"].gold_loss, 1e-4) << id << method;
      EXPECT_EQ(of[method].computed_tokens, of["reuse"].computed_tokens);
    }
    EXPECT_GT(std::abs(of["reuse"].gold_loss - of["full"].gold_loss), 1e-4) << id;
  }
}

// What is computed for a question is what a method must compute, whether or not documents' blocks
// had to be made for it just before.
TEST(Evaluate, ComputedTokensAreThoseOfWarmBlocks) {
  const std::vector<data::Example> examples = {MakeExample("x", 5)};
  const std::vector<Prediction> all =
      AskAll(Options({"reuse", "epic:2", "epic:3", "full", "none"}), examples);
  ASSERT_EQ(all.size(), 5u);
  const int64_t question = all[0].computed_tokens;
  EXPECT_EQ(all[1].computed_tokens, question + 5 * 2);
  EXPECT_EQ(all[2].computed_tokens, question + 5 * 3);
  EXPECT_GT(all[3].computed_tokens, question + 5 * 20);
  EXPECT_LE(all[4].computed_tokens, question);
  // Asked in another order, other blocks are there already.
  const std::vector<Prediction> again =
      AskAll(Options({"none", "full", "epic:3", "epic:2", "reuse"}), examples);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(again[4 - i].method, all[i].method);
    EXPECT_EQ(again[4 - i].computed_tokens, all[i].computed_tokens) << all[i].method;
    EXPECT_EQ(again[4 - i].text, all[i].text);
  }
}

TEST(Evaluate, AStoppedRunGoesOnToTheSameEnd) {
  const testing::TempDir folder;
  const std::string path = folder / "predictions.jsonl";
  const EvaluationOptions options = Options({"full", "link"});
  const std::vector<data::Example> examples = {MakeExample("x", 3), MakeExample("y", 3),
                                               MakeExample("z", 3)};
  const std::vector<std::string> whole = LinesOf(AskAll(options, examples));
  for (const int64_t stop : {1, 3, 6}) {
    auto log = PredictionLog::Open(path);
    ASSERT_TRUE(log.ok());
    const Status status = RunEvaluation(
        options, examples,
        [&](int64_t done, int64_t total, std::string_view) {
          EXPECT_EQ(total, 6);
          return done < stop;
        },
        &*log);
    EXPECT_EQ(status.code(), StatusCode::kCancelled);
    EXPECT_EQ(log->all().size(), static_cast<size_t>(stop));
  }
  auto log = PredictionLog::Open(path);
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE(RunEvaluation(options, examples, {}, &*log).ok());
  EXPECT_EQ(LinesOf(log->all()), whole);
}

TEST(Evaluate, OnlyTheLossWithoutAnswers) {
  EvaluationOptions options = Options({"full"});
  const double loss = AskAll(options, {MakeExample("x", 2)}).at(0).gold_loss;
  options.max_tokens = 0;
  const Prediction p = AskAll(options, {MakeExample("x", 2)}).at(0);
  EXPECT_EQ(p.text, "");
  EXPECT_FALSE(p.scores.f1.has_value());
  EXPECT_DOUBLE_EQ(p.gold_loss, loss);
}

TEST(Evaluate, Refusals) {
  const auto refused = [](const EvaluationOptions& options,
                          const std::vector<data::Example>& examples,
                          const std::vector<const char*>& says) {
    auto log = PredictionLog::Open("");
    const Status status = RunEvaluation(options, examples, {}, &*log);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << says[0];
    for (const char* part : says) {
      EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
    }
    EXPECT_TRUE(log->all().empty());
  };
  const data::Example x = MakeExample("x", 2);
  refused(Options({"full"}), {}, {"no example"});
  refused(Options({}), {x}, {"no method"});
  refused(Options({"sideways"}), {x}, {"sideways"});
  refused(Options({"block"}), {x}, {"--block-links"});
  refused(Options({"full"}), {x, MakeExample("y", 2), x}, {"example x of set", "two examples"});
  data::Example text;
  text.id = "t";
  text.dataset = "notes";
  text.kind = data::ExampleKind::kText;
  text.answers = {"plain text"};
  refused(Options({"full"}), {text}, {"example t of notes", "no question"});
  // The same id in another data set is another example.
  EXPECT_EQ(AskAll(Options({"none"}), {x, MakeExample("x", 2, "other")}).size(), 2u);
}

}  // namespace
}  // namespace kvlink::eval
