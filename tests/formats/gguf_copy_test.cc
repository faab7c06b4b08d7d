// A model that is written again is the same model: every number, and the metadata byte for byte.
#include "formats/gguf_copy.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/bytes.h"
#include "model/model.h"
#include "support/gguf_writer.h"
#include "support/tiny_model.h"

namespace kvlink::formats {
namespace {

class GgufCopy : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::TinyModelOptions sizes;
    sizes.tied = false;
    testing::GgufWriter writer = testing::TinyModelWriter(sizes);
    writer.U32("general.file_type", 7);
    ASSERT_TRUE(WriteWholeFile(Files(), source_, writer.Build()).ok());
  }
  static FileSystem& Files() { return FileSystem::Posix(); }
  std::unique_ptr<GgufFile> Open(const std::string& path) {
    auto file = GgufFile::Open(Files(), path);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return file.ok() ? *std::move(file) : nullptr;
  }

  testing::TempDir folder_;
  std::string source_ = folder_ / "source.gguf", copy_ = folder_ / "copy.gguf";
};

TEST_F(GgufCopy, F32IsTheSameModel) {
  const auto source = Open(source_);
  ASSERT_TRUE(WriteGgufCopy(Files(), *source, copy_, DType::kF32, model::ReadVector).ok());
  const auto copy = Open(copy_);
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(*copy->GetInt("general.file_type"), 0);
  EXPECT_EQ(copy->arrays(), source->arrays());
  ASSERT_EQ(copy->tensors().size(), source->tensors().size());
  for (size_t i = 0; i < copy->tensors().size(); ++i) {
    const TensorInfo &a = source->tensors()[i], &b = copy->tensors()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.shape, b.shape);
    EXPECT_EQ(model::ReadVector(a), model::ReadVector(b));
  }
  const auto a = model::Model::Load(Files(), source_, {.dtype = DType::kF32});
  const auto b = model::Model::Load(Files(), copy_, {.dtype = DType::kF32});
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ((*a)->fingerprint(), (*b)->fingerprint());
}

TEST_F(GgufCopy, Bf16RoundsMatricesAndKeepsVectors) {
  const auto source = Open(source_);
  ASSERT_TRUE(WriteGgufCopy(Files(), *source, copy_, DType::kBF16, model::ReadVector).ok());
  const auto copy = Open(copy_);
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(*copy->GetInt("general.file_type"), 32);
  for (const TensorInfo& a : source->tensors()) {
    const TensorInfo* b = copy->FindTensor(a.name);
    ASSERT_NE(b, nullptr);
    const bool matrix = a.shape.size() > 1;
    EXPECT_EQ(b->type, matrix ? GgmlType::kBF16 : GgmlType::kF32) << a.name;
    std::vector<float> expected = model::ReadVector(a);
    if (matrix) {
      for (float& value : expected) value = FromBf16(ToBf16(value));
    }
    EXPECT_EQ(model::ReadVector(*b), expected) << a.name;
  }
  EXPECT_TRUE(model::Model::Load(Files(), copy_, {.dtype = DType::kBF16}).ok());
}

TEST_F(GgufCopy, AFileTypeOfAnotherWidthIsLeftAlone) {
  // GGUF says 32 bits; in a byte's place four would run over the key behind it.
  testing::GgufWriter writer = testing::TinyModelWriter({});
  constexpr uint32_t kU8 = 0;
  writer.Raw("general.file_type", kU8, std::string(1, '\7'));
  writer.U32("llama.vocab_size", 323);
  ASSERT_TRUE(WriteWholeFile(Files(), source_, writer.Build()).ok());
  const auto source = Open(source_);
  ASSERT_TRUE(WriteGgufCopy(Files(), *source, copy_, DType::kBF16, model::ReadVector).ok());
  const auto copy = Open(copy_);
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->scalars(), source->scalars());
}

TEST_F(GgufCopy, WhatIsNotFiniteIsNotWritten) {
  const auto source = Open(source_);
  const Status status =
      WriteGgufCopy(Files(), *source, copy_, DType::kBF16, [](const TensorInfo& tensor) {
        std::vector<float> numbers = model::ReadVector(tensor);
        if (tensor.name == "blk.1.ffn_up.weight") numbers[3] = std::numeric_limits<float>::max();
        return numbers;
      });
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("blk.1.ffn_up.weight"), std::string::npos);
  EXPECT_FALSE(Files().Stat(copy_).ok());
}

}  // namespace
}  // namespace kvlink::formats
