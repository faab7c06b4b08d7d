// The fuzzers' entries under seeded mutations, for a moment, in every build: what libFuzzer does
// for hours (fuzz/), small enough to run always. A failure names the seed and the round.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "../../fuzz/gguf_entry.h"
#include "../../fuzz/safetensors_entry.h"
#include "base/bytes.h"
#include "support/gguf_writer.h"
#include "support/mutated.h"
#include "support/tiny_model.h"

namespace kvlink::formats {
namespace {

using testing::Mutated;

constexpr uint64_t kSeed = 20250217;

TEST(Mutation, OfGgufIsReadOrRefused) {
  testing::TinyModelOptions options;
  options.layers = 1;
  options.head_dim = 4;
  options.width = 8;
  options.feed_forward = 8;
  options.rope_freqs = {1, 2};
  options.chat_template =
      "{% for m in messages %}{% if m.role != 'tool' %}{{ '<|im_start|>' + m['role'] + '\\n' + "
      "m['content'] + '<|im_end|>\\n' }}{% endif %}{% endfor %}{% set a = 'x' %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  testing::GgufWriter writer = testing::TinyModelWriter(options);
  for (const char* key : {"tokens", "token_type", "merges"}) {
    writer.Remove(std::string("tokenizer.ggml.") + key);
  }
  // With the bytes of U+FFFD, without which there is no tokenizer.
  writer.Strings("tokenizer.ggml.tokens",
                 {"a", "b", "<|im_end|>", "ab", "\u00ef", "\u00bf", "\u00bd"});
  writer.I32s("tokenizer.ggml.token_type", {1, 1, 3, 1, 1, 1, 1});
  writer.Strings("tokenizer.ggml.merges", {"a b"});
  writer.RemoveTensor("token_embd.weight");
  writer.Tensor("token_embd.weight", GgmlType::kBF16, {7, 8}, std::string(112, '\x3c'));
  const std::string bytes = writer.Build();
  ASSERT_TRUE(fuzz::ReadGguf(bytes).configured);
  ASSERT_TRUE(fuzz::ReadGguf(bytes).has_template);

  std::mt19937_64 random(kSeed);
  int opened = 0, configured = 0;
  constexpr int kRounds = 4000;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", round " + std::to_string(round));
    const fuzz::GgufOutcome outcome = fuzz::ReadGguf(Mutated(bytes, writer.HeaderBytes(), random));
    opened += outcome.opened;
    configured += outcome.configured;
  }
  // Some get through the reader and some do not, or the mutations test nothing.
  EXPECT_GT(opened, kRounds / 50);
  EXPECT_LT(opened, kRounds * 9 / 10);
  EXPECT_LT(configured, opened);
}

TEST(Mutation, OfSafetensorsIsReadOrRefused) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[16,24]}})";
  std::string bytes;
  AppendValue(&bytes, static_cast<uint64_t>(header.size()));
  bytes += header + std::string(24, '\x01');
  ASSERT_TRUE(fuzz::ReadSafetensors(bytes));

  std::mt19937_64 random(kSeed);
  int accepted = 0;
  constexpr int kRounds = 20000;
  for (int round = 0; round < kRounds; ++round) {
    accepted += fuzz::ReadSafetensors(Mutated(bytes, 8 + header.size(), random));
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, kRounds / 2);
}

}  // namespace
}  // namespace kvlink::formats
