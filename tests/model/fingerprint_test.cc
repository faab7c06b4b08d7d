// What decides a model's fingerprint, and what does not.
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "model/changes.h"
#include "model/config.h"
#include "support/tiny_model.h"

namespace kvlink::model {
namespace {

using testing::GgufWriter;
using testing::TinyModelOptions;
using testing::TinyModelWriter;

Sha256Digest FingerprintOf(const GgufWriter& writer) {
  const auto file = Open(writer);
  const auto config = ReadModelConfig(*file);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return ModelFingerprint(*file, *config);
}

TEST(ModelFingerprint, FollowsWhatDecidesABlock) {
  const GgufWriter base = TinyModelWriter({});
  const Sha256Digest expected = FingerprintOf(base);
  const auto changed = [&](const Change& change) {
    GgufWriter writer = base;
    change(writer);
    return FingerprintOf(writer) != expected;
  };
  EXPECT_TRUE(changed(F32("llama.rope.freq_base", 10001)));
  EXPECT_TRUE(changed(F32("llama.attention.layer_norm_rms_epsilon", 1e-6f)));
  EXPECT_TRUE(changed(U32("llama.rope.dimension_count", 8)));
  EXPECT_TRUE(changed([](GgufWriter& w) { w.F32("llama.rope.scale_linear", 2); }));
  EXPECT_TRUE(changed(TensorOf("rope_freqs.weight", {8})));
  EXPECT_TRUE(changed(TensorOf("blk.1.ffn_down.weight", {48, 80})));
  EXPECT_TRUE(changed(TensorOf("output.weight", {323, 48})));
  EXPECT_TRUE(changed([](GgufWriter& w) {  // one bit of one weight's bytes
    w.RemoveTensor("output_norm.weight");
    std::vector<float> ones(48, 1);
    w.F32Tensor("output_norm.weight", {48}, ones);
  }));
  TinyModelOptions other;
  other.seed = 2;
  EXPECT_NE(FingerprintOf(TinyModelWriter(other)), expected);
}

TEST(ModelFingerprint, IgnoresWhatDoesNot) {
  const GgufWriter base = TinyModelWriter({});
  const Sha256Digest expected = FingerprintOf(base);
  GgufWriter renamed = base;
  renamed.Remove("general.name");
  renamed.String("general.name", "another");
  renamed.String("tokenizer.chat_template", "{{ messages }}");
  EXPECT_EQ(FingerprintOf(renamed), expected);

  // The same tensors in another order, under another alignment.
  GgufWriter moved = base;
  moved.alignment = 64;
  moved.U32("general.alignment", 64);
  const auto file = Open(base);
  const formats::TensorInfo* norm = file->FindTensor("blk.0.attn_norm.weight");
  moved.RemoveTensor(norm->name);
  moved.Tensor(norm->name, norm->type, norm->shape, AsText(norm->data));
  EXPECT_EQ(FingerprintOf(moved), expected);
}

// Golden: blocks on disk carry this value, so it may change only together with the name on the
// first line of fingerprint.cc.
TEST(ModelFingerprint, IsStable) {
  EXPECT_EQ(ToHex(FingerprintOf(TinyModelWriter({}))),
            "aa73feb3e56670f2bc81991cf4a409bddc2c335eb6044e79047ac5d0fa7ebf8b");
}

}  // namespace
}  // namespace kvlink::model
