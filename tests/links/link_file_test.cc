// Link files: what is saved is what is loaded, in every form of link tokens, and every refusal
// names the file, the field, what was expected and what was found. Adapters: link_adapter_test.cc.
#include "links/link_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "formats/safetensors.h"
#include "links/gate.h"
#include "links/link_file_fixture.h"

namespace kvlink::links {
namespace {

using testing::FakeFingerprint;
using testing::LinkFileTest;
using testing::SmallConfig;

TEST_F(LinkFileTest, SharedEmbeddingsComeBack) {
  const Links saved = SmallLinks();
  const auto loaded = SaveAndLoad(saved);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->path, path_);
  EXPECT_EQ(loaded->k, 2);
  EXPECT_EQ(loaded->slots, 1);
  EXPECT_EQ(loaded->embeddings, saved.embeddings);
  EXPECT_TRUE(loaded->token_ids.empty());
  EXPECT_EQ(loaded->base, FakeFingerprint());
  EXPECT_FALSE(loaded->prompt_template.has_value());
  EXPECT_FALSE(loaded->adapter.has_value());
  EXPECT_FALSE(loaded->gate.measured);
  EXPECT_TRUE(loaded->warnings.empty());
  // Every slot takes the same rows.
  EXPECT_EQ(loaded->IndexOf(0, 1), 1);
  EXPECT_EQ(loaded->IndexOf(39, 1), 1);
}

TEST_F(LinkFileTest, EmbeddingsPerSlotComeBackAndLateSlotsShareTheLast) {
  Links saved = SmallLinks();
  saved.slots = 3;
  saved.embeddings.resize(3 * 2 * SmallConfig().width);
  for (size_t i = 0; i < saved.embeddings.size(); ++i) saved.embeddings[i] = 0.5f * i;
  const auto loaded = SaveAndLoad(saved);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->slots, 3);
  EXPECT_EQ(loaded->embeddings, saved.embeddings);
  EXPECT_EQ(loaded->IndexOf(2, 0), 4);
  EXPECT_EQ(loaded->IndexOf(7, 1), 5);
}

TEST_F(LinkFileTest, TokenIdsComeBack) {
  Links saved;
  saved.k = 2;
  saved.slots = 2;
  saved.token_ids = {90, 91, 92, 93};
  saved.base = FakeFingerprint();
  const auto loaded = SaveAndLoad(saved);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->k, 2);
  EXPECT_EQ(loaded->slots, 2);
  EXPECT_EQ(loaded->token_ids, saved.token_ids);
  EXPECT_TRUE(loaded->embeddings.empty());
}

TEST_F(LinkFileTest, NoLinkTokensAtAll) {
  Links saved;
  saved.base = FakeFingerprint();
  const auto loaded = SaveAndLoad(saved);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->k, 0);
  EXPECT_TRUE(loaded->embeddings.empty());
  EXPECT_TRUE(loaded->token_ids.empty());
}

TEST_F(LinkFileTest, TemplateAndProvenanceComeBack) {
  Links saved = SmallLinks();
  saved.prompt_template = text::Llama3Template();
  ASSERT_EQ(Message(SaveLinks(Files(), path_, saved, SmallConfig(), R"({"steps": 600})")), "");
  const auto loaded = Load();
  ASSERT_NE(loaded, nullptr);
  ASSERT_TRUE(loaded->prompt_template.has_value());
  EXPECT_EQ(text::TemplateToJson(*loaded->prompt_template),
            text::TemplateToJson(text::Llama3Template()));
  const auto file = formats::SafetensorsFile::Open(Files(), path_);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->metadata().find("provenance")->second, R"({"steps": 600})");
}

TEST_F(LinkFileTest, AnyBaseIsLoadedForEveryModelAndWarned) {
  Links saved = SmallLinks();
  saved.base = {};
  const auto loaded = SaveAndLoad(saved);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->base, Sha256Digest{});
  ASSERT_EQ(loaded->warnings.size(), 1u);
  EXPECT_NE(loaded->warnings[0].find(path_), std::string::npos);
  EXPECT_NE(loaded->warnings[0].find("base"), std::string::npos);
}

TEST_F(LinkFileTest, NarrowTypesAreReadAsTheirNumbers) {
  Parts parts = SmallParts();
  parts.tensors["link_embeddings"].dtype = "BF16";
  parts.tensors["link_embeddings"].values.assign(2 * 8, 1.0f / 3);
  const auto loaded = Load(parts);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->embeddings, std::vector<float>(16, 0.333984375f));
}

// The format as bytes: this test fails when the writer's output changes in any way.
TEST_F(LinkFileTest, GoldenBytes) {
  Links links;
  links.k = 1;
  links.base = FakeFingerprint();
  model::ModelConfig config = SmallConfig();
  config.width = 2;
  links.embeddings = {1.0f, -2.5f};
  ASSERT_EQ(Message(SaveLinks(Files(), path_, links, config, "")), "");
  const auto bytes = ReadWholeFile(Files(), path_, 1 << 20);
  ASSERT_TRUE(bytes.ok());
  std::string header =
      R"({"__metadata__":{"base":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",)"
      R"("format":"kvlink-links","k":"1","version":"1"},)"
      R"("link_embeddings":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  while (header.size() % 8 != 0) header += ' ';
  std::string expected;
  AppendValue(&expected, static_cast<uint64_t>(header.size()));
  expected += header;
  expected.append("\x00\x00\x80\x3f\x00\x00\x20\xc0", 8);
  EXPECT_EQ(*bytes, expected);
}

TEST_F(LinkFileTest, GoldenBytesOfBf16) {
  Links links;
  links.k = 1;
  links.base = FakeFingerprint();
  model::ModelConfig config = SmallConfig();
  config.width = 2;
  links.embeddings = {1.0f / 3, -2.5f};
  ASSERT_EQ(Message(SaveLinks(Files(), path_, links, config, "", DType::kBF16)), "");
  const auto bytes = ReadWholeFile(Files(), path_, 1 << 20);
  ASSERT_TRUE(bytes.ok());
  EXPECT_NE(bytes->find(R"("dtype":"BF16","shape":[1,2],"data_offsets":[0,4])"), std::string::npos);
  EXPECT_EQ(bytes->substr(bytes->size() - 4), std::string("\xab\x3e\x20\xc0", 4));
}

TEST_F(LinkFileTest, Bf16ComesBackRoundedAndSavedAgainIsTheSame) {
  Links links = SmallLinks();
  for (float& value : links.embeddings) value += 0.001f;
  ASSERT_EQ(Message(SaveLinks(Files(), path_, links, SmallConfig(), "", DType::kBF16)), "");
  const auto loaded = Load();
  ASSERT_NE(loaded, nullptr);
  for (size_t i = 0; i < links.embeddings.size(); ++i) {
    EXPECT_EQ(loaded->embeddings[i], FromBf16(ToBf16(links.embeddings[i])));
  }
  ASSERT_EQ(Message(SaveLinks(Files(), path_, *loaded, SmallConfig(), "", DType::kBF16)), "");
  const auto again = Load();
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->hash, loaded->hash);
}

TEST_F(LinkFileTest, WhatBf16CannotHoldIsNotSaved) {
  Links links = SmallLinks();
  links.embeddings[3] = std::numeric_limits<float>::max();  // rounds to infinity
  const Status status = SaveLinks(Files(), path_, links, SmallConfig(), "", DType::kBF16);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  ExpectHasAll(status.message(), {"link_embeddings", "bf16", "index 3"});
  EXPECT_FALSE(Files().Stat(path_).ok());
}

TEST_F(LinkFileTest, TheHashIsOfTheWholeFile) {
  const auto first = SaveAndLoad(SmallLinks());
  const auto again = SaveAndLoad(SmallLinks());
  Links other = SmallLinks();
  other.embeddings.back() = std::nextafter(other.embeddings.back(), 100.0f);
  const auto changed = SaveAndLoad(other);
  ASSERT_TRUE(first && again && changed);
  EXPECT_EQ(first->hash, again->hash);
  EXPECT_NE(first->hash, changed->hash);
  const auto bytes = ReadWholeFile(Files(), path_, 1 << 20);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(changed->hash, Sha256().Update(AsBytes(*bytes)).Finish());
}

// One field of a good file is changed; the file must be refused with a message that has all of
// `parts`. An empty value: the field is taken away.
struct Refusal {
  std::string name;
  std::string field, value;
  StatusCode code;
  std::vector<std::string> parts;
};

class LinkFileRefusalTest : public LinkFileTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(LinkFileRefusalTest, NamesFieldExpectedAndFound) {
  Parts parts = SmallParts();
  parts.metadata[GetParam().field] = GetParam().value;
  if (GetParam().value.empty()) parts.metadata.erase(GetParam().field);
  ExpectRefused(parts, GetParam().code, GetParam().parts);
}

// The JSON library would walk it recursively, which no stack holds.
TEST_F(LinkFileTest, DeepJsonIsRefused) {
  constexpr int kDepth = 200000;
  const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
  for (const char* field : {"gate", "provenance", "adapter", "template", "token_ids"}) {
    Parts parts = SmallParts();
    if (field == std::string("token_ids")) parts.tensors.clear();
    for (const std::string& value : {deep, R"({"summary":)" + deep + "}"}) {
      parts.metadata[field] = value;
      ExpectRefused(parts, StatusCode::kInvalidArgument, {field});
    }
  }
}

constexpr StatusCode kBad = StatusCode::kInvalidArgument;
constexpr StatusCode kPrecondition = StatusCode::kFailedPrecondition;

INSTANTIATE_TEST_SUITE_P(
    Metadata, LinkFileRefusalTest,
    ::testing::Values(
        Refusal{
            "NoFormat", "format", "", kBad, {"not a link file", "kvlink-links", "no such field"}},
        Refusal{"FormatOfPeft", "format", "pt", kBad, {"not a link file", "\"pt\""}},
        Refusal{"NoVersion", "version", "", kBad, {"\"version\"", "no such field"}},
        Refusal{"NewerVersion", "version", "2", kPrecondition, {"expected 1", "found 2", "update"}},
        Refusal{"VersionZero", "version", "0", kBad, {"\"version\"", "\"0\""}},
        Refusal{"VersionOfWords", "version", "1.0", kBad, {"\"version\"", "\"1.0\""}},
        Refusal{"NoK", "k", "", kBad, {"\"k\"", "no such field"}},
        Refusal{"NegativeK", "k", "-1", kBad, {"\"k\"", "0 to 64", "\"-1\""}},
        Refusal{"LargeK", "k", "65", kBad, {"\"k\"", "0 to 64", "\"65\""}},
        Refusal{"HugeK", "k", "99999999999999999999", kBad, {"\"k\"", "9999"}},
        Refusal{"SpacedK", "k", " 2", kBad, {"\"k\"", "\" 2\""}},
        Refusal{"AnotherK", "k", "3", kBad, {"link_embeddings", "[3, 8]", "[2, 8]"}},
        Refusal{"KZeroWithEmbeddings", "k", "0", kBad, {"none", "\"k\" is 0", "link_embeddings"}},
        Refusal{"NoBase", "base", "", kBad, {"\"base\"", "no such field"}},
        Refusal{"ShortBase", "base", "00ff", kBad, {"\"base\"", "64 hex digits", "\"00ff\""}},
        Refusal{"BaseOfZeros", "base", std::string(64, '0'), kBad, {"\"base\"", "64 hex digits"}},
        Refusal{"AnotherBase",
                "base",
                std::string(64, 'a'),
                kPrecondition,
                {"fingerprint 000102", "found aaaaaaaa", "another base model", "--links none"}},
        Refusal{"UnknownField", "adaptor", "{}", kBad, {"unknown field", "\"adaptor\""}},
        Refusal{"IdsBesideEmbeddings", "token_ids", "[1, 2]", kBad, {"token_ids", "both"}},
        Refusal{"TemplateNotJson", "template", "{", kBad, {"\"template\""}},
        Refusal{"TemplateWithoutFields", "template", "{}", kBad, {"\"template\"", "name"}},
        Refusal{"GateNotJson", "gate", "passed", kBad, {"\"gate\"", "JSON object", "\"passed\""}},
        Refusal{"GateWithoutSummary",
                "gate",
                R"({"measured":true,"passed":true})",
                kBad,
                {"\"gate\"", "summary: string"}},
        Refusal{"GateOfNumbers",
                "gate",
                R"({"measured":1,"passed":1,"summary":""})",
                kBad,
                {"\"gate\"", "measured: bool"}},
        Refusal{"GatePassedUnmeasured",
                "gate",
                R"({"measured":false,"passed":true,"summary":"fine"})",
                kBad,
                {"\"gate\"", "measured"}},
        Refusal{"GateThatSteersTheTerminal",
                "gate",
                R"({"measured":true,"passed":true,"summary":"\u001b[2J"})",
                kBad,
                {"\"summary\"", "printable", "\\x1b"}},
        Refusal{"GateWithC1Controls",
                "gate",
                R"({"measured":true,"passed":true,"summary":"\u009b2J"})",
                kBad,
                {"\"summary\"", "printable", "\\xc2\\x9b"}},
        Refusal{"GateOfTwoLines",
                "gate",
                R"({"measured":true,"passed":true,"summary":"a\nb"})",
                kBad,
                {"\"summary\"", "one printable line"}},
        Refusal{"ProvenanceNotJson", "provenance", "[1]", kBad, {"\"provenance\"", "object"}},
        Refusal{"ValueOfManyBytes", "k", std::string(5000, '7'), kBad, {"\"k\"", "777..."}}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(LinkFileTest, TokenIdsThatDoNotFitAreNamed) {
  Parts parts = SmallParts();
  parts.tensors.clear();
  ExpectRefused(parts, kBad, {"link tokens", "neither"});
  for (const char* const ids : {"[]", "[1]", "[1, 2, 3]", "[1, 100]", "[-1, 2]", "[1.5, 2]",
                                "[\"1\", 2]", "{}", "1, 2", "[18446744073709551615, 1]"}) {
    parts.metadata["token_ids"] = ids;
    ExpectRefused(parts, kBad, {"\"token_ids\"", "slots * 2", "below 100"});
  }
  parts.metadata["token_ids"] = "[1, 99]";
  EXPECT_NE(Load(parts), nullptr);
  parts.metadata["k"] = "0";
  ExpectRefused(parts, kBad, {"\"k\" is 0", "token_ids"});
}

TEST_F(LinkFileTest, EmbeddingsThatDoNotFitAreNamed) {
  const std::vector<std::vector<int64_t>> shapes = {{16},      {2, 7},       {8, 2},
                                                    {3, 2, 7}, {1, 1, 2, 8}, {0, 2, 8}};
  for (const std::vector<int64_t>& shape : shapes) {
    Parts parts = SmallParts();
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    parts.tensors["link_embeddings"] = {.shape = shape, .values = std::vector<float>(count)};
    ExpectRefused(parts, kBad, {"\"link_embeddings\"", "shape [2, 8]"});
  }
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY}) {
    Parts parts = SmallParts();
    parts.tensors["link_embeddings"].values[5] = bad;
    ExpectRefused(parts, kBad, {"\"link_embeddings\"", "finite", "index 5"});
  }
  Parts parts = SmallParts();
  parts.tensors["lm_head.weight"] = {.shape = {1}, .values = {1}};
  ExpectRefused(parts, kBad, {"unknown tensor", "lm_head.weight"});
}

TEST_F(LinkFileTest, EmbeddingsOfWholeNumbersAreRefused) {
  const std::string header =
      R"({"__metadata__":{"format":"kvlink-links","version":"1","k":"1","base":"any"},)"
      R"("link_embeddings":{"dtype":"I32","shape":[1,8],"data_offsets":[0,32]}})";
  std::string bytes;
  AppendValue(&bytes, static_cast<uint64_t>(header.size()));
  bytes += header + std::string(32, '\0');
  ASSERT_EQ(Message(WriteWholeFile(Files(), path_, bytes)), "");
  ExpectRefused(kBad, {"\"link_embeddings\"", "F32, F16 or BF16", "\"I32\""});
}

TEST_F(LinkFileTest, AMissingFileIsNamed) {
  ExpectRefused(StatusCode::kNotFound, {"links.safetensors"});
}

TEST_F(LinkFileTest, NoPrefixOfAFileIsALinkFile) {
  ASSERT_NE(SaveAndLoad(SmallLinks()), nullptr);
  const auto bytes = ReadWholeFile(Files(), path_, 1 << 20);
  ASSERT_TRUE(bytes.ok());
  for (size_t size = 0; size < bytes->size(); ++size) {
    EXPECT_FALSE(LoadBytes(bytes->substr(0, size)).ok()) << size;
  }
  EXPECT_TRUE(LoadBytes(*bytes).ok());
}

// Every byte of the header turned into each of some others: nothing may crash or be read past its
// end, and what is accepted must still fit the model.
TEST_F(LinkFileTest, DamagedHeadersNeverGiveLinksThatDoNotFit) {
  ASSERT_NE(SaveAndLoad(SmallLinks()), nullptr);
  ASSERT_TRUE(
      RecordGate(Files(), path_, R"({"measured":true,"passed":true,"summary":"fine"})").ok());
  const auto bytes = ReadWholeFile(Files(), path_, 1 << 20);
  ASSERT_TRUE(bytes.ok());
  int refused = 0;
  for (size_t at = 0; at < bytes->size() - 64; ++at) {
    for (const char c : {'\0', '0', '9', '"', '{', ']', '\\', '\xff'}) {
      std::string damaged = *bytes;
      damaged[at] = c;
      const auto loaded = LoadBytes(damaged);
      if (!loaded.ok()) {
        ++refused;
        EXPECT_EQ(loaded.status().message().find('\n'), std::string::npos);
        continue;
      }
      EXPECT_EQ((*loaded)->embeddings.size(),
                static_cast<size_t>((*loaded)->slots * (*loaded)->k * SmallConfig().width));
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST_F(LinkFileTest, WhatCannotBeLoadedIsNotSaved) {
  struct Case {
    std::function<void(Links*)> change;
    std::vector<std::string> parts;
  };
  const Case cases[] = {
      {[](Links* l) { l->k = -1; }, {"k", "-1"}},
      {[](Links* l) { l->k = 65; }, {"k", "65"}},
      {[](Links* l) { l->slots = 0; }, {"slots", "found 0"}},
      {[](Links* l) { l->slots = 2; }, {"link tokens", "32 numbers", "16"}},
      {[](Links* l) { l->embeddings.pop_back(); }, {"link tokens", "16 numbers", "15"}},
      {[](Links* l) { l->embeddings[3] = NAN; }, {"link_embeddings", "index 3"}},
      {[](Links* l) {
         l->token_ids = {1, 2};
       },
       {"link tokens", "2 token ids", "16"}},
      {[](Links* l) {
         l->embeddings.clear(), l->token_ids = {1, 100};
       },
       {"token_ids", "100"}},
      {[](Links* l) {
         l->embeddings.clear(), l->token_ids = {1, -1};
       },
       {"token_ids", "-1"}},
      {[](Links* l) { l->prompt_template.emplace(); }, {"template"}},
  };
  for (const Case& c : cases) {
    Links links = SmallLinks();
    c.change(&links);
    const Status status = SaveLinks(Files(), path_, links, SmallConfig(), "");
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    ExpectHasAll(status.message(), c.parts);
    EXPECT_FALSE(Files().Stat(path_).ok()) << "a file was written: " << status.message();
  }
  EXPECT_EQ(SaveLinks(Files(), path_, SmallLinks(), SmallConfig(), "600 steps").code(), kBad);
}

}  // namespace
}  // namespace kvlink::links
