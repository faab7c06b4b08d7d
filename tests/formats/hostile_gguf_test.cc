// GGUF files that lie, end early or are something else: each gives an error that names the field,
// none is believed. What the metadata means wrongly: config_test.cc.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "../../fuzz/gguf_entry.h"
#include "base/bytes.h"
#include "formats/gguf.h"
#include "model/config.h"
#include "support/gguf_writer.h"
#include "support/memory_file.h"
#include "support/tiny_model.h"

namespace kvlink::formats {
namespace {

using testing::GgufType;
using testing::GgufWriter;
using testing::MemoryFile;

constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

template <class... T>
std::string Packed(T... values) {
  std::string bytes;
  (AppendValue(&bytes, values), ...);
  return bytes;
}

struct Hostile {
  std::string name;
  std::string bytes;
  StatusCode code;
  std::vector<std::string> says;  // each stands in the message
};
void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

std::string Written(const std::function<void(GgufWriter&)>& write) {
  GgufWriter writer;
  writer.alignment = 1;  // no padding: a lie about a length meets the file's end, not zeros
  write(writer);
  return writer.Build();
}

std::string WithKey(GgufType type, const std::string& payload) {
  return Written([&](GgufWriter& w) { w.Raw("k", static_cast<uint32_t>(type), payload); });
}

std::string WithTensor(const std::vector<uint64_t>& sizes, uint32_t type = 0, uint64_t offset = 0) {
  std::string bytes = Written([&](GgufWriter& w) { w.RawTensor("t", sizes, type, offset); });
  return bytes.append(4096, '\0');
}

std::string WithAlignment(uint32_t alignment) {
  return Written([&](GgufWriter& w) { w.U32("general.alignment", alignment); });
}

constexpr uint32_t kU8 = 0, kString = 8, kArray = 9, kU64 = 10;

std::vector<Hostile> NotGguf() {
  const StatusCode no = StatusCode::kInvalidArgument;
  const std::string safetensors = Packed<uint64_t>(2) + "{}";
  return {
      {"Empty", "", no, {"not a GGUF file", "an empty file"}},
      {"Html", "\n<!DOCTYPE html><title>404", no, {"not a GGUF file", "HTML"}},
      {"Zip", std::string("PK\x03\x04", 4) + "archive", no, {"ZIP", "PyTorch"}},
      {"Pickle", "\x80\x02}q", no, {"pickle"}},
      {"Gzip", "\x1f\x8b\x08", no, {"gzip"}},
      {"Safetensors", safetensors, no, {"safetensors"}},
      {"LfsPointer", "version https://git-lfs.github.com/spec/v1\n", no, {"Git LFS pointer"}},
      {"Ggml", "tjgg\x03", no, {"old GGML"}},
      {"Json", "{\"model_type\":\"llama\"}", no, {"JSON"}},
      {"Noise", "\x01\x02\x03\n55", no, {R"(\x01\x02\x03\x0a55)"}},
  };
}

std::vector<Hostile> BadPreambles() {
  const StatusCode lost = StatusCode::kDataLoss, unsupported = StatusCode::kUnsupported;
  const auto version = [](uint32_t v) { return Written([&](GgufWriter& w) { w.version = v; }); };
  const auto counts = [](uint64_t tensors, uint64_t keys) {
    return Written([&](GgufWriter& w) {
      w.tensor_count = tensors;
      w.key_count = keys;
      w.U32("k", 1);
    });
  };
  return {
      {"Version1", version(1), unsupported, {"version at offset 4 is 1", "GGUF v1"}},
      {"Version0", version(0), lost, {"version at offset 4", "is 0"}},
      {"Version4", version(4), unsupported, {"version at offset 4 is 4"}},
      {"BigEndian", version(0x03000000), unsupported, {"big-endian"}},
      {"BackwardMagic", "FUGG" + version(3), unsupported, {"big-endian"}},
      {"TensorCountHuge",
       counts(kMax64, 1),
       lost,
       {"tensor count at offset 8", "1844674407370955"}},
      {"TensorCountSign", counts(1ull << 63, 1), lost, {"tensor count at offset 8"}},
      {"TensorCountBeyond", counts(65537, 1), lost, {"tensor count at offset 8", "at most 65536"}},
      {"TensorCountFalse", counts(2, 1), lost, {"tensor 0 of 2", "at offset"}},
      {"KeyCountHuge", counts(0, kMax64), lost, {"key count at offset 16", "1844674407370955"}},
      {"KeyCountFalse", counts(0, 60000), lost, {"key 1 of 60000", "at offset 41", "truncated"}},
  };
}

std::vector<Hostile> BadKeys() {
  const StatusCode lost = StatusCode::kDataLoss;
  const auto key_of_length = [](uint64_t length) {
    return Written([](GgufWriter& w) { w.key_count = 1; }) + Packed(length) + "key";
  };
  const auto text = [](uint64_t length) {
    return WithKey(GgufType::kString, Packed(length) + "words");
  };
  const auto array = [](uint32_t type, uint64_t count, const std::string& elements) {
    return WithKey(GgufType::kArray, Packed(type, count) + elements);
  };
  const auto type = [](uint32_t value) {
    return Written([&](GgufWriter& w) { w.Raw("k", value, "12345678"); });
  };
  return {
      {"KeyLengthHuge",
       key_of_length(kMax64),
       lost,
       {"key 0 of 1", "name at offset", "1844674407"}},
      {"KeyLengthSign",
       key_of_length(1ull << 63),
       lost,
       {"name at offset", "length of 92233720368"}},
      {"KeyLengthAllowed", key_of_length(65536), lost, {"name at offset", "at most 65535"}},
      {"KeyLongerThanFile", key_of_length(60), lost, {"name at offset", "truncated"}},
      {"KeyEmpty",
       Written([](GgufWriter& w) { w.U32("", 1); }),
       lost,
       {"name at offset 24", "empty"}},
      {"TypeUnknown", type(13), lost, {R"(key "k")", "value type at offset 33", "is 13"}},
      {"TypeHuge", type(0xffffffff), lost, {"value type at offset 33", "4294967295"}},
      {"StringHuge", text(kMax64), lost, {R"(key "k")", "value at offset 37", "1844674407370955"}},
      {"StringLongerThanFile", text(100), lost, {R"(key "k")", "value at offset 37", "truncated"}},
      {"BoolTwo", WithKey(GgufType::kBool, "\x02"), lost, {"value at offset 37", "is the byte 2"}},
      {"BoolArray",
       array(7, 2, std::string("\x01\x07", 2)),
       lost,
       {"element at offset 50", "byte 7"}},
      {"ArrayLengthHuge",
       array(kU8, kMax64, "abc"),
       lost,
       {R"(key "k")", "array length at offset 41"}},
      // 2^61 elements of 8 bytes: the product wraps to nothing.
      {"ArrayProductWraps", array(kU64, 1ull << 61, ""), lost, {"array length at offset 41"}},
      {"ArrayOfStringsWraps", array(kString, 1ull << 61, ""), lost, {"array length at offset 41"}},
      {"ArrayOfU64OneTooMany", array(kU64, 5, std::string(32, 'x')), lost, {"array length"}},
      {"ArrayStringHuge", array(kString, 1, Packed(kMax64)), lost, {"element at offset 49"}},
      {"ArrayNested",
       array(kArray, 1, Packed(kU8, uint64_t{0})),
       lost,
       {"array element type at offset 37", "arrays of arrays"}},
      {"ArrayTypeUnknown", array(77, 0, ""), lost, {"array element type at offset 37", "is 77"}},
      {"KeyTwice",
       Written([](GgufWriter& w) {
         w.U32("k", 1);
         w.U32("k", 1);
       }),
       lost,
       {R"(key "k")", "name at offset 41", "twice"}},
      {"KeyTwiceAsArray",
       Written([](GgufWriter& w) {
         w.U32("k", 1);
         w.I32s("k", {1});
       }),
       lost,
       {R"(key "k")", "twice"}},
      {"AlignmentZero",
       WithAlignment(0),
       lost,
       {"general.alignment", "value at offset 53", "is 0"}},
      {"AlignmentThree", WithAlignment(24), lost, {"general.alignment", "power of two"}},
      {"AlignmentOne", WithAlignment(1), lost, {"general.alignment", "from 8"}},
      {"AlignmentHuge", WithAlignment(1u << 31), lost, {"general.alignment", "2147483648"}},
      {"AlignmentText",
       Written([](GgufWriter& w) { w.String("general.alignment", "32"); }),
       lost,
       {"general.alignment", "value type at offset 49"}},
      {"AlignmentArray",
       Written([](GgufWriter& w) { w.I32s("general.alignment", {32}); }),
       lost,
       {"general.alignment", "value type"}},
      {"KeyOfControls",
       Written([](GgufWriter& w) { w.Raw("a\n\x1b[2J", 13, ""); }),
       lost,
       {R"(key "a\x0a\x1b[2J")"}},
  };
}

std::vector<Hostile> BadTensors() {
  const StatusCode lost = StatusCode::kDataLoss, unsupported = StatusCode::kUnsupported;
  // 24 of preamble, name 24..33, dimensions 33, sizes from 37, type, offset.
  const auto two = [](uint64_t first, uint64_t second) {
    return Written([&](GgufWriter& w) {
             w.RawTensor("a", {8, 4}, 0, first);  // 128 bytes
             w.RawTensor("b", {8}, 0, second);
           })
        .append(4096, '\0');
  };
  const auto named = [](const std::string& name) {
    return Written([&](GgufWriter& w) { w.RawTensor(name, {1}, 0, 0); }).append(64, '\0');
  };
  return {
      {"NameEmpty", named(""), lost, {"tensor 0 of 1", "name at offset 24", "is empty"}},
      {"NameLong", named(std::string(300, 'n')), lost, {"name at offset 24", "at most 256"}},
      {"NameTwice",
       Written([](GgufWriter& w) {
         w.RawTensor("t", {1}, 0, 0);
         w.RawTensor("t", {1}, 0, 32);
       }).append(64, '\0'),
       lost,
       {R"(tensor "t")", "twice"}},
      {"NoDimensions",
       WithTensor({}),
       lost,
       {R"(tensor "t")", "number of dimensions at offset 33"}},
      {"FiveDimensions", WithTensor({1, 1, 1, 1, 1}), lost, {"number of dimensions", "is 5"}},
      {"DimensionZero", WithTensor({4, 0}), lost, {"dimension at offset 45", "is 0"}},
      {"DimensionHuge", WithTensor({kMax64}), lost, {"dimension at offset 37", "too many"}},
      {"DimensionSign", WithTensor({1ull << 63}), lost, {"dimension at offset 37", "too many"}},
      {"ProductWrapsToZero",
       WithTensor({1ull << 32, 1ull << 32}),
       lost,
       {"dimension at offset 45"}},
      {"ProductWrapsToSmall", WithTensor({(1ull << 62) + 1, 4}), lost, {"dimension at offset 45"}},
      // 2^62 floats fit in 64 bits, their 2^64 bytes do not.
      {"BytesWrap", WithTensor({1ull << 62}), lost, {R"(tensor "t")", "too many bytes"}},
      {"BytesAlmostWrap", WithTensor({(1ull << 62) - 1}), lost, {"data offset", "end beyond"}},
      {"TypeForeign", WithTensor({32}, 20), unsupported, {"type at offset 45", "IQ4_NL"}},
      {"TypeRemoved", WithTensor({32}, 4), unsupported, {"type at offset 45", "Q4_2"}},
      {"TypeUnknown", WithTensor({32}, 1000), unsupported, {"type at offset 45", "1000 (unknown)"}},
      {"RowNotOfBlocks",
       WithTensor({33, 2}, 2),
       lost,
       {"dimension at offset 37", "is 33", "Q4_0", "32"}},
      {"RowNotOfSuperBlocks", WithTensor({128, 2}, 12), lost, {"dimension", "Q4_K", "256"}},
      {"OffsetOdd",
       WithTensor({8}, 0, 4),
       lost,
       {"data offset at offset 49", "is 4", "alignment 32"}},
      {"OffsetHuge", WithTensor({8}, 0, kMax64 - 31), lost, {"data offset", "end beyond"}},
      // offset + size wraps to 0.
      {"ExtentWraps", WithTensor({8}, 0, kMax64 - 31), lost, {"data offset at offset 49"}},
      {"OffsetBeyond", WithTensor({8}, 0, 8192), lost, {"data offset at offset 49", "truncated"}},
      {"ExtentBeyond", WithTensor({2000}), lost, {"its 8000 bytes end beyond"}},
      {"Overlap", two(0, 96), lost, {R"(tensor "b")", "data offset", R"(overlaps tensor "a")"}},
      {"OverlapBackward", two(32, 0), StatusCode::kOk, {}},
      {"SamePlace", two(64, 64), lost, {"overlaps"}},
      {"NoData",
       Written([](GgufWriter& w) { w.RawTensor("t", {8}, 0, 0); }),
       lost,
       {"data offset", "end beyond the 0 bytes"}},
  };
}

class HostileGgufTest : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileGgufTest, GivesAnErrorThatNamesTheField) {
  const Hostile& hostile = GetParam();
  MemoryFile files(hostile.bytes);
  const auto file = GgufFile::Open(files, "hostile.gguf");
  const Status& status = file.status();
  ASSERT_EQ(file.code(), hostile.code) << status.message();
  if (file.ok()) return;
  EXPECT_TRUE(fuzz::IsOneLine(status));
  EXPECT_EQ(status.message().rfind("hostile.gguf: ", 0), 0u) << status.message();
  for (const std::string& words : hostile.says) {
    EXPECT_NE(status.message().find(words), std::string::npos)
        << "no '" << words << "' in: " << status.message();
  }
}
const auto kCaseName = [](const ::testing::TestParamInfo<Hostile>& info) {
  return info.param.name;
};
INSTANTIATE_TEST_SUITE_P(NotGguf, HostileGgufTest, ::testing::ValuesIn(NotGguf()), kCaseName);
INSTANTIATE_TEST_SUITE_P(Preamble, HostileGgufTest, ::testing::ValuesIn(BadPreambles()), kCaseName);
INSTANTIATE_TEST_SUITE_P(Keys, HostileGgufTest, ::testing::ValuesIn(BadKeys()), kCaseName);
INSTANTIATE_TEST_SUITE_P(Tensors, HostileGgufTest, ::testing::ValuesIn(BadTensors()), kCaseName);

TEST(TruncatedGguf, EveryByteOfTheHeader) {
  testing::TinyModelOptions options;
  options.layers = 1;
  const GgufWriter writer = testing::TinyModelWriter(options);
  const std::string bytes = writer.Build();
  ASSERT_TRUE(fuzz::ReadGguf(bytes).configured);
  for (size_t size = 0; size <= writer.HeaderBytes(); ++size) {
    MemoryFile files(std::string_view(bytes).substr(0, size));
    const auto file = GgufFile::Open(files, "cut.gguf");
    ASSERT_FALSE(file.ok()) << "cut at " << size;
    ASSERT_TRUE(fuzz::IsOneLine(file.status()));
    const bool says_so = file.status().message().find("truncated") != std::string::npos;
    ASSERT_EQ(says_so, size > 0) << "cut at " << size << ": " << file.status().message();
  }
}

TEST(TruncatedGguf, EveryPageOfTheData) {
  const GgufWriter writer = testing::TinyModelWriter({});
  const std::string bytes = writer.Build();
  for (size_t size = writer.HeaderBytes(); size < bytes.size(); size += 4096) {
    MemoryFile files(std::string_view(bytes).substr(0, size));
    const auto file = GgufFile::Open(files, "cut.gguf");
    ASSERT_EQ(file.code(), StatusCode::kDataLoss) << "cut at " << size;
    ASSERT_NE(file.status().message().find("truncated"), std::string::npos);
  }
}

// A whole model with few words, so that thousands of copies of it are read in a second.
std::string SmallModel(size_t* header_bytes) {
  testing::TinyModelOptions options;
  options.layers = 1;
  options.head_dim = 4;
  options.width = 8;
  options.feed_forward = 8;
  options.rope_scaling = "linear";
  options.rope_factor = 2;
  GgufWriter writer = testing::TinyModelWriter(options);
  for (const char* key : {"tokens", "token_type", "merges"}) {
    writer.Remove(std::string("tokenizer.ggml.") + key);
  }
  writer.Strings("tokenizer.ggml.tokens", {"a", "b", "<|im_end|>", "ab"});
  writer.I32s("tokenizer.ggml.token_type", {1, 1, 3, 1});
  writer.Strings("tokenizer.ggml.merges", {"a b"});
  writer.RemoveTensor("token_embd.weight");
  writer.F32Tensor("token_embd.weight", {4, 8}, std::vector<float>(4 * 8, 0.5f));
  *header_bytes = writer.HeaderBytes();
  return writer.Build();
}

TEST(FlippedGguf, NoByteOfTheHeaderCanCrashTheReader) {
  size_t header_bytes = 0;
  std::string bytes = SmallModel(&header_bytes);
  ASSERT_TRUE(fuzz::ReadGguf(bytes).configured);
  int refused = 0;
  for (size_t at = 0; at < header_bytes; ++at) {
    const auto original = static_cast<uint8_t>(bytes[at]);
    for (const int value : {0x00, 0xff, original ^ 0x01, original ^ 0x80}) {
      if (value == original) continue;
      bytes[at] = static_cast<char>(value);
      if (!fuzz::ReadGguf(bytes).configured) ++refused;
    }
    bytes[at] = static_cast<char>(original);
  }
  EXPECT_GT(refused, static_cast<int>(2 * header_bytes));  // most of a header matters
}

}  // namespace
}  // namespace kvlink::formats
