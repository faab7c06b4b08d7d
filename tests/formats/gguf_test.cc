// GGUF files that are in order: every value type, both versions, look-ups, places of tensors.
// Files that are not: hostile_gguf_test.cc.
#include "formats/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>

#include "base/bytes.h"
#include "support/gguf_writer.h"
#include "support/memory_file.h"
#include "support/tiny_model.h"

namespace kvlink::formats {
namespace {

using testing::GgufType;
using testing::GgufWriter;
using testing::MemoryFile;

std::unique_ptr<GgufFile> MustOpen(const std::string& bytes) {
  MemoryFile files(bytes);
  auto file = GgufFile::Open(files, "m.gguf");
  EXPECT_TRUE(file.ok()) << file.status().message();
  return file.ok() ? *std::move(file) : nullptr;
}

template <class T>
std::string BytesOf(T value) {
  std::string bytes;
  AppendValue(&bytes, value);
  return bytes;
}

template <class T>
std::string ArrayOf(GgufType type, std::initializer_list<T> values) {
  std::string bytes = BytesOf(static_cast<uint32_t>(type)) + BytesOf<uint64_t>(values.size());
  for (const T value : values) AppendValue(&bytes, value);
  return bytes;
}

TEST(Gguf, ReadsEveryScalarType) {
  GgufWriter writer;
  const auto raw = [&](const char* key, GgufType type, const std::string& bytes) {
    writer.Raw(key, static_cast<uint32_t>(type), bytes);
  };
  raw("u8", GgufType::kU8, BytesOf<uint8_t>(200));
  raw("i8", GgufType::kI8, BytesOf<int8_t>(-100));
  raw("u16", GgufType::kU16, BytesOf<uint16_t>(60000));
  raw("i16", GgufType::kI16, BytesOf<int16_t>(-30000));
  raw("u32", GgufType::kU32, BytesOf<uint32_t>(4000000000u));
  raw("i32", GgufType::kI32, BytesOf<int32_t>(-2000000000));
  raw("u64", GgufType::kU64, BytesOf<uint64_t>(1ull << 62));
  raw("i64", GgufType::kI64, BytesOf<int64_t>(-(1ll << 62)));
  raw("f32", GgufType::kF32, BytesOf(0.5f));
  raw("f64", GgufType::kF64, BytesOf(0.1));
  writer.Bool("yes", true);
  writer.Bool("no", false);
  writer.String("text", "a\nb");
  writer.String("empty", "");
  const auto file = MustOpen(writer.Build());
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(*file->GetInt("u8"), 200);
  EXPECT_EQ(*file->GetInt("i8"), -100);
  EXPECT_EQ(*file->GetInt("u16"), 60000);
  EXPECT_EQ(*file->GetInt("i16"), -30000);
  EXPECT_EQ(*file->GetInt("u32"), 4000000000);
  EXPECT_EQ(*file->GetInt("i32"), -2000000000);
  EXPECT_EQ(*file->GetInt("u64"), 1ll << 62);
  EXPECT_EQ(*file->GetInt("i64"), -(1ll << 62));
  EXPECT_EQ(*file->GetFloat("f32"), 0.5);
  EXPECT_EQ(*file->GetFloat("f64"), 0.1);
  EXPECT_EQ(*file->GetFloat("i8"), -100.0);
  EXPECT_EQ(*file->GetFloat("u8"), 200.0);
  EXPECT_TRUE(*file->GetBool("yes"));
  EXPECT_FALSE(*file->GetBool("no"));
  EXPECT_EQ(*file->GetString("text"), "a\nb");
  EXPECT_EQ(*file->GetString("empty"), "");
  EXPECT_EQ(file->scalars().size(), 14u);
}

TEST(Gguf, ReadsArrays) {
  GgufWriter writer;
  const auto kArray = static_cast<uint32_t>(GgufType::kArray);
  writer.Raw("u8", kArray, ArrayOf<uint8_t>(GgufType::kU8, {1, 255}));
  writer.Raw("i16", kArray, ArrayOf<int16_t>(GgufType::kI16, {-1, 2}));
  writer.Raw("i64", kArray,
             ArrayOf<int64_t>(GgufType::kI64, {std::numeric_limits<int64_t>::min()}));
  writer.Raw("f32", kArray, ArrayOf<float>(GgufType::kF32, {0.5f, -1}));
  writer.Raw("bool", kArray, ArrayOf<uint8_t>(GgufType::kBool, {1, 0, 1}));
  writer.Strings("text", {"", "ab", std::string("c\0d", 3)});
  writer.I32s("none", {});
  const auto file = MustOpen(writer.Build());
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(*file->GetInts("u8"), (std::vector<int64_t>{1, 255}));
  EXPECT_EQ(*file->GetInts("i16"), (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(*file->GetInts("i64"), (std::vector<int64_t>{std::numeric_limits<int64_t>::min()}));
  EXPECT_EQ(*file->GetStrings("text"),
            (std::vector<std::string>{"", "ab", std::string("c\0d", 3)}));
  EXPECT_TRUE(file->GetInts("none")->empty());
  EXPECT_EQ(std::get<std::vector<double>>(file->arrays().at("f32")),
            (std::vector<double>{0.5, -1}));
  EXPECT_EQ(std::get<std::vector<bool>>(file->arrays().at("bool")),
            (std::vector<bool>{true, false, true}));
}

TEST(Gguf, LookUpsSayWhatIsWrong) {
  GgufWriter writer;
  writer.U32("n", 7);
  writer.U64("huge", std::numeric_limits<uint64_t>::max());
  writer.Strings("words", {"a"});
  const auto file = MustOpen(writer.Build());
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->GetInt("m").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(file->GetInt("m").status().message(),
            "m.gguf: key \"m\" is not in the file; expected an integer");
  // 24 bytes of preamble, 8 + 1 of key, 4 of type.
  EXPECT_EQ(file->ValueOffset("n"), 37u);
  EXPECT_EQ(file->GetString("n").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(file->GetString("n").status().message(),
            "m.gguf: key \"n\" at offset 37 is an integer; expected a string");
  EXPECT_EQ(
      file->GetInts("words").status().message(),
      "m.gguf: key \"words\" at offset 82 is an array of strings; expected an array of integers");
  EXPECT_EQ(file->GetInt("huge").code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(file->GetBool("n").ok());
  EXPECT_FALSE(file->GetFloat("words").ok());
  EXPECT_FALSE(file->GetStrings("n").ok());
}

TEST(Gguf, PlacesTensorsByAlignment) {
  for (const uint64_t alignment : {8u, 32u, 4096u}) {
    GgufWriter writer;
    writer.alignment = alignment;
    writer.U32("general.alignment", static_cast<uint32_t>(alignment));
    writer.F32Tensor("a", {1, 3}, {1, 2, 3});
    writer.Tensor("b", GgmlType::kQ8_0, {2, 32}, std::string(68, '\x11'));
    writer.F32Tensor("c", {2, 1, 2, 1}, {4, 5, 6, 7});
    const std::string bytes = writer.Build();
    const auto file = MustOpen(bytes);
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(file->tensors().size(), 3u);
    const TensorInfo* a = file->FindTensor("a");
    const TensorInfo* b = file->FindTensor("b");
    const TensorInfo* c = file->FindTensor("c");
    ASSERT_TRUE(a != nullptr && b != nullptr && c != nullptr);
    EXPECT_EQ(file->FindTensor("d"), nullptr);
    EXPECT_EQ(a->shape, (std::vector<int64_t>{1, 3}));
    EXPECT_EQ(b->shape, (std::vector<int64_t>{2, 32}));
    EXPECT_EQ(c->shape, (std::vector<int64_t>{2, 1, 2, 1}));
    EXPECT_EQ(a->elements(), 3);
    EXPECT_EQ(b->elements(), 64);
    EXPECT_EQ(b->type, GgmlType::kQ8_0);
    EXPECT_EQ(AsText(b->data), std::string(68, '\x11'));
    ASSERT_EQ(c->data.size(), 4 * sizeof(float));
    std::vector<float> read(4);
    std::memcpy(read.data(), c->data.data(), c->data.size());
    EXPECT_EQ(read, (std::vector<float>{4, 5, 6, 7}));
    EXPECT_EQ((b->data.data() - a->data.data()) % static_cast<int64_t>(alignment), 0);
  }
}

TEST(Gguf, ReadsVersion2) {
  GgufWriter writer = testing::TinyModelWriter({});
  writer.version = 2;
  const auto file = MustOpen(writer.Build());
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->version(), 2u);
}

TEST(Gguf, AFileWithoutAnythingIsAFile) {
  const auto file = MustOpen(GgufWriter().Build());
  ASSERT_NE(file, nullptr);
  EXPECT_TRUE(file->tensors().empty());
  EXPECT_TRUE(file->scalars().empty());
}

TEST(Gguf, OpensFromDisk) {
  const testing::TempDir folder;
  const std::string path = testing::WriteTinyModel(folder.path(), {});
  const auto file = GgufFile::Open(FileSystem::Posix(), path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ((*file)->path(), path);
  const auto missing = GgufFile::Open(FileSystem::Posix(), folder / "none.gguf");
  EXPECT_EQ(missing.code(), StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("none.gguf"), std::string::npos);
}

TEST(TinyModel, IsDeterministicAndItsWordsAreDistinct) {
  EXPECT_EQ(testing::TinyModelGguf({}), testing::TinyModelGguf({}));
  testing::TinyModelOptions other;
  other.seed = 2;
  EXPECT_NE(testing::TinyModelGguf({}), testing::TinyModelGguf(other));
  const auto file = MustOpen(testing::TinyModelGguf({}));
  ASSERT_NE(file, nullptr);
  const auto words = file->GetStrings("tokenizer.ggml.tokens");
  ASSERT_TRUE(words.ok());
  EXPECT_EQ(std::set<std::string>(words->begin(), words->end()).size(), words->size());
}

TEST(Gguf, TheRealModelOpens) {
  const std::string path = testing::RealModelPath();
  if (path.empty()) GTEST_SKIP() << "skipped: no real model (KVLINK_TEST_MODEL)";
  const auto file = GgufFile::Open(FileSystem::Posix(), path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_GT((*file)->tensors().size(), 10u);
}

}  // namespace
}  // namespace kvlink::formats
