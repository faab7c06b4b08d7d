// What metadata means: hyperparameters and the tokenizer's part; and each way in
// which they can contradict themselves or the tensors.
#include "model/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "model/changes.h"
#include "support/tiny_model.h"

namespace kvlink::model {
namespace {

using testing::GgufWriter;
using testing::TinyModelOptions;
using testing::TinyModelWriter;

std::unique_ptr<formats::GgufFile> OpenTiny(const TinyModelOptions& options,
                                            const Change& change = {}) {
  GgufWriter writer = TinyModelWriter(options);
  if (change) change(writer);
  return Open(writer);
}
Result<ModelConfig> ConfigOf(const TinyModelOptions& options, const Change& change = {}) {
  return ReadModelConfig(*OpenTiny(options, change));
}
Result<text::TokenizerConfig> WordsOf(const Change& change) {
  return ReadTokenizerConfig(*OpenTiny({}, change));
}

TEST(ModelConfig, ReadsTheTinyModel) {
  const auto config = ConfigOf({});
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->architecture, "llama");
  EXPECT_EQ(config->name, "tiny");
  EXPECT_EQ(config->file_type, "F32");
  EXPECT_EQ(config->layers, 2);
  EXPECT_EQ(config->heads, 4);
  EXPECT_EQ(config->kv_heads, 2);
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->width, 48);
  EXPECT_EQ(config->feed_forward, 80);
  EXPECT_EQ(config->vocab, 3 + 256 + 64);
  EXPECT_EQ(config->context_tokens, 4096);
  EXPECT_FLOAT_EQ(config->norm_epsilon, 1e-5f);
  EXPECT_TRUE(config->tied_output);
  EXPECT_EQ(config->rope.base, 10000);
  EXPECT_EQ(config->rope.dims, 16);
  EXPECT_EQ(config->rope.scaling, RopeScaling::kNone);
  EXPECT_EQ(config->KvBytesPerToken(DType::kBF16), 2 * 2 * 2 * 16 * 2);
  const int64_t layer = 48 + 64 * 48 + 2 * 32 * 48 + 48 * 64 + 48 + 3 * 48 * 80;
  EXPECT_EQ(config->parameters, 323 * 48 + 2 * layer + 48);
  EXPECT_EQ(WhyNotLinkable(*config), "");
}

TEST(ModelConfig, ReadsWhatFilesLeaveOut) {
  TinyModelOptions options;
  options.width = 64;
  options.tied = false;
  const auto config = ConfigOf(options, [](GgufWriter& w) {
    for (const char* key : {"llama.attention.key_length", "llama.attention.value_length",
                            "llama.rope.freq_base", "llama.rope.dimension_count"}) {
      w.Remove(key);
    }
  });
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->rope.dims, 16);
  EXPECT_EQ(config->rope.base, 10000);
  EXPECT_FALSE(config->tied_output);

  options.kv_heads = options.heads;
  const auto all_heads =
      ConfigOf(options, [](GgufWriter& w) { w.Remove("llama.attention.head_count_kv"); });
  ASSERT_TRUE(all_heads.ok()) << all_heads.status().message();
  EXPECT_EQ(all_heads->kv_heads, 4);
}

TEST(ModelConfig, ReadsRopeScalings) {
  TinyModelOptions linear;
  linear.rope_scaling = "linear";
  linear.rope_factor = 4;
  const auto scaled = ConfigOf(linear);
  ASSERT_TRUE(scaled.ok()) << scaled.status().message();
  EXPECT_EQ(scaled->rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ(scaled->rope.factor, 4);
  EXPECT_EQ(WhyNotLinkable(*scaled), "");

  // A factor without a type means linear: so did the files of 2023.
  const auto old = ConfigOf({}, [](GgufWriter& w) { w.F32("llama.rope.scale_linear", 2); });
  ASSERT_TRUE(old.ok()) << old.status().message();
  EXPECT_EQ(old->rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ(old->rope.factor, 2);

  TinyModelOptions none;
  none.rope_scaling = "none";
  none.rope_factor = 8;
  const auto unscaled = ConfigOf(none);
  ASSERT_TRUE(unscaled.ok()) << unscaled.status().message();
  EXPECT_EQ(unscaled->rope.scaling, RopeScaling::kNone);

  TinyModelOptions llama3;
  llama3.rope_freqs = {1, 1, 1, 1, 2, 4, 8, 8};
  const auto bands = ConfigOf(llama3);
  ASSERT_TRUE(bands.ok()) << bands.status().message();
  EXPECT_EQ(bands->rope.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(bands->rope.divisors, llama3.rope_freqs);
  EXPECT_EQ(bands->parameters, ConfigOf({})->parameters);
  EXPECT_EQ(WhyNotLinkable(*bands), "");
}

TEST(ModelConfig, SaysWhyAModelCannotBeLinked) {
  for (const char* name : {"yarn", "longrope", "dynamic"}) {
    TinyModelOptions options;
    options.rope_scaling = name;
    options.rope_factor = 4;
    const auto config = ConfigOf(options);
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(config->rope.scaling, RopeScaling::kDependent);
    EXPECT_NE(WhyNotLinkable(*config).find(name), std::string::npos);
  }
}

TEST(ModelConfig, ReadsTheRealModel) {
  const std::string path = testing::RealModelPath();
  if (path.empty()) GTEST_SKIP() << "skipped: no real model (KVLINK_TEST_MODEL)";
  const auto file = formats::GgufFile::Open(FileSystem::Posix(), path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto config = ReadModelConfig(**file);
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_GT(config->parameters, 0);
  EXPECT_EQ(WhyNotLinkable(*config), "");
  const auto words = ReadTokenizerConfig(**file);
  ASSERT_TRUE(words.ok()) << words.status().message();
  EXPECT_EQ(words->tokens.size(), static_cast<size_t>(config->vocab));
  if (path.find("SmolLM2-135M-Instruct.Q4_1") == std::string::npos) return;
  EXPECT_EQ(config->layers, 30);
  EXPECT_EQ(config->heads, 9);
  EXPECT_EQ(config->kv_heads, 3);
  EXPECT_EQ(config->head_dim, 64);
  EXPECT_EQ(config->width, 576);
  EXPECT_EQ(config->feed_forward, 1536);
  EXPECT_EQ(config->vocab, 49152);
  EXPECT_EQ(config->context_tokens, 8192);
  EXPECT_EQ(config->rope.base, 100000);
  EXPECT_EQ(config->file_type, "Q4_1");
  EXPECT_EQ(config->parameters, 134515008);
  EXPECT_TRUE(config->tied_output);
  EXPECT_EQ(words->pre, "smollm");
  EXPECT_EQ(words->bos, 1);
  EXPECT_EQ(words->eos, 2);
  EXPECT_EQ(words->end_of_generation, (std::vector<int32_t>{0}));
  EXPECT_EQ(words->merges.size(), 48900u);
}

struct BadConfig {
  std::string name;
  Change change;
  StatusCode code;
  std::vector<std::string> says;
};
void PrintTo(const BadConfig& bad, std::ostream* out) { *out << bad.name; }
const auto kCaseName = [](const ::testing::TestParamInfo<BadConfig>& info) {
  return info.param.name;
};
void ExpectSays(const Status& status, const BadConfig& bad) {
  ASSERT_EQ(status.code(), bad.code) << status.message();
  EXPECT_EQ(status.message().rfind("m.gguf: ", 0), 0u) << status.message();
  EXPECT_EQ(status.message().find('\n'), std::string::npos);
  for (const std::string& words : bad.says) {
    EXPECT_NE(status.message().find(words), std::string::npos)
        << "no '" << words << "' in: " << status.message();
  }
}

std::vector<BadConfig> BadConfigs() {
  const StatusCode wrong = StatusCode::kInvalidArgument, not_here = StatusCode::kUnsupported,
                   missing = StatusCode::kNotFound;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto freqs = [](const std::vector<float>& values) -> Change {
    return [=](GgufWriter& w) {
      w.F32Tensor("rope_freqs.weight", {static_cast<int64_t>(values.size())}, values);
    };
  };
  const auto scaling = [](const std::string& type, float factor) -> Change {
    return [=](GgufWriter& w) {
      w.String("llama.rope.scaling.type", type);
      w.F32("llama.rope.scaling.factor", factor);
    };
  };
  return {
      {"NoArchitecture", Without("general.architecture"), missing, {"general.architecture"}},
      {"OtherArchitecture",
       Text("general.architecture", "gemma2"),
       not_here,
       {"general.architecture", "at offset", "gemma2", "llama"}},
      {"NoLayers", U32("llama.block_count", 0), wrong, {"llama.block_count", "is 0", "1 to 1024"}},
      {"LayersNegative", I32("llama.block_count", -1), wrong, {"llama.block_count", "is -1"}},
      {"LayersHuge",
       U32("llama.block_count", 0xffffffff),
       wrong,
       {"llama.block_count", "4294967295"}},
      {"LayersBeyondTensors", U32("llama.block_count", 3), wrong, {"blk.2.attn_norm.weight"}},
      {"LayersBelowTensors", U32("llama.block_count", 1), not_here, {"blk.1.", "1-layer"}},
      {"LayersText", Text("llama.block_count", "2"), wrong, {"llama.block_count", "a string"}},
      {"LayersMissing", Without("llama.block_count"), missing, {"llama.block_count"}},
      {"WidthHuge", U32("llama.embedding_length", 1 << 20), wrong, {"llama.embedding_length"}},
      {"WidthOther",
       U32("llama.embedding_length", 32),
       wrong,
       {"token_embd.weight", "[323, 48]", "[323, 32]"}},
      {"FeedForwardOther",
       U32("llama.feed_forward_length", 81),
       wrong,
       {"blk.0.ffn_gate.weight", "at offset", "[80, 48]", "[81, 48]"}},
      {"FeedForwardArray",
       [](GgufWriter& w) {
         w.Remove("llama.feed_forward_length");
         w.I32s("llama.feed_forward_length", {80, 80});
       },
       not_here,
       {"llama.feed_forward_length", "array"}},
      {"HeadsNone", U32("llama.attention.head_count", 0), wrong, {"llama.attention.head_count"}},
      {"KvHeadsThree",
       U32("llama.attention.head_count_kv", 3),
       wrong,
       {"llama.attention.head_count_kv", "is 3", "does not divide"}},
      {"KvHeadsMore", U32("llama.attention.head_count_kv", 8), wrong, {"head_count_kv", "1 to 4"}},
      {"KeyLengthOther", U32("llama.attention.key_length", 18), not_here, {"value_length", "18"}},
      {"ValueLengthOther", U32("llama.attention.value_length", 8), not_here, {"value_length"}},
      {"ContextNone", U32("llama.context_length", 0), wrong, {"llama.context_length"}},
      {"ContextMissing", Without("llama.context_length"), missing, {"llama.context_length"}},
      {"EpsilonNan", F32("llama.attention.layer_norm_rms_epsilon", nan), wrong, {"rms_epsilon"}},
      {"EpsilonZero", F32("llama.attention.layer_norm_rms_epsilon", 0), wrong, {"rms_epsilon"}},
      {"RopeDimsOdd", U32("llama.rope.dimension_count", 15), wrong, {"dimension_count", "pairs"}},
      {"RopeDimsMore",
       U32("llama.rope.dimension_count", 18),
       wrong,
       {"dimension_count", "2 to 16"}},
      {"RopeBaseZero", F32("llama.rope.freq_base", 0), wrong, {"freq_base"}},
      {"RopeBaseInfinite", F32("llama.rope.freq_base", infinity), wrong, {"freq_base"}},
      {"RopeFactorZero", scaling("linear", 0), wrong, {"rope.scaling.factor"}},
      {"RopeFactorNan", scaling("linear", nan), wrong, {"rope.scaling.factor"}},
      {"RopeFactorMissing", Text("llama.rope.scaling.type", "linear"), missing, {"rope.scal"}},
      {"RopeUnknown", scaling("spiral", 2), not_here, {"rope.scaling.type", "spiral"}},
      {"RopeFreqsShort", freqs({1, 2}), wrong, {"rope_freqs.weight", "[2]", "[8]"}},
      {"RopeFreqsZero",
       freqs({1, 1, 1, 1, 1, 1, 0, 1}),
       wrong,
       {"rope_freqs.weight", "frequency 6"}},
      {"RopeFreqsNan", freqs({nan, 1, 1, 1, 1, 1, 1, 1}), wrong, {"rope_freqs.weight"}},
      {"RopeFreqsAndLinear",
       [=](GgufWriter& w) {
         scaling("linear", 2)(w);
         freqs({1, 1, 1, 1, 1, 1, 1, 1})(w);
       },
       not_here,
       {"rope.scaling.type", "rope_freqs.weight"}},
      {"Llama3WithoutFreqs",
       scaling("llama3", 8),
       wrong,
       {"rope.scaling.type", "rope_freqs.weight"}},
      {"AttentionFactor", F32("llama.rope.scaling.attn_factor", 1.5f), not_here, {"attn_factor"}},
      {"Experts", U32("llama.expert_count", 8), not_here, {"llama.expert_count", "is 8"}},
      {"Softcap", F32("llama.attn_logit_softcapping", 50), not_here, {"softcapping"}},
      {"SlidingWindow", U32("llama.attention.sliding_window", 4096), not_here, {"sliding_window"}},
      {"NotCausal",
       [](GgufWriter& w) { w.Bool("llama.attention.causal", false); },
       not_here,
       {"attention.causal", "is false"}},
      {"NoEmbedding",
       [](GgufWriter& w) { w.RemoveTensor("token_embd.weight"); },
       wrong,
       {"token_embd.weight", "not in the file"}},
      {"EmbeddingFlat",
       TensorOf("token_embd.weight", {323}),
       wrong,
       {"token_embd.weight", "[323]"}},
      {"NoNorm",
       [](GgufWriter& w) { w.RemoveTensor("output_norm.weight"); },
       wrong,
       {"output_norm.weight", "not in the file"}},
      {"OutputOther", TensorOf("output.weight", {300, 48}), wrong, {"output.weight", "[323, 48]"}},
      {"QueryTransposed",
       TensorOf("blk.1.attn_q.weight", {48, 64}),
       wrong,
       {"blk.1.attn_q.weight", "[48, 64]", "[64, 48]"}},
      {"NormSquare", TensorOf("blk.0.ffn_norm.weight", {1, 48}), wrong, {"blk.0.ffn_norm.weight"}},
      {"Bias",
       TensorOf("blk.0.attn_q.bias", {64}),
       not_here,
       {"blk.0.attn_q.bias", "at offset", "wrong answers"}},
      {"VocabularyOther",
       TensorOf("token_embd.weight", {322, 48}),
       wrong,
       {"tokenizer.ggml.tokens", "323 tokens", "322 rows"}},
      {"VocabularyStated", U32("llama.vocab_size", 324), wrong, {"llama.vocab_size", "324", "323"}},
      {"OnePartOfMany",
       [](GgufWriter& w) {
         w.U32("split.count", 2);
         w.U32("split.no", 0);
         w.RemoveTensor("output.weight");
       },
       not_here,
       {"split.count", "part 1 of 2", "gguf-split --merge"}},
      {"AnotherPart",
       [](GgufWriter& w) {
         w.U32("split.count", 3);
         w.U32("split.no", 2);
         w.Remove("general.architecture");
       },
       not_here,
       {"split.count", "part 3 of 3"}},
      {"FewerTensorsThanItSays",
       U32("split.tensors.count", 40),
       wrong,
       {"split.tensors.count", "40"}},
      {"SettingOfAnotherBuild",
       U32("llama.attention.indexer.head_count", 4),
       not_here,
       {"llama.attention.indexer.head_count", "4.0", "does not compute"}},
      {"RowsInAnotherOrder",
       [](GgufWriter& w) { w.String("llama.tensor_data_layout", "reference"); },
       not_here,
       {"llama.tensor_data_layout", "reference"}},
      {"SettingOfLayers",
       [](GgufWriter& w) {
         w.I32s("llama.attention.sliding_window_pattern", {1, 0});
       },
       not_here,
       {"llama.attention.sliding_window_pattern", "not a single number"}},
  };
}

class BadConfigTest : public ::testing::TestWithParam<BadConfig> {};
TEST_P(BadConfigTest, IsRefusedByName) {
  const auto config = ConfigOf({}, GetParam().change);
  ASSERT_FALSE(config.ok());
  ExpectSays(config.status(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(Cases, BadConfigTest, ::testing::ValuesIn(BadConfigs()), kCaseName);

TEST(TokenizerConfig, ReadsTheTinyModel) {
  const auto words = WordsOf({});
  ASSERT_TRUE(words.ok()) << words.status().message();
  EXPECT_EQ(words->pre, "smollm");
  EXPECT_EQ(words->tokens.size(), 323u);
  EXPECT_EQ(words->tokens[2], "<|im_end|>");
  EXPECT_EQ(words->types.size(), 323u);
  EXPECT_EQ(words->types[2], text::TokenType::kControl);
  EXPECT_EQ(words->types[3], text::TokenType::kNormal);
  EXPECT_EQ(words->merges.size(), 64u);
  EXPECT_EQ(words->bos, 1);
  EXPECT_EQ(words->eos, 2);
  // <|endoftext|>; eos itself is not a further one.
  EXPECT_EQ(words->end_of_generation, (std::vector<int32_t>{0}));
  EXPECT_TRUE(text::Tokenizer::Create(*words).ok());
}

TEST(TokenizerConfig, KnowsEndsByTheirSpelling) {
  for (const char* end : {"<end_of_turn>", "<end_of_utterance>", "<EOT>", "[EOT]",
                          "<\uff5cend\u2581of\u2581sentence\uff5c>"}) {
    const auto words = WordsOf([&](GgufWriter& w) {
      for (const char* key : {"tokens", "token_type", "merges", "eos_token_id", "bos_token_id"}) {
        w.Remove(std::string("tokenizer.ggml.") + key);
      }
      std::vector<std::string> tokens = {end};
      while (tokens.size() < 323) tokens.push_back("t" + std::to_string(tokens.size()));
      w.Strings("tokenizer.ggml.tokens", tokens);
      w.I32s("tokenizer.ggml.token_type", std::vector<int32_t>(tokens.size(), 3));
      w.Strings("tokenizer.ggml.merges", {});
    });
    ASSERT_TRUE(words.ok()) << words.status().message();
    EXPECT_EQ(words->end_of_generation, (std::vector<int32_t>{0})) << end;
  }
}

TEST(TokenizerConfig, GathersTheEnds) {
  const auto words = WordsOf([](GgufWriter& w) {
    w.Remove("tokenizer.ggml.eos_token_id");
    w.Remove("tokenizer.ggml.bos_token_id");
    w.U32("tokenizer.ggml.eot_token_id", 2);
    w.U32("tokenizer.ggml.eom_token_id", 7);
  });
  ASSERT_TRUE(words.ok()) << words.status().message();
  EXPECT_EQ(words->bos, -1);
  EXPECT_EQ(words->eos, -1);
  EXPECT_EQ(words->end_of_generation, (std::vector<int32_t>{0, 2, 7}));
}

TEST(TokenizerConfig, AnEndSpelledByAnOrdinaryTokenIsNone) {
  const auto words = WordsOf([](GgufWriter& w) {
    std::vector<int32_t> types(323, 1);
    w.Remove("tokenizer.ggml.token_type");
    w.I32s("tokenizer.ggml.token_type", types);
  });
  ASSERT_TRUE(words.ok()) << words.status().message();
  EXPECT_TRUE(words->end_of_generation.empty());
}

TEST(TokenizerConfig, WithoutTypesSpellingDecides) {
  const auto words = WordsOf(Without("tokenizer.ggml.token_type"));
  ASSERT_TRUE(words.ok()) << words.status().message();
  for (size_t i = 0; i < words->types.size(); ++i) {
    EXPECT_EQ(words->types[i], i < 3 ? text::TokenType::kControl : text::TokenType::kNormal) << i;
  }
}

TEST(TokenizerConfig, KnowsOtherNamesOfThePreTokenizers) {
  for (const auto& [name, ours] : std::map<std::string, std::string>{{"llama3", "llama-bpe"},
                                                                     {"llama-bpe", "llama-bpe"},
                                                                     {"qwen2", "qwen2"},
                                                                     {"deepseek-r1-qwen", "qwen2"},
                                                                     {"gpt-2", "gpt-2"},
                                                                     {"smollm", "smollm"}}) {
    const auto words = WordsOf(Text("tokenizer.ggml.pre", name));
    ASSERT_TRUE(words.ok()) << words.status().message();
    EXPECT_EQ(words->pre, ours);
  }
}

std::vector<BadConfig> BadWords() {
  const StatusCode wrong = StatusCode::kInvalidArgument, not_here = StatusCode::kUnsupported,
                   missing = StatusCode::kNotFound;
  const auto types = [](const std::vector<int32_t>& values) -> Change {
    return [=](GgufWriter& w) {
      w.Remove("tokenizer.ggml.token_type");
      w.I32s("tokenizer.ggml.token_type", values);
    };
  };
  std::vector<int32_t> type_nine(323, 1);
  type_nine[5] = 9;
  return {
      {"SentencePiece",
       Text("tokenizer.ggml.model", "llama"),
       not_here,
       {"tokenizer.ggml.model", "at offset", "\"llama\"", "gpt2"}},
      {"NoModel", Without("tokenizer.ggml.model"), missing, {"tokenizer.ggml.model"}},
      {"PreUnknown", Text("tokenizer.ggml.pre", "tekken"), not_here, {"ggml.pre", "tekken"}},
      {"PreMissing", Without("tokenizer.ggml.pre"), not_here, {"ggml.pre", "convert"}},
      {"PreNumber", U32("tokenizer.ggml.pre", 1), wrong, {"ggml.pre", "an integer"}},
      {"NoTokens", Without("tokenizer.ggml.tokens"), missing, {"tokenizer.ggml.tokens"}},
      {"TokensNumbers",
       [](GgufWriter& w) {
         w.Remove("tokenizer.ggml.tokens");
         w.I32s("tokenizer.ggml.tokens", {1, 2});
       },
       wrong,
       {"tokenizer.ggml.tokens", "array of integers", "array of strings"}},
      {"TokensFew",
       [](GgufWriter& w) {
         w.Remove("tokenizer.ggml.tokens");
         w.Strings("tokenizer.ggml.tokens", {"a"});
       },
       wrong,
       {"tokenizer.ggml.tokens", "has 1 tokens", "323 rows"}},
      {"NoMerges", Without("tokenizer.ggml.merges"), missing, {"tokenizer.ggml.merges"}},
      {"TypesFew", types({1, 2}), wrong, {"token_type", "has 2 elements", "323"}},
      {"TypeNine", types(type_nine), wrong, {"token_type", "token 5", "type 9"}},
      {"TypesText",
       [](GgufWriter& w) {
         w.Remove("tokenizer.ggml.token_type");
         w.Strings("tokenizer.ggml.token_type", {"normal"});
       },
       wrong,
       {"token_type", "array of strings"}},
      {"TypesScalar", U32("tokenizer.ggml.token_type", 1), wrong, {"token_type", "an integer"}},
      {"BosBeyond",
       U32("tokenizer.ggml.bos_token_id", 323),
       wrong,
       {"bos_token_id", "at offset", "is 323", "323 tokens"}},
      {"EosHuge",
       U32("tokenizer.ggml.eos_token_id", 0xffffffff),
       wrong,
       {"eos_token_id", "4294967295"}},
      {"EosNegative", I32("tokenizer.ggml.eos_token_id", -1), wrong, {"eos_token_id", "is -1"}},
      {"EotBeyond", U32("tokenizer.ggml.eot_token_id", 1000), wrong, {"eot_token_id"}},
      {"EomText", Text("tokenizer.ggml.eom_token_id", "2"), wrong, {"eom_token_id", "a string"}},
  };
}

class BadWordsTest : public ::testing::TestWithParam<BadConfig> {};
TEST_P(BadWordsTest, AreRefusedByName) {
  const auto words = WordsOf(GetParam().change);
  ASSERT_FALSE(words.ok());
  ExpectSays(words.status(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(Cases, BadWordsTest, ::testing::ValuesIn(BadWords()), kCaseName);

}  // namespace
}  // namespace kvlink::model
