// Requests in flight: what is told of them, how they end, and that each gets what it would get
// alone. Run under ThreadSanitizer too.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "engine/engine_impl.h"
#include "support/tiny_model.h"

namespace kvlink::engine {
namespace {

// Waits for the ends of requests, and keeps what was heard of each.
class Ear {
 public:
  EventHandler handler() {
    return [this](const Event& event) { Hear(event); };
  }
  Result<Answer> Wait(RequestId id) {
    std::unique_lock lock(mutex_);
    heard_.wait(lock, [&] { return done_.count(id) > 0; });
    return done_.at(id);
  }
  std::string text(RequestId id, int32_t choice = 0) {
    const std::lock_guard lock(mutex_);
    return texts_[{id, choice}];
  }
  int tokens(RequestId id) {
    const std::lock_guard lock(mutex_);
    return tokens_[id];
  }
  std::vector<int64_t> encoded(RequestId id) {
    const std::lock_guard lock(mutex_);
    return encoded_[id];
  }

 private:
  void Hear(const Event& event) {
    {
      const std::lock_guard lock(mutex_);
      EXPECT_EQ(done_.count(event.request), 0u) << "nothing comes after the end";
      if (event.kind == Event::Kind::kProgress) {
        encoded_[event.request].push_back(event.documents_encoded);
      }
      if (event.kind == Event::Kind::kToken) {
        texts_[{event.request, event.choice}] += event.text;
        tokens_[event.request] += event.token.has_value();
      }
      if (event.kind == Event::Kind::kDone) done_.emplace(event.request, *event.answer);
      heard_.notify_all();  // under the lock: whoever hears the end may go
    }
  }

  std::mutex mutex_;
  std::condition_variable heard_;
  std::map<RequestId, Result<Answer>> done_;
  std::map<std::pair<RequestId, int32_t>, std::string> texts_;
  std::map<RequestId, int> tokens_;
  std::map<RequestId, std::vector<int64_t>> encoded_;
};

class RequestsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> Open(const std::string& store, DType dtype = DType::kF32,
                               int64_t kv_budget_bytes = 0) {
    EngineOptions options;
    options.model_path = model_;
    options.store_path = store.empty() ? "" : folder_ / store;
    options.threads = 1;
    options.dtype = dtype;
    options.kv_budget_bytes = kv_budget_bytes;
    auto engine = Engine::Open(options);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    return *std::move(engine);
  }
  // Over some of the same documents, in an order of its own.
  static Request MakeRequest(uint64_t number) {
    Random random(number + 1);
    Request request;
    request.question = "what is number " + std::to_string(number) + " of?";
    for (uint64_t i = 0, count = random.Below(4); i < count; ++i) {
      Document document;
      document.text = "Text " + std::to_string(random.Below(5)) + " of the harbour and its cranes.";
      request.documents.push_back(document);
    }
    request.method = {number % 3 == 2 ? MethodKind::kFull : MethodKind::kLink};
    request.max_tokens = static_cast<int32_t>(3 + random.Below(12));
    if (number % 2 == 1) {
      request.sampling.temperature = 1;
      request.sampling.seed = number;
    }
    return request;
  }

  testing::TempDir folder_;
  std::string model_ = testing::WriteTinyModel(folder_.path(), {});
};

std::vector<int32_t> IdsOf(const Choice& choice) {
  std::vector<int32_t> ids;
  for (const GeneratedToken& token : choice.generated) ids.push_back(token.id);
  return ids;
}

TEST_F(RequestsTest, EachGetsWhatItWouldGetAlone) {
  constexpr uint64_t kRequests = 24;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    SCOPED_TRACE(Name(dtype));
    std::vector<std::vector<int32_t>> alone;
    std::vector<std::vector<float>> logprobs;
    for (uint64_t i = 0; i < kRequests; ++i) {
      const auto answer = Open("", dtype)->Ask(MakeRequest(i));
      ASSERT_TRUE(answer.ok()) << answer.status().message();
      alone.push_back(IdsOf(*answer));
      std::vector<float>& of = logprobs.emplace_back();
      for (const GeneratedToken& token : answer->generated) of.push_back(token.logprob);
    }
    const auto engine = Open("store", dtype);
    Ear ear;
    Random random(7);
    std::vector<RequestId> ids;
    std::map<RequestId, bool> cancelled;
    for (uint64_t i = 0; i < kRequests; ++i) {
      const auto id = engine->Submit(MakeRequest(i), ear.handler());
      ASSERT_TRUE(id.ok()) << id.status().message();
      ids.push_back(*id);
      if (random.Below(4) == 0) {
        const RequestId victim = ids[random.Below(ids.size())];
        engine->Cancel(victim);
        cancelled[victim] = true;
      }
    }
    for (uint64_t i = 0; i < kRequests; ++i) {
      const auto answer = ear.Wait(ids[i]);
      ASSERT_TRUE(answer.ok()) << answer.status().message();
      const std::vector<int32_t> got = IdsOf(*answer);
      if (answer->finish_reason == FinishReason::kCancelled) {
        EXPECT_TRUE(cancelled[ids[i]]);
        ASSERT_LE(got.size(), alone[i].size());
      } else {
        ASSERT_EQ(got.size(), alone[i].size()) << "request " << i;
      }
      for (size_t t = 0; t < got.size(); ++t) {
        EXPECT_EQ(got[t], alone[i][t]) << "request " << i << ", token " << t;
        EXPECT_EQ(answer->generated[t].logprob, logprobs[i][t]) << "request " << i;
      }
      EXPECT_EQ(ear.text(ids[i]), answer->text);
      EXPECT_EQ(ear.tokens(ids[i]), static_cast<int>(got.size()));
    }
  }
}

TEST_F(RequestsTest, ABlockThatSeveralWaitForIsComputedOnce) {
  const auto engine = Open("store");
  Request request = MakeRequest(4);
  request.documents = {Document{.id = "", .title = "", .text = "The one text.", .label = ""}};
  Ear ear;
  std::vector<RequestId> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(*engine->Submit(request, ear.handler()));
  for (const RequestId id : ids) ASSERT_TRUE(ear.Wait(id).ok());
  const kv::StoreCounters counters = static_cast<EngineImpl&>(*engine).store().counters();
  EXPECT_EQ(counters.puts, 2);  // the document's and the preamble's
}

TEST_F(RequestsTest, AHandlerMayCallTheEngine) {
  const auto engine = Open("store");
  Ear ear;
  std::atomic<RequestId> second = 0;
  std::string asked;
  std::atomic<bool> any = false;
  const auto first = engine->Submit(MakeRequest(1), [&](const Event& event) {
    if (event.kind == Event::Kind::kToken && !any.exchange(true)) {
      EXPECT_GT(engine->CountTokens("some words"), 0);
      const auto answer = engine->Ask(MakeRequest(3));
      EXPECT_TRUE(answer.ok());
      asked = answer->text;
      second = *engine->Submit(MakeRequest(2), ear.handler());
    }
    ear.handler()(event);
  });
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(ear.Wait(*first).ok());
  ASSERT_TRUE(ear.Wait(second).ok());
  EXPECT_EQ(asked, engine->Ask(MakeRequest(3))->text);
}

TEST_F(RequestsTest, EndsWhenItIsCancelledOrItsTimeIsUp) {
  const auto engine = Open("");
  Request request = MakeRequest(0);
  request.max_tokens = 100;
  Ear ear;
  const auto cancelled = engine->Submit(request, ear.handler());
  engine->Cancel(*cancelled);
  EXPECT_EQ(ear.Wait(*cancelled)->finish_reason, FinishReason::kCancelled);
  engine->Cancel(*cancelled);  // it is gone
  engine->Cancel(12345);
  request.deadline_ms = 1;
  request.n = 64;
  const auto late = ear.Wait(*engine->Submit(request, ear.handler()));
  ASSERT_TRUE(late.ok()) << late.status().message();
  EXPECT_EQ(late->finish_reason, FinishReason::kDeadline);
  // A sink that says no: what it was shown is the answer.
  std::string shown;
  int calls = 0;
  request.deadline_ms = 0;
  request.n = 1;
  const auto stopped = engine->Ask(request, [&](std::string_view text) {
    shown += text;
    return ++calls < 3;
  });
  ASSERT_TRUE(stopped.ok());
  EXPECT_EQ(stopped->finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(stopped->text, shown);
  EXPECT_LT(stopped->generated.size(), 100u);
}

TEST_F(RequestsTest, ClosingTheEngineEndsWhatIsInFlight) {
  Ear ear;
  std::vector<RequestId> ids;
  {
    const auto engine = Open("");
    Request request = MakeRequest(0);
    request.max_tokens = 100;
    for (int i = 0; i < 5; ++i) ids.push_back(*engine->Submit(request, ear.handler()));
  }
  for (const RequestId id : ids) {
    const auto answer = ear.Wait(id);
    EXPECT_TRUE(answer.ok() || answer.code() == StatusCode::kCancelled);
  }
}

TEST_F(RequestsTest, SeveralAnswersOverOnePrompt) {
  const auto engine = Open("store");
  Request request = MakeRequest(5);
  request.n = 3;
  request.sampling.temperature = 1;
  request.sampling.seed = 41;
  request.max_tokens = 10;
  Ear ear;
  const RequestId id = *engine->Submit(request, ear.handler());
  const auto together = ear.Wait(id);
  ASSERT_TRUE(together.ok()) << together.status().message();
  ASSERT_EQ(together->others.size(), 2u);
  std::vector<Choice> choices = {*together};
  choices.insert(choices.end(), together->others.begin(), together->others.end());
  request.n = 1;
  for (size_t i = 0; i < choices.size(); ++i) {
    request.sampling.seed = 41 + i;
    const auto alone = engine->Ask(request);
    EXPECT_EQ(IdsOf(choices[i]), IdsOf(*alone));
    EXPECT_EQ(choices[i].text, ear.text(id, static_cast<int32_t>(i)));
    EXPECT_EQ(choices[i].seed, 41 + i);
  }
  EXPECT_NE(IdsOf(choices[0]), IdsOf(choices[1]));
}

TEST_F(RequestsTest, EarlierTurnsStandBetweenDocumentsAndQuestion) {
  const auto engine = Open("");
  Request request = MakeRequest(1);
  const auto first = engine->Ask(request);
  request.messages = {{Message::Role::kUser, "what is a crane?"},
                      {Message::Role::kAssistant, "A bird."}};
  request.want_prompt = true;
  const auto second = engine->Ask(request);
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_GT(second->usage.prompt_tokens, first->usage.prompt_tokens + 4);
  std::string prompt;
  for (const PromptToken& token : second->prompt) prompt += engine->TokenText(token.id);
  const size_t question = prompt.find("what is a crane?"), answer = prompt.find("A bird."),
               last = prompt.find(request.question);
  EXPECT_LT(question, answer);
  EXPECT_LT(answer, last);
  ASSERT_NE(last, std::string::npos) << prompt;
  request.messages.pop_back();
  EXPECT_EQ(engine->Ask(request).code(), StatusCode::kInvalidArgument);
}

TEST_F(RequestsTest, StopTextsEndAnAnswer) {
  const auto engine = Open("");
  Request request = MakeRequest(3);
  request.max_tokens = 30;
  const auto whole = engine->Ask(request);
  std::string word;  // that stands in it as it is
  for (size_t at = 2; at + 3 <= whole->text.size() && word.empty(); ++at) {
    const std::string three = whole->text.substr(at, 3);
    if (std::all_of(three.begin(), three.end(), [](char c) { return c >= ' ' && c <= 'z'; })) {
      word = three;
    }
  }
  ASSERT_FALSE(word.empty());
  request.stop = {word};
  const auto cut = engine->Ask(request);
  EXPECT_EQ(cut->finish_reason, FinishReason::kStop);
  EXPECT_EQ(cut->text, whole->text.substr(0, whole->text.find(word)));
}

TEST_F(RequestsTest, WaitsForRoomAndIsRefusedWhereThereIsNone) {
  const int64_t token = Open("")->model().kv_bytes_per_token;
  const auto engine = Open("", DType::kF32, 400 * token);
  Request request = MakeRequest(0);
  request.documents.clear();
  request.max_tokens = 150;
  Ear ear;
  std::vector<RequestId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(*engine->Submit(request, ear.handler()));
  const auto alone = Open("")->Ask(request);
  for (const RequestId id : ids) EXPECT_EQ(ear.Wait(id)->text, alone->text);
  request.n = 10;
  const auto refused = engine->Submit(request, ear.handler());
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_NE(refused.status().message().find("kv_budget_bytes"), std::string::npos);
}

// A long prompt alone gets long passes; what arrives meanwhile is served between its layers, and a
// cancelled one ends there.
TEST_F(RequestsTest, AShortRequestDoesNotWaitForALongPass) {
  testing::TinyModelOptions tiny;
  tiny.context = 8192;
  EngineOptions options;
  options.model_path = testing::WriteTinyModel(folder_.path(), tiny, "long");
  options.threads = 1;
  options.dtype = DType::kF32;
  const auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  Request longer;
  longer.question = "what of it?";
  longer.method = {MethodKind::kFull};
  longer.max_tokens = 2;
  Document document;
  while ((*engine)->CountTokens(document.text) < 6000)
    document.text += "words and more words of it ";
  longer.documents = {document};
  const Request shorter = MakeRequest(0);
  const auto long_alone = (*engine)->Ask(longer), short_alone = (*engine)->Ask(shorter);
  ASSERT_TRUE(long_alone.ok()) << long_alone.status().message();
  Ear ear;
  const RequestId first = *(*engine)->Submit(longer, ear.handler());
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const RequestId second = *(*engine)->Submit(shorter, ear.handler());
  const auto of_short = ear.Wait(second);
  ASSERT_TRUE(of_short.ok());
  EXPECT_EQ(ear.tokens(first), 0) << "the short one came later and ended first";
  EXPECT_EQ(IdsOf(*of_short), IdsOf(*short_alone));
  const auto of_long = ear.Wait(first);
  ASSERT_TRUE(of_long.ok());
  EXPECT_EQ(IdsOf(*of_long), IdsOf(*long_alone));
  EXPECT_EQ(of_long->generated[0].logprob, long_alone->generated[0].logprob);
  const RequestId third = *(*engine)->Submit(longer, ear.handler());
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  (*engine)->Cancel(third);
  EXPECT_EQ(ear.Wait(third)->finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(ear.tokens(third), 0);
}

TEST_F(RequestsTest, EncodingStopsWhenAsked) {
  const auto engine = Open("store");
  std::stop_source stop;
  stop.request_stop();
  Document document;
  document.text = "a text of some words that is not there yet";
  const auto encoded = engine->Encode(document, stop.get_token());
  EXPECT_EQ(encoded.code(), StatusCode::kCancelled);
  EXPECT_EQ(engine->Encode(document)->status, EncodeStatus::kComputed);
  EXPECT_EQ(engine->Encode(document)->status, EncodeStatus::kUnchanged);
}

}  // namespace
}  // namespace kvlink::engine
