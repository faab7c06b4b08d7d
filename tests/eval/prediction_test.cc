// The log of predictions: lines as they are read back, a kill in the middle of one, and lines that
// are none.
#include "eval/prediction.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <string>

#include "support/tiny_model.h"

namespace kvlink::eval {
namespace {

Prediction Make(const std::string& id, const std::string& method = "link") {
  Prediction p;
  p.id = id;
  p.dataset = "set";
  p.method = method;
  p.text = "nine \"cranes\"\n\u00e9";
  p.gold_loss = 1.0 / 3;
  p.scores = {1, 0, 2.0 / 3, {}};
  p.answer_tokens = 5;
  p.computed_tokens = 70;
  p.ttft_ms = 12.25;
  return p;
}

std::string Contents(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path, std::ios::binary).rdbuf();
  return all.str();
}

void Write(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary) << contents;
}

PredictionLog Opened(const std::string& path) {
  auto log = PredictionLog::Open(path);
  EXPECT_TRUE(log.ok()) << log.status().message();
  return log.ok() ? *std::move(log) : PredictionLog();
}

TEST(Prediction, LineToTheLetter) {
  EXPECT_EQ(ToJsonLine(Make("q")),
            "{\"id\":\"q\",\"dataset\":\"set\",\"method\":\"link\","
            "\"prediction\":\"nine \\\"cranes\\\"\\n\u00e9\",\"gold_loss\":0.3333333333333333,"
            "\"scores\":{\"subspan_em\":1.0,\"em\":0.0,\"f1\":0.6666666666666666,\"rouge_l\":null},"
            "\"answer_tokens\":5,\"computed_tokens\":70,\"ttft_ms\":12.25}\n");
}

TEST(Prediction, ReadBackAsItWas) {
  const Prediction p = Make("q");
  const auto read = PredictionFromJson(ToJsonLine(p));
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(ToJsonLine(*read), ToJsonLine(p));
  EXPECT_EQ(read->text, p.text);
  EXPECT_EQ(read->gold_loss, p.gold_loss);
  EXPECT_EQ(read->scores.f1, p.scores.f1);
  EXPECT_FALSE(read->scores.rouge_l.has_value());
  EXPECT_EQ(read->gold_position, -1);
}

TEST(Prediction, ThePlaceOfTheGoldDocument) {
  Prediction p = Make("q");
  p.gold_position = 3;
  EXPECT_NE(ToJsonLine(p).find(",\"gold_position\":3}"), std::string::npos);
  const auto read = PredictionFromJson(ToJsonLine(p));
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->gold_position, 3);
  PredictionLog log = Opened("");
  ASSERT_TRUE(log.Add(p).ok());
  EXPECT_TRUE(log.Has("set", "q", "link", 3));
  EXPECT_FALSE(log.Has("set", "q", "link", 2));
  EXPECT_FALSE(log.Has("set", "q", "link"));
}

TEST(Prediction, BytesThatAreNoUtf8MakeALineAllTheSame) {
  Prediction p = Make("q");
  p.text = "half a letter: \xc3";
  const auto read = PredictionFromJson(ToJsonLine(p));
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->text, "half a letter: \ufffd");
}

TEST(PredictionLog, GoesOnWhereItStopped) {
  const testing::TempDir folder;
  const std::string path = folder / "predictions.jsonl";
  {
    PredictionLog log = Opened(path);
    ASSERT_TRUE(log.Add(Make("1")).ok());
    ASSERT_TRUE(log.Add(Make("2")).ok());
  }
  PredictionLog log = Opened(path);
  EXPECT_EQ(log.all().size(), 2u);
  EXPECT_TRUE(log.Has("set", "1", "link"));
  EXPECT_FALSE(log.Has("set", "3", "link"));
  EXPECT_FALSE(log.Has("set", "1", "full"));
  EXPECT_FALSE(log.Has("other", "1", "link"));
  ASSERT_TRUE(log.Add(Make("3")).ok());
  EXPECT_TRUE(log.Has("set", "3", "link"));
  EXPECT_EQ(Opened(path).all().size(), 3u);
}

// The writer may be killed behind any byte of its last line.
TEST(PredictionLog, ALineCutByAKillIsWrittenAgain) {
  const testing::TempDir folder;
  const std::string path = folder / "predictions.jsonl";
  const std::string whole = ToJsonLine(Make("1")) + ToJsonLine(Make("2"));
  const size_t first = ToJsonLine(Make("1")).size();
  for (size_t size = 0; size < whole.size(); ++size) {
    Write(path, whole.substr(0, size));
    PredictionLog log = Opened(path);
    ASSERT_EQ(log.all().size(), size < first ? 0u : 1u) << size;
    for (const char* id : {"1", "2"}) {
      if (!log.Has("set", id, "link")) {
        ASSERT_TRUE(log.Add(Make(id)).ok());
      }
    }
    ASSERT_EQ(Contents(path), whole) << size;
  }
}

TEST(PredictionLog, RefusesLinesThatAreNoPredictions) {
  const testing::TempDir folder;
  const std::string path = folder / "predictions.jsonl";
  const std::string good = ToJsonLine(Make("1"));
  const auto without = [&](const std::string& part, const std::string& instead) {
    std::string line = good;
    const size_t at = line.find(part);
    EXPECT_NE(at, line.npos) << part;
    return line.replace(at, part.size(), instead);
  };
  const std::pair<std::string, const char*> lines[] = {
      {"{\"question\":\"?\"}\n", "\"id\""},
      {"not JSON\n", "a JSON object"},
      {"\n", "a JSON object"},
      {"[1]\n", "a JSON object"},
      {std::string("\0\0\0\n", 4), "a JSON object"},
      {"\xff\xfe\n", "a JSON object"},
      {good.substr(0, 40) + "\n", "a JSON object"},
      {without("\"id\":\"1\"", "\"id\":1"), "\"id\""},
      {without("0.3333333333333333", "null"), "\"gold_loss\""},
      {without("12.25", "\"fast\""), "\"ttft_ms\""},
      {without(":70", ":70.5"), "\"computed_tokens\""},
      {without("\"f1\":0.6666666666666666", "\"f1\":\"good\""), "\"scores\""},
      {without("\"ttft_ms\"", "\"gold_position\":-1,\"ttft_ms\""), "\"gold_position\""},
      {without("\"ttft_ms\"", "\"gold_position\":1e99,\"ttft_ms\""), "\"gold_position\""},
      {without("\"scores\"", "\"points\""), "\"scores\""}};
  for (const auto& [line, says] : lines) {
    Write(path, good + line + good);
    const auto log = PredictionLog::Open(path);
    ASSERT_FALSE(log.ok()) << line;
    EXPECT_EQ(log.code(), StatusCode::kDataLoss);
    const std::string& message = log.status().message();
    EXPECT_EQ(message.find('\n'), message.npos) << message;
    for (const std::string& part : {path + ":2: ", std::string(says), std::string("--out")}) {
      EXPECT_NE(message.find(part), message.npos) << message;
    }
    EXPECT_EQ(Contents(path), good + line + good);  // nothing of it was touched
  }
}

TEST(PredictionLog, CannotBeWritten) {
  const testing::TempDir folder;
  const auto log = PredictionLog::Open(folder / "missing/predictions.jsonl");
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.code(), StatusCode::kUnavailable);
}

// A limit on file sizes stands for a full disk: the line fits in part only.
TEST(PredictionLog, FullDisk) {
  const testing::TempDir folder;
  const std::string path = folder / "predictions.jsonl";
  const std::string line = ToJsonLine(Make("1"));
  PredictionLog log = Opened(path);
  ASSERT_TRUE(log.Add(Make("1")).ok());
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {line.size() + 20, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = log.Add(Make("2"));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("same command again"), std::string::npos) << status.message();
  EXPECT_FALSE(log.Has("set", "2", "link"));
  EXPECT_EQ(Contents(path), line + ToJsonLine(Make("2")).substr(0, 20));
  PredictionLog again = Opened(path);  // space was made
  EXPECT_EQ(again.all().size(), 1u);
  ASSERT_TRUE(again.Add(Make("2")).ok());
  EXPECT_EQ(Opened(path).all().size(), 2u);
}

TEST(PredictionLog, InMemoryOnly) {
  PredictionLog log = Opened("");
  ASSERT_TRUE(log.Add(Make("1")).ok());
  EXPECT_TRUE(log.Has("set", "1", "link"));
}

}  // namespace
}  // namespace kvlink::eval
