// Whole runs on a tiny model: the loss goes down, the file that is written serves the loss that was
// measured, and links alone or an adapter alone can be trained.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/file.h"
#include "formats/safetensors.h"
#include "kvlink/engine.h"
#include "train/example_prompt.h"
#include "train/tiny_training.h"
#include "train/trainer.h"

namespace kvlink::train {
namespace {

using nlohmann::json;
using testing::TinyExample;

constexpr int kExamples = 4;

class TrainingRun : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.model = testing::WriteTinyModel(folder_.path(), testing::TinySizes());
    options_.out = folder_ / "links.safetensors";
    std::string lines;
    for (int i = 0; i < kExamples; ++i) {
      const data::Example example = TinyExample(2, i);
      json line = {
          {"id", example.id}, {"question", example.question}, {"answers", example.answers}};
      for (const data::ExampleDocument& d : example.documents) {
        line["documents"].push_back({{"title", d.title}, {"text", d.text}});
      }
      lines += line.dump() + "\n";
    }
    const std::string data = folder_ / "data.jsonl";
    ASSERT_TRUE(WriteWholeFile(FileSystem::Posix(), data, lines).ok());
    options_.train = options_.valid = {data};
    options_.shuffle_documents = false;
    options_.dtype = DType::kF32;
    options_.out_dtype = DType::kF32;
    options_.k = 2;
    options_.rank = 4;
    options_.batch = 4;
    options_.epochs = 30;
    options_.adapter_rate = 2e-2;
    options_.valid_every = 0;
  }

  // The mean loss of the answers' tokens, as the engine measures it with the written file.
  double ServedLoss() {
    EngineOptions serving;
    serving.model_path = options_.mode == TrainMode::kFull ? options_.out_model : options_.model;
    serving.links_path = options_.out;
    serving.dtype = DType::kF32;
    auto engine = Engine::Open(serving);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    if (!engine.ok()) return -1;
    double total = 0;
    size_t tokens = 0;
    for (int i = 0; i < kExamples; ++i) {
      const data::Example example = TinyExample(2, i);
      Request request;
      request.question = example.question;
      request.gold = example.answers[0];
      request.max_tokens = 1;
      request.method = options_.methods.back();
      if (options_.attention == TrainAttention::kFull) request.method = {MethodKind::kFullAdapter};
      for (const data::ExampleDocument& d : example.documents) {
        request.documents.push_back({"", d.title, d.text, ""});
      }
      const auto answer = (*engine)->Ask(request);
      EXPECT_TRUE(answer.ok()) << answer.status().message();
      for (const float logprob : answer->gold_logprobs) total -= logprob;
      tokens += answer->gold_logprobs.size();
    }
    return total / static_cast<double>(tokens);
  }

  // The first step's loss and the summary of the run.
  std::pair<double, TrainSummary> Run() {
    double first = -1;
    TrainProgress progress;
    progress.step = [&](const auto& report) {
      if (report.step == 1) first = report.loss;
    };
    const auto summary = Train(options_, progress);
    EXPECT_TRUE(summary.ok()) << summary.status().message();
    return {first, summary.ok() ? *summary : TrainSummary()};
  }

  testing::TempDir folder_;
  TrainOptions options_;
};

// A few examples, seen often: they must be learned by heart, and served so.
TEST_F(TrainingRun, TheFileServesTheLossThatWasMeasured) {
  const auto [first, summary] = Run();
  EXPECT_GT(first, 3);  // a vocabulary of some 300, nothing known of it
  EXPECT_LT(summary.valid_loss, 0.5 * first);
  EXPECT_NEAR(ServedLoss(), summary.valid_loss, 1e-3);
}

// A file of bf16 has half the bytes, and nearly the same loss.
TEST_F(TrainingRun, ABf16FileServesNearlyTheSame) {
  options_.epochs = 10;
  Run();
  const int64_t bytes = FileSystem::Posix().Stat(options_.out)->size_bytes;
  options_.out_dtype = DType::kBF16;
  options_.out = folder_ / "narrow.safetensors";
  const auto [first, summary] = Run();
  EXPECT_LT(FileSystem::Posix().Stat(options_.out)->size_bytes, 0.65 * bytes);
  EXPECT_NEAR(ServedLoss(), summary.valid_loss, 0.05);
}

TEST_F(TrainingRun, TheFileSaysWhereItComesFrom) {
  options_.epochs = 2;
  options_.seed = 17;
  const auto [first, summary] = Run();
  const auto file = formats::SafetensorsFile::Open(FileSystem::Posix(), options_.out);
  ASSERT_TRUE(file.ok());
  const std::string text = (*file)->metadata().find("provenance")->second;
  const json found = json::parse(text);
  const auto data = ReadWholeFile(FileSystem::Posix(), options_.train[0], 1 << 20);
  const std::string hash = ToHex(Sha256().Update(AsBytes(*data)).Finish());
  ASSERT_EQ(found["data"].size(), 2u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(found["data"][i], json({{"file", "data.jsonl"},
                                      {"sha256", hash},
                                      {"examples", kExamples},
                                      {"use", i == 0 ? "training" : "validation"}}));
  }
  EXPECT_EQ(text.find(folder_.path()), std::string::npos);
  EXPECT_EQ(found["hyperparameters"]["rank"], 4);
  EXPECT_EQ(found["hyperparameters"]["methods"], "link");
  EXPECT_EQ(found["hyperparameters"]["compute"], "f32");
  EXPECT_EQ(found["seed"], 17);
  EXPECT_EQ(found["steps"], 2);
  EXPECT_EQ(found["examples"], 2 * kExamples);
  EXPECT_NEAR(found["loss"].get<double>(), summary.loss, 1e-4);
  EXPECT_NEAR(found["valid_loss"].get<double>(), summary.valid_loss, 1e-4);
  EXPECT_EQ(found["best_step"], summary.best_step);
  EXPECT_TRUE(found["program"].get<std::string>().starts_with("kvlink-train "));
}

TEST_F(TrainingRun, StartsFromALinkFile) {
  ASSERT_TRUE(Train(options_, {}).ok());
  const double learned = ServedLoss();
  options_.start = options_.out;
  options_.out = folder_ / "on.safetensors";
  options_.epochs = 1;
  options_.adapter_rate = options_.link_rate = 1e-9;
  ASSERT_TRUE(Train(options_, {}).ok());
  EXPECT_NEAR(ServedLoss(), learned, 1e-4);
  options_.k = 1;
  options_.out = folder_ / "other.safetensors";
  EXPECT_NE(Train(options_, {}).status().message().find("has K 2, and what is to be trained has 1"),
            std::string::npos);
  options_.k = 2;
  options_.rank = 3;
  EXPECT_NE(Train(options_, {}).status().message().find("rank 4"), std::string::npos);
}

TEST_F(TrainingRun, TokensComputedAgainAreServedSo) {
  options_.methods = *ParseMethods("link+attention:0.4");
  const auto [first, summary] = Run();
  EXPECT_LT(summary.loss, 0.5 * first);
  EXPECT_NEAR(summary.valid_loss, ServedLoss(), 1e-3);
}

// Half of the examples, another half in another pass, and the same whoever asks.
TEST_F(TrainingRun, MethodsAreDrawn) {
  options_.methods = *ParseMethods("link,link+epic:1");
  int again = 0, changed = 0;
  std::map<int32_t, int> again_by_place;  // of the gold document: the order is drawn too
  options_.shuffle_documents = true;
  TrainingPart part;
  part.kind = PartKind::kQaSegments;
  for (int i = 0; i < 400; ++i) {
    data::Example example = TinyExample(3);
    example.id = std::to_string(i);
    example.gold = {0};
    const Method& method = DrawnMethod(options_, example, 0);
    EXPECT_EQ(&method, &DrawnMethod(options_, example, 0));
    again += Name(method) == "link+epic:1" ? 1 : 0;
    again_by_place[Arranged(example, part, options_, 0).gold[0]] +=
        Name(method) == "link+epic:1" ? 1 : 0;
    changed += &method != &DrawnMethod(options_, example, 1) ? 1 : 0;
  }
  EXPECT_NEAR(again, 200, 60);
  EXPECT_NEAR(changed, 200, 60);
  ASSERT_EQ(again_by_place.size(), 3u);
  for (const auto& [place, count] : again_by_place) EXPECT_NEAR(count, 67, 30) << place;
}

TEST_F(TrainingRun, LinksOnly) {
  options_.rank = 0;
  options_.k = 5;
  options_.link_rate = 0.1;
  const auto [first, summary] = Run();
  EXPECT_LT(summary.valid_loss, 0.8 * first);
  EXPECT_NEAR(ServedLoss(), summary.valid_loss, 1e-3);
}

TEST_F(TrainingRun, AdapterOnly) {
  options_.k = 0;
  const auto [first, summary] = Run();
  EXPECT_LT(summary.valid_loss, 0.5 * first);
  EXPECT_NEAR(ServedLoss(), summary.valid_loss, 1e-3);
}

TEST_F(TrainingRun, SetsOfLinksForSlots) {
  options_.slots = 2;
  options_.epochs = 5;
  const auto [first, summary] = Run();
  EXPECT_LT(summary.valid_loss, first);
  EXPECT_NEAR(ServedLoss(), summary.valid_loss, 1e-3);
}

TEST_F(TrainingRun, FullAttentionIsServedAsFullWithItsAdapter) {
  options_.attention = TrainAttention::kFull;
  options_.epochs = 10;
  const auto [first, summary] = Run();
  EXPECT_LT(summary.valid_loss, first);
  EXPECT_NEAR(ServedLoss(), summary.valid_loss, 1e-3);
}

TEST_F(TrainingRun, DistillationRuns) {
  options_.distill = 0.5;
  options_.epochs = 10;
  const auto [first, summary] = Run();
  EXPECT_LT(summary.valid_loss, first);  // cross-entropy alone, with or without a teacher
  EXPECT_NEAR(ServedLoss(), summary.valid_loss, 1e-3);
}

// The model that is written is another one, the link file belongs to it, and the two serve the loss
// that was measured.
TEST_F(TrainingRun, FullFineTuningWritesAModelAndItsLinks) {
  options_.mode = TrainMode::kFull;
  options_.out_model = folder_ / "tuned.gguf";
  options_.adapter_rate = options_.link_rate = 3e-3;
  const auto [first, summary] = Run();
  EXPECT_LT(summary.valid_loss, 0.5 * first);
  EXPECT_NEAR(ServedLoss(), summary.valid_loss, 1e-3);
  const auto file = formats::SafetensorsFile::Open(FileSystem::Posix(), options_.out);
  ASSERT_TRUE(file.ok());
  const json found = json::parse((*file)->metadata().find("provenance")->second);
  EXPECT_EQ(found["hyperparameters"]["mode"], "full");
  EXPECT_TRUE(found["hyperparameters"]["rank"].is_null());  // there is no adapter
  EXPECT_TRUE(found["hyperparameters"]["alpha"].is_null());
  EngineOptions wrong;
  wrong.model_path = options_.model;
  wrong.links_path = options_.out;
  const auto engine = Engine::Open(wrong);
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.status().message().find("another base model"), std::string::npos);
}

TEST_F(TrainingRun, NothingToTrainIsRefused) {
  options_.k = options_.rank = 0;
  const auto summary = Train(options_, {});
  ASSERT_FALSE(summary.ok());
  EXPECT_NE(summary.status().message().find("--rank"), std::string::npos);
}

}  // namespace
}  // namespace kvlink::train
