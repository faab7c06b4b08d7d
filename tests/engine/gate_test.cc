// What an answer says of its links' quality, and when it is refused: with gates made by hand and
// recorded in real link files.
#include "links/gate.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kvlink/engine.h"
#include "links/link_file.h"
#include "model/config.h"
#include "support/tiny_model.h"

namespace kvlink::engine {
namespace {

enum class Gate { kNone, kPassed, kFellShort, kOtherModel, kOtherLinks, kEdited };

class EngineGateTest : public ::testing::Test {
 protected:
  std::string WriteLinks(Gate gate) {
    FileSystem& files = FileSystem::Posix();
    const auto file = formats::GgufFile::Open(files, model_);
    EXPECT_TRUE(file.ok());
    const auto config = model::ReadModelConfig(**file);
    EXPECT_TRUE(config.ok());
    links::Links links;
    links.k = 1;
    links.base = model::ModelFingerprint(**file, *config);
    links.embeddings.assign(static_cast<size_t>(config->width), 0.25f);
    std::string path = folder_ / "links.safetensors";
    EXPECT_TRUE(links::SaveLinks(files, path, links, *config, "").ok());
    if (gate == Gate::kNone) return path;
    const auto loaded = links::LoadLinks(files, path, *config, links.base);
    EXPECT_TRUE(loaded.ok());
    links::GateRecord record{.passed = gate != Gate::kFellShort,
                             .summary = "gate: recovers 0.970",
                             .figures = "{}",
                             .model = links.base,
                             .links = (*loaded)->content,
                             .data = {}};
    if (gate == Gate::kOtherModel) record.model[0] ^= 1;
    if (gate == Gate::kOtherLinks) record.links[0] ^= 1;
    auto text = links::SignedGate(record);
    EXPECT_TRUE(text.ok());
    if (gate == Gate::kEdited) text->replace(text->find("0.970"), 5, "0.990");
    EXPECT_TRUE(links::RecordGate(files, path, *text).ok());
    return path;
  }

  std::unique_ptr<Engine> Open(const std::string& links_path) {
    EngineOptions options;
    options.model_path = model_;
    options.links_path = links_path;
    options.threads = 1;
    auto engine = Engine::Open(options);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    return *std::move(engine);
  }

  static Request MakeRequest(const std::string& method) {
    Request request;
    request.question = "what of the harbour?";
    request.documents = {{"a", "Harbour", "Nine cranes.", ""}, {"b", "", "Green oil.", ""}};
    request.method = *ParseMethod(method);
    request.max_tokens = 2;
    return request;
  }

  // Warnings of a linked answer, and what the same request says when a gate is required.
  void ExpectConcern(Gate gate, const std::vector<std::string>& parts) {
    const auto engine = Open(WriteLinks(gate));
    Request request = MakeRequest("link");
    const auto answer = engine->Ask(request);
    ASSERT_TRUE(answer.ok()) << answer.status().message();
    ASSERT_EQ(answer->warnings.size(), 1u);
    EXPECT_EQ(answer->warnings[0], engine->model().why_not_gated);
    request.require_gate = true;
    const auto refused = engine->Ask(request);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
    for (const std::string& said : {answer->warnings[0], refused.status().message()}) {
      EXPECT_EQ(said.find('\n'), std::string::npos);
      for (const std::string& part : parts) {
        EXPECT_NE(said.find(part), std::string::npos) << part << " is not in: " << said;
      }
    }
    EXPECT_NE(refused.status().message().find("kvlink check --quality"), std::string::npos);
  }

  testing::TempDir folder_;
  std::string model_ = testing::WriteTinyModel(folder_.path(), {});
};

TEST_F(EngineGateTest, PassedSaysNothingAndIsAnswered) {
  const auto engine = Open(WriteLinks(Gate::kPassed));
  EXPECT_EQ(engine->model().why_not_gated, "");
  EXPECT_EQ(engine->model().gate, "gate: recovers 0.970");
  Request request = MakeRequest("link");
  request.require_gate = true;
  const auto answer = engine->Ask(request);
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_TRUE(answer->warnings.empty());
  EXPECT_GT(answer->usage.prompt_tokens, 0);
}

// The gate measured link alone.
TEST_F(EngineGateTest, TokensComputedAgainWereNotMeasured) {
  const auto engine = Open(WriteLinks(Gate::kPassed));
  const auto answer = engine->Ask(MakeRequest("link+epic:1"));
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  ASSERT_EQ(answer->warnings.size(), 1u);
  EXPECT_TRUE(
      answer->warnings[0].starts_with("method link+epic:1: the quality gate measured link"));
  const auto ungated = Open(WriteLinks(Gate::kNone));
  EXPECT_EQ(ungated->Ask(MakeRequest("link+epic:1"))->warnings,
            ungated->Ask(MakeRequest("link"))->warnings);
}

TEST_F(EngineGateTest, EveryOtherGateIsSaidOnceAndRefused) {
  ExpectConcern(Gate::kNone, {"not gated", "links.safetensors"});
  ExpectConcern(Gate::kFellShort, {"fell short: gate: recovers 0.970"});
  ExpectConcern(Gate::kOtherModel, {"not gated", "another base model"});
  ExpectConcern(Gate::kOtherLinks, {"not gated", "other links"});
  ExpectConcern(Gate::kEdited, {"not gated", "changed after it was signed"});
}

TEST_F(EngineGateTest, NoLinkFileIsRefusedToo) {
  const auto engine = Open("");
  Request request = MakeRequest("link");
  request.require_gate = true;
  const auto refused = engine->Ask(request);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.status().message().find("no link file"), std::string::npos);
}

// A refusal costs nothing: no document is encoded for it.
TEST_F(EngineGateTest, NothingIsEncodedForARefusal) {
  const auto engine = Open("");
  Request request = MakeRequest("link");
  request.require_gate = true;
  ASSERT_FALSE(engine->Ask(request).ok());
  request.require_gate = false;
  const auto answer = engine->Ask(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->document_uses[0].status, DocumentStatus::kComputed);
}

TEST_F(EngineGateTest, OnlyAnswersThatDependOnLinkingAreRefused) {
  const auto passed = Open(WriteLinks(Gate::kPassed));
  Request request = MakeRequest("reuse");
  request.require_gate = true;
  // What the gate measured is not this method.
  EXPECT_EQ(passed->Ask(request).code(), StatusCode::kFailedPrecondition);
  const auto none = Open("");
  request = MakeRequest("full");
  request.require_gate = true;
  EXPECT_TRUE(none->Ask(request).ok());
  request = MakeRequest("link");
  request.require_gate = true;
  request.documents.clear();
  EXPECT_TRUE(none->Ask(request).ok());
}

}  // namespace
}  // namespace kvlink::engine
