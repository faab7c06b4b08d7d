// Whole runs of the trainer's loop on a tiny model: a run that died goes on exactly, patience ends
// one, numbers that are not finite stop one and name the example, and bad data is refused by line.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "base/bytes.h"
#include "support/tiny_model.h"
#include "train/trainer.h"

namespace kvlink::train {
namespace {

using nlohmann::json;
using testing::TempDir;

std::string Id(int which) { return std::string("t").append(std::to_string(which)); }

std::string Question(const std::string& id, const std::string& question, const std::string& answer,
                     int which) {
  json line = {{"id", id}, {"question", question}, {"answers", {answer}}, {"gold", {1}}};
  for (const char* text : {"the mill of paper", "a tower and a lamp in the town", "on the river"}) {
    line["documents"].push_back(
        {{"title", "title " + std::to_string(which)}, {"text", text + std::to_string(which % 5)}});
  }
  return line.dump() + "\n";
}

testing::TinyModelOptions Sizes() {
  testing::TinyModelOptions sizes;
  sizes.context = 256;
  return sizes;
}

// One model for all tests of the program.
const std::string& Model() {
  static const TempDir* const kFolder = new TempDir();
  static const auto* const kPath =
      new std::string(testing::WriteTinyModel(kFolder->path(), Sizes()));
  return *kPath;
}

class Run : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string lines;
    for (int i = 0; i < 10; ++i) {
      lines += Question(Id(i), "what was there?", i % 2 == 0 ? "paper" : "a lamp", i);
    }
    Write("train.jsonl", lines);
    Write("valid.jsonl", Question("v", "what was in the town?", "a lamp", 3));
    options_.model = Model();
    options_.out = folder_ / "links.safetensors";
    options_.train = {folder_ / "train.jsonl"};
    options_.valid = {folder_ / "valid.jsonl"};
    options_.dtype = DType::kF32;
    options_.k = 2;
    options_.rank = 2;
    options_.batch = 4;  // the third step of an epoch takes two
    options_.micro_batch = 2;
    options_.epochs = 3;
    options_.checkpoint_every = 2;
    options_.valid_every = 5;
  }

  std::string Write(const std::string& name, const std::string& contents) {
    EXPECT_TRUE(WriteWholeFile(FileSystem::Posix(), folder_ / name, contents).ok());
    return folder_ / name;
  }
  std::string Read(const std::string& path) {
    auto text = ReadWholeFile(FileSystem::Posix(), path, 1 << 26);
    EXPECT_TRUE(text.ok()) << text.status().message();
    return text.ok() ? *text : "";
  }
  // What stands in a safetensors file behind its header: what was trained, not how.
  std::string Tensors(const std::string& path) {
    const std::string file = Read(path);
    uint64_t header = 0;
    EXPECT_GE(file.size(), sizeof header);
    if (file.size() >= sizeof header) std::memcpy(&header, file.data(), sizeof header);
    EXPECT_LT(sizeof header + header, file.size());
    return file.substr(std::min(file.size(), sizeof header + header));
  }
  // The log without what the clock says.
  std::vector<json> Log(const std::string& folder) {
    std::vector<json> lines;
    std::istringstream text(Read(folder + "/log.jsonl"));
    for (std::string line; std::getline(text, line);) {
      lines.push_back(json::parse(line));
      lines.back().erase("seconds");
    }
    return lines;
  }
  // A process that dies behind a step, as far as one process can play that.
  void DieAfter(TrainOptions options, int64_t step) {
    TrainProgress progress;
    progress.step = [step](const LoggedStep& logged) {
      if (logged.step == step) throw std::runtime_error("dies");
    };
    EXPECT_EQ(Train(options, progress).code(), StatusCode::kInternal);
  }
  Status Refusal(const TrainOptions& options) { return Train(options, {}).status(); }
  void ExpectRefused(const std::string& message) {
    const Status status = Refusal(options_);
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.message().find(message), std::string::npos) << status.message();
    EXPECT_EQ(status.message().find('\n'), std::string::npos) << status.message();
  }

  TempDir folder_;
  TrainOptions options_;
};

TEST_F(Run, GoesOnExactlyWhereverItDied) {
  const auto whole = Train(options_, {});
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  EXPECT_EQ(whole->steps, 9);
  EXPECT_EQ(whole->examples, 30);
  const std::vector<json> log = Log(folder_ / "links.run");
  ASSERT_EQ(log.size(), 11u);  // validations at 5 and 9
  const std::string links = Read(options_.out);

  for (const int64_t death : {3, 5, 8}) {
    TrainOptions options = options_;
    options.out = folder_ / "died" + std::to_string(death) + ".safetensors";
    DieAfter(options, death);
    // Death again in the same steps, and beyond.
    options.resume = true;
    options.run = DefaultRunFolder(options.out);
    if (death < 8) DieAfter(options, death + 1);
    TrainProgress progress;
    int64_t first = -1;
    progress.start = [&](const TrainStart& start) { first = start.first_step; };
    const auto resumed = Train(options, progress);
    ASSERT_TRUE(resumed.ok()) << resumed.status().message();
    EXPECT_GE(first, 2);
    EXPECT_LE(first, 8);
    EXPECT_EQ(Log(options.run), log);
    EXPECT_EQ(Read(options.out), links);
    EXPECT_EQ(resumed->examples, 30);
    EXPECT_EQ(resumed->loss, whole->loss);
    EXPECT_EQ(resumed->valid_loss, whole->valid_loss);
  }
}

TEST_F(Run, TokensComputedAgainGoOnExactly) {
  options_.methods = *ParseMethods("link,link+attention:0.4");
  options_.epochs = 1;
  const auto whole = Train(options_, {});
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  const std::string links = Read(options_.out);
  TrainOptions options = options_;
  options.out = folder_ / "died.safetensors";
  DieAfter(options, 3);
  options.resume = true;
  options.run = DefaultRunFolder(options.out);
  ASSERT_TRUE(Train(options, {}).ok());
  EXPECT_EQ(Read(options.out), links);
}

TEST_F(Run, AMixtureGoesOnExactly) {
  Write("text.txt", "the mill was on the river and the tower was in the town. it was there.");
  Write("chat.jsonl",
        R"({"messages": [{"role": "user", "content": "who was it?"},)"
        R"( {"role": "assistant", "content": "a tower"}, {"role": "user", "content": "and?"},)"
        R"( {"role": "assistant", "content": "a lamp"}]})"
        "\n");
  Write("summary.jsonl",
        R"({"dataset": "samsum", "question": "sum it up", "answers": ["a tower"], "documents":)"
        R"( [{"text": "one. two. three. four. five. six. seven. eight."}]})"
        "\n");
  options_.mix = Write("mix.json", R"({"parts": [
      {"data": "tr*n.jsonl", "weight": 1, "kind": "qa-segments"},
      {"data": "train.jsonl", "weight": 1, "kind": "qa-plain", "limit": 3},
      {"data": "text.txt", "weight": 1, "kind": "text"},
      {"data": "chat.jsonl", "weight": 1, "kind": "chat"},
      {"data": "chat.jsonl", "weight": 1, "kind": "chat-plain"},
      {"data": "summary.jsonl", "weight": 1, "kind": "summary", "piece_words": 3}]})");
  options_.train.clear();
  options_.epochs = 2;
  const auto whole = Train(options_, {});
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  EXPECT_EQ(whole->steps, 10);  // 17 examples: 5 steps an epoch
  EXPECT_EQ(whole->examples, 34);
  EXPECT_EQ(whole->skipped, 0);
  const std::vector<json> log = Log(folder_ / "links.run");
  TrainOptions options = options_;
  options.out = folder_ / "died.safetensors";
  DieAfter(options, 7);
  options.resume = true;
  ASSERT_TRUE(Train(options, {}).ok());
  EXPECT_EQ(Log(folder_ / "died.run"), log);
  EXPECT_EQ(Read(options.out), Read(options_.out));
}

TEST_F(Run, IsNotResumedUnderOtherOptionsOrData) {
  DieAfter(options_, 3);
  const std::string log = Read(folder_ / "links.run/log.jsonl");
  ExpectRefused("links.run holds a run already: --resume");
  options_.resume = true;
  TrainOptions good = options_;
  options_.seed = 9;
  ExpectRefused("cannot resume: --seed was 1 and is 9 now");
  options_ = good;
  const std::string data = Read(folder_ / "train.jsonl");
  Write("train.jsonl", data + Question("more", "what?", "that", 1));
  ExpectRefused("cannot resume: mixture was");
  Write("train.jsonl", data);
  testing::TinyModelOptions another = Sizes();
  another.seed = 2;
  options_.model = testing::WriteTinyModel(folder_.path(), another, "another");
  ExpectRefused("cannot resume: model was");
  options_ = good;
  // A refusal changes nothing: the run still goes on.
  EXPECT_EQ(Read(folder_ / "links.run/log.jsonl"), log);
  EXPECT_TRUE(Train(options_, {}).ok());
}

TEST_F(Run, ADamagedCheckpointIsRefused) {
  DieAfter(options_, 3);
  const std::string path = folder_ / "links.run/checkpoint";
  std::string bytes = Read(path);
  bytes[bytes.size() / 2] ^= 1;
  Write("links.run/checkpoint", bytes);
  options_.resume = true;
  ExpectRefused("checkpoint: damaged checkpoint: ");
}

TEST_F(Run, ACheckpointBeyondTheRunIsRefused) {
  DieAfter(options_, 3);
  const std::string path = folder_ / "links.run/checkpoint";
  options_.resume = true;
  for (const int64_t step : {int64_t{-1}, int64_t{1} << 62}) {
    auto c = LoadCheckpoint(FileSystem::Posix(), path);
    ASSERT_TRUE(c.ok()) << c.status().message();
    c->counters.step = step;
    ASSERT_TRUE(
        SaveCheckpoint(FileSystem::Posix(), path,
                       {c->counters, c->description, c->values, c->first, c->second, c->best})
            .ok());
    ExpectRefused("the checkpoint is at step " + std::to_string(step) + " of a run of ");
  }
}

TEST_F(Run, StopsWhenItIsAsked) {
  TrainProgress progress;
  int64_t steps = 0;
  progress.step = [&](const LoggedStep&) { ++steps; };
  progress.stop = [&] { return steps == 3; };
  const auto stopped = Train(options_, progress);
  EXPECT_EQ(stopped.code(), StatusCode::kCancelled);
  EXPECT_EQ(LoadRunCheckpoint(FileSystem::Posix(), folder_ / "links.run")->counters.step, 3);
}

TEST_F(Run, PatienceEndsItAndTheBestIsWritten) {
  options_.valid_every = 1;
  std::vector<LoggedValidation> seen;
  TrainProgress progress;
  progress.validation = [&](const LoggedValidation& v) { seen.push_back(v); };
  // Rates so high that what was learned in the first step is lost: validations get worse.
  options_.link_rate = options_.adapter_rate = 0.05;
  options_.epochs = 20;
  options_.patience = 2;
  const auto done = Train(options_, progress);
  ASSERT_TRUE(done.ok()) << done.status().message();
  ASSERT_TRUE(done->stopped_early) << "the rates are too low for this test";
  ASSERT_GE(seen.size(), 3u);
  const LoggedValidation& best = seen[seen.size() - 3];
  EXPECT_TRUE(best.best);
  EXPECT_FALSE(seen[seen.size() - 2].best);
  EXPECT_FALSE(seen.back().best);
  EXPECT_EQ(done->best_step, best.step);
  EXPECT_EQ(done->valid_loss, best.loss);
  EXPECT_EQ(done->steps, best.step + 2);
  const std::string written = Read(options_.out);

  // A run that stops at the best step writes the same numbers.
  TrainOptions until = options_;
  until.out = folder_ / "until.safetensors";
  DieAfter(until, best.step + 1);
  EXPECT_EQ(Tensors(until.out), Tensors(options_.out));
  // And one that had ended ends at once when it is resumed.
  options_.resume = true;
  int64_t steps = 0;
  TrainProgress count;
  count.step = [&](const LoggedStep&) { ++steps; };
  const auto again = Train(options_, count);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(steps, 0);
  EXPECT_EQ(Read(options_.out), written);
}

TEST_F(Run, ALossThatIsNoNumberNamesItsExample) {
  // The embedding of "~" is no number: every example that has one in its question is lost.
  testing::TinyModelOptions lost = Sizes();
  lost.tied = false;
  lost.lost_character = '~';
  options_.model = testing::WriteTinyModel(folder_.path(), lost, "lost");
  options_.link_start = "the";  // the mean of the vocabulary would be lost too
  options_.valid.clear();
  options_.epochs = 2;
  std::string lines;
  for (int i = 0; i < 10; ++i) {
    lines += Question(Id(i), i == 6 ? "what ~ there?" : "what was there?", "paper", i);
  }
  Write("train.jsonl", lines);
  options_.checkpoint_every = 1;
  options_.batch = 1;  // so that a checkpoint is written before
  int64_t last = 0;
  TrainProgress progress;
  progress.step = [&](const LoggedStep& step) { last = step.step; };
  const Status status = Train(options_, progress).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(status.message().starts_with(
      "step " + std::to_string(last + 1) +
      ": the loss is not a finite number, by example \"t6\" (" + folder_ / "train.jsonl:7); "))
      << status.message();
  if (last > 0) {
    const auto kept = LoadRunCheckpoint(FileSystem::Posix(), folder_ / "links.run");
    ASSERT_TRUE(kept.ok()) << kept.status().message();
    EXPECT_EQ(kept->counters.step, last);
    for (const float value : kept->values) ASSERT_TRUE(std::isfinite(value));
  }
  // Also among others of its micro-batch.
  options_.batch = 10;
  options_.micro_batch = 4;
  options_.run = folder_ / "batch.run";
  ExpectRefused("step 1: the loss is not a finite number, by example \"t6\"");
}

TEST_F(Run, RatesThatBreakItAreStopped) {
  options_.link_rate = 1e30;
  options_.adapter_rate = 1e30;
  options_.warmup = 0;
  options_.valid.clear();
  options_.checkpoint_every = 1;
  const Status status = Refusal(options_);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("is not a finite number, by example \"t"), std::string::npos)
      << status.message();
}

TEST_F(Run, BadDataIsRefusedByLineAndField) {
  const std::string good = Question("g", "what?", "that", 1);
  const auto refused = [&](const std::string& line, const std::string& message) {
    Write("train.jsonl", good + line + "\n");
    ExpectRefused("train.jsonl:2: field \"" + message);
  };
  refused(R"({"question": "q", "answers": [], "documents": [{"text": "t"}]})",
          "answers\": an array of strings expected, an empty array found");
  refused(R"({"question": "q", "answers": ["a"], "documents": [{"text": " "}]})",
          "documents[0].text\": a text or at least a title expected, two blank strings found");
  std::string endless;
  for (int i = 0; i < 300; ++i) endless += "x ";
  refused(json({{"id", "long"},
                {"question", "q"},
                {"answers", {endless}},
                {"documents", {{{"text", "t"}}}}})
              .dump(),
          "answers[0]\": fewer than 256 tokens expected (the model's context, or --max-tokens), ");
  Write("train.jsonl", "");
  ExpectRefused("examples expected, an empty file found");
  TrainOptions all = options_;
  options_.max_tokens = 1;
  Write("train.jsonl", R"({"text": "x"})");
  ExpectRefused("train.jsonl:1: field \"text\": a text of at least two tokens expected");
  options_ = all;
  options_.train.clear();
  ExpectRefused("nothing to train on: --data FILE.. or --mix FILE expected");
  options_.train = {folder_ / "none.jsonl"};
  ExpectRefused("none.jsonl");
  EXPECT_FALSE(FileSystem::Posix().Stat(folder_ / "links.run").ok()) << "a refusal left a folder";
}

TEST_F(Run, PromptsThatDoNotFitAreSkippedUnlessAllAre) {
  std::string endless;
  for (int i = 0; i < 300; ++i) endless += "x ";
  Write("train.jsonl", Question("long", endless, "a", 1) + Question("short", "q", "a", 1));
  std::vector<std::string> warnings;
  TrainProgress progress;
  progress.log = kvlink::Log([&](Severity severity, std::string_view text) {
    if (severity == Severity::kWarning) warnings.emplace_back(text);
  });
  options_.valid.clear();
  const auto done = Train(options_, progress);
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(done->skipped, 3);  // once an epoch
  EXPECT_EQ(done->examples, 3);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("train.jsonl:1: skipped"), std::string::npos) << warnings[0];

  Write("train.jsonl", Question("long", endless, "a", 1));
  options_.run = folder_ / "second.run";
  ExpectRefused("none of 1 examples fits into a prompt of 256 tokens");
  Write("train.jsonl", Question("short", "q", "a", 1));
  options_.valid = {Write("valid.jsonl", Question("long", endless, "a", 1))};
  options_.run = folder_ / "third.run";
  ExpectRefused("none of 1 validation examples fits");
}

TEST_F(Run, NeverWritesOverWhatItReads) {
  const TrainOptions good = options_;
  const auto refused = [&](const std::string& what) {
    ExpectRefused("is also " + what);
    options_ = good;
  };
  const std::string data = Read(folder_ / "train.jsonl");
  options_.out = folder_ / "./train.jsonl";
  refused("--data");
  options_.out = folder_ / "valid.jsonl";
  refused("--valid");
  options_.out = options_.model;
  refused("--model");
  ASSERT_EQ(symlink((folder_ / "valid.jsonl").c_str(), (folder_ / "linked").c_str()), 0);
  options_.out = folder_ / "linked";
  refused("--valid");
  options_.out_model = folder_ / "none/../links.safetensors";  // neither is there yet
  refused("--out");
  options_.out_model = folder_ / "train.jsonl";
  refused("--data");
  options_.start = options_.out;
  refused("--start");
  options_.train.clear();
  options_.mix = Write("mix.json", R"({"parts": [{"data": "train.jsonl", "weight": 1}]})");
  const TrainOptions mixed = options_;
  options_.out = options_.mix;
  refused("--mix");
  options_ = mixed;
  options_.out = folder_ / "train.jsonl";
  refused("the data");
  EXPECT_EQ(Read(folder_ / "train.jsonl"), data);
}

TEST_F(Run, TheFirstLineOfAFailureIsEnough) {
  TrainProgress progress;
  progress.step = [](const LoggedStep&) { throw std::runtime_error("dies\nframe #0: somewhere"); };
  EXPECT_EQ(Train(options_, progress).status().message(), "Torch failed: dies");
}

TEST_F(Run, OptionsOutOfRangeNameTheirFlag) {
  const TrainOptions good = options_;
  options_.batch = 0;
  ExpectRefused("--batch: at least 1 expected, 0 found");
  options_ = good;
  options_.epochs = -0.5;
  ExpectRefused("--epochs: a number above 0, at most 1000000 expected, -0.5 found");
  options_ = good;
  options_.valid.clear();
  options_.patience = 1;
  ExpectRefused("--patience counts validations");
  options_ = good;
  options_.valid_every = 0;
  options_.patience = 1;
  ExpectRefused("--patience counts validations: --valid-every above 0 expected");
  options_ = good;
  options_.epochs = 1e30;
  ExpectRefused("--epochs: a number above 0, at most 1000000 expected");
  options_.epochs = std::nan("");
  ExpectRefused("--epochs: a number above 0");
  options_ = good;
  options_.distill = std::nan("");
  ExpectRefused("--distill: a share from 0 to 1 expected");
  options_ = good;
  options_.scope = model::AdapterScope::kEverywhere;
  options_.document_prefix = "first";
  ExpectRefused("--scope everywhere sees no prefix before a document");
  options_ = good;
  options_.mode = TrainMode::kFull;
  options_.out_model = folder_ / "tuned.gguf";
  options_.document_prefix = "head";
  ExpectRefused("--mode full sees no prefix before a document");
  options_ = good;
  options_.methods = *ParseMethods("link,reuse");
  ExpectRefused("--methods: link or link+... expected (docs/methods.md), \"reuse\" found");
  options_.methods = *ParseMethods("link+epic:1");
  options_.attention = TrainAttention::kFull;
  ExpectRefused("--methods link+epic:1 computes tokens of blocks again");
  options_ = good;
  options_.mix = "mix.json";
  ExpectRefused("--data and --mix exclude each other");
}

}  // namespace
}  // namespace kvlink::train
