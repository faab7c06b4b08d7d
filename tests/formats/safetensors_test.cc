// Safetensors: what is written is read back, a golden file byte by byte, and headers that lie.
#include "formats/safetensors.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

#include "../../fuzz/safetensors_entry.h"
#include "base/bytes.h"
#include "base/dtype.h"
#include "support/memory_file.h"
#include "support/tiny_model.h"

namespace kvlink::formats {
namespace {

using testing::MemoryFile;
using testing::TempDir;

std::string FileOf(const std::string& header, const std::string& data = "") {
  std::string bytes;
  AppendValue(&bytes, static_cast<uint64_t>(header.size()));
  return bytes + header + data;
}
Result<std::unique_ptr<SafetensorsFile>> OpenBytes(const std::string& bytes) {
  MemoryFile files(bytes);
  return SafetensorsFile::Open(files, "m.safetensors");
}

TEST(Safetensors, WritesTheGoldenBytes) {
  const TempDir folder;
  const std::string path = folder / "golden.safetensors";
  const Status written = WriteSafetensors(FileSystem::Posix(), path,
                                          {{"a.bf16", {{3}, {1, -2, 0.5f}, "BF16"}},
                                           {"b \"quoted\"", {{2, 1}, {1.5f, -1}, "F32"}},
                                           {"none", {{0, 4}, {}, "F32"}}},
                                          {{"k", "1"}, {"note", "line\nbreak"}});
  ASSERT_TRUE(written.ok()) << written.message();
  std::string header = R"({"__metadata__":{"k":"1","note":"line\nbreak"},)"
                       R"("b \"quoted\"":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                       R"("none":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]},)"
                       R"("a.bf16":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  const std::string data("\x00\x00\xc0\x3f\x00\x00\x80\xbf\x80\x3f\x00\xc0\x00\x3f", 14);
  const auto bytes = ReadWholeFile(FileSystem::Posix(), path, 4096);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(*bytes, FileOf(header, data));
}

TEST(Safetensors, ReadsWhatItWrites) {
  const TempDir folder;
  const std::string path = folder / "round.safetensors";
  const std::vector<float> values = {0.1f, -0.0f, std::numeric_limits<float>::infinity(), 1e-40f};
  ASSERT_TRUE(WriteSafetensors(FileSystem::Posix(), path,
                               {{"exact", {{2, 2}, values, "F32"}},
                                {"rounded", {{4}, values, "BF16"}},
                                {"scalar", {{}, {7}, "F32"}}},
                               {{"text", "\xc3\xa9"}})
                  .ok());
  const auto file = SafetensorsFile::Open(FileSystem::Posix(), path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto& tensors = (*file)->tensors();
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors.at("exact").shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(tensors.at("exact").ToFloat(), values);
  EXPECT_EQ(tensors.at("rounded").dtype, "BF16");
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(tensors.at("rounded").ToFloat()[i], FromBf16(ToBf16(values[i])));
  }
  EXPECT_EQ(tensors.at("scalar").elements(), 1);
  EXPECT_EQ(tensors.at("scalar").ToFloat(), (std::vector<float>{7}));
  EXPECT_EQ((*file)->metadata().at("text"), "\xc3\xa9");
}

RC_GTEST_PROP(Safetensors, AnyTensorsComeBack, ()) {
  std::map<std::string, SafeTensorToWrite> tensors;
  const int count = *rc::gen::inRange(0, 6);
  for (int i = 0; i < count; ++i) {
    SafeTensorToWrite tensor;
    int64_t elements = 1;
    for (int d = *rc::gen::inRange(0, 4); d > 0; --d) {
      tensor.shape.push_back(*rc::gen::inRange(0, 5));
      elements *= tensor.shape.back();
    }
    for (int64_t e = 0; e < elements; ++e) {
      tensor.values.push_back(static_cast<float>(*rc::gen::inRange(-100, 100)));
    }
    tensor.dtype = *rc::gen::element(std::string("F32"), std::string("BF16"));
    tensors["t" + std::to_string(*rc::gen::inRange(0, 100))] = tensor;
  }
  const TempDir folder;
  const std::string path = folder / "any.safetensors";
  RC_ASSERT(WriteSafetensors(FileSystem::Posix(), path, tensors, {}).ok());
  const auto file = SafetensorsFile::Open(FileSystem::Posix(), path);
  RC_ASSERT(file.ok());
  RC_ASSERT((*file)->tensors().size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    RC_ASSERT((*file)->tensors().at(name).shape == tensor.shape);
    RC_ASSERT((*file)->tensors().at(name).ToFloat() == tensor.values);  // small integers are exact
  }
}

TEST(Safetensors, ReadsHalfPrecisionAndAnyOrder) {
  const auto file = OpenBytes(FileOf(R"({"z":{"data_offsets":[0,2],"shape":[1],"dtype":"F16"},)"
                                     R"( "a":{"shape":[1],"dtype":"F32","data_offsets":[2,6]}}  )",
                                     std::string("\x00\x3c\x00\x00\x00\x40", 6)));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ((*file)->tensors().at("z").ToFloat(), (std::vector<float>{1}));
  EXPECT_EQ((*file)->tensors().at("a").ToFloat(), (std::vector<float>{2}));  // at an odd place
}

TEST(Safetensors, PlacesIntegersButReadsNoFloatsFromThem) {
  const auto file = OpenBytes(FileOf(R"({"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})",
                                     std::string("\x07\0\0\0\0\0\0\0", 8)));
  ASSERT_TRUE(file.ok()) << file.status().message();
  const SafeTensor& tensor = (*file)->tensors().at("i");
  EXPECT_EQ(tensor.dtype, "I64");
  EXPECT_EQ(tensor.elements(), 1);
  EXPECT_EQ(tensor.data.size(), 8u);
  EXPECT_TRUE(tensor.ToFloat().empty());
}

TEST(Safetensors, RefusesToWriteNonsense) {
  const TempDir folder;
  const std::string path = folder / "no.safetensors";
  const auto write = [&](const std::map<std::string, SafeTensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata = {}) {
    return WriteSafetensors(FileSystem::Posix(), path, tensors, metadata).code();
  };
  EXPECT_EQ(write({{"t", {{2}, {1}, "F32"}}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{"t", {{-1}, {}, "F32"}}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{"t", {{1ll << 62, 4}, {}, "F32"}}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{"t", {{1}, {1}, "I8"}}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{"__metadata__", {{1}, {1}, "F32"}}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{"\xff", {{1}, {1}, "F32"}}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({}, {{"k", "\xff"}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(FileSystem::Posix().Stat(path).code(), StatusCode::kNotFound);
  EXPECT_EQ(write({}), StatusCode::kOk);
}

struct Hostile {
  std::string name;
  std::string bytes;
  StatusCode code;
  std::vector<std::string> says;
};
void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

std::vector<Hostile> HostileFiles() {
  const StatusCode no = StatusCode::kInvalidArgument, lost = StatusCode::kDataLoss,
                   unsupported = StatusCode::kUnsupported;
  const std::string eight(8, 'x');
  const auto length = [](uint64_t n, const std::string& rest) {
    std::string bytes;
    AppendValue(&bytes, n);
    return bytes + rest;
  };
  const auto entry = [&](const std::string& text) {
    return FileOf("{\"t\":{" + text + "}}", eight);
  };
  const auto tensor = [&](const std::string& dtype, const std::string& shape,
                          const std::string& offsets) {
    return entry("\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets);
  };
  return {
      {"Empty", "", no, {"header's length at offset 0", "has 0"}},
      {"SevenBytes", "1234567", no, {"header's length at offset 0", "has 7"}},
      {"LengthHuge", length(~0ull, "{}"), no, {"header's length", "18446744073709551615"}},
      {"LengthBeyond", length(3, "{}"), no, {"header's length", "is 3"}},
      {"LengthAllowed", length(1ull << 40, "{}"), no, {"at most"}},
      {"Gguf", std::string("GGUF\x03\x00\x00\x00", 8) + "more", no, {"a GGUF file"}},
      {"NoHeader", length(0, ""), no, {"'{'"}},
      {"Array", FileOf("[]"), no, {"'{'"}},
      {"NotJson", FileOf("{\"a\":"), lost, {"header", "not JSON at offset"}},
      {"TwoTexts", FileOf("{}{}"), lost, {"not JSON at offset"}},
      {"NotUtf8", FileOf("{\"\xff\":{}}"), lost, {"not JSON at offset"}},
      {"EntryText", FileOf(R"({"t":"F32"})"), lost, {R"(entry "t")", "a string"}},
      {"EntryNull", FileOf(R"({"t":null})"), lost, {R"(entry "t")", "a null"}},
      {"EntryArray", FileOf(R"({"t":[1]})"), lost, {R"(entry "t")", "an array"}},
      {"EntryTwice", FileOf(R"({"t":{},"t":{}})"), lost, {R"(entry "t")", "twice"}},
      {"FieldTwice", entry(R"("shape":[1],"shape":[2])"), lost, {R"(field "shape")", "twice"}},
      {"FieldUnknown", entry(R"("stride":[1])"), lost, {R"(field "stride")"}},
      {"FieldMissing", entry(R"("dtype":"F32","shape":[2])"), lost, {"data_offsets", "missing"}},
      {"DtypeNumber", entry(R"("dtype":3)"), lost, {R"(field "dtype")", "a number"}},
      {"DtypeForeign",
       tensor("F8_E4M3", "[8]", "[0,8]"),
       unsupported,
       {"'dtype'", "F8_E4M3", "BF16"}},
      {"ShapeText", entry(R"("shape":"2")"), lost, {R"(field "shape")", "a string"}},
      {"ShapeNested", entry(R"("shape":[[2]])"), lost, {R"(field "shape")", "an array"}},
      {"ShapeObject", entry(R"("shape":{"a":1})"), lost, {R"(field "shape")", "an object"}},
      {"ShapeNegative", tensor("F32", "[-2]", "[0,8]"), lost, {R"(field "shape")", "negative"}},
      {"ShapeFraction", tensor("F32", "[2.0]", "[0,8]"), lost, {R"(field "shape")", "whole"}},
      {"ShapeBeyond64", tensor("F32", "[99999999999999999999]", "[0,8]"), lost, {"whole"}},
      {"ShapeLong", tensor("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), lost, {"too many elements"}},
      {"ShapeWraps", tensor("F32", "[4294967296,4294967296]", "[0,8]"), lost, {"'shape'", "many"}},
      {"ShapeHuge", tensor("F32", "[18446744073709551615]", "[0,8]"), lost, {"'shape'", "many"}},
      {"ShapeOther", tensor("F32", "[3]", "[0,8]"), lost, {"spans 8 bytes", "need 12"}},
      {"OffsetsBackward", tensor("F32", "[2]", "[8,0]"), lost, {"'data_offsets'"}},
      {"OffsetsThree", tensor("F32", "[2]", "[0,8,8]"), lost, {"'data_offsets'"}},
      {"OffsetsBeyond", tensor("F32", "[3]", "[0,12]"), lost, {"ends at 12 of 8", "truncated"}},
      {"OffsetsHuge",
       tensor("F32", "[2]", "[18446744073709551608,18446744073709551615]"),
       lost,
       {"data_offsets"}},
      {"Gap", tensor("F32", "[1]", "[4,8]"), lost, {R"(entry "t")", "begins at 4"}},
      {"Rest", tensor("F32", "[1]", "[0,4]"), lost, {"end at 4 of 8"}},
      {"Overlap",
       FileOf(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
              R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
              eight),
       lost,
       {R"(entry "b")", "begins at 4", "ends at 8"}},
      {"MetadataNumber", FileOf(R"({"__metadata__":{"k":1}})"), lost, {"__metadata__", "a number"}},
      {"MetadataText", FileOf(R"({"__metadata__":"k"})"), lost, {"__metadata__", "a string"}},
      {"MetadataDeep", FileOf(R"({"__metadata__":{"k":{}}})"), lost, {"__metadata__", "an object"}},
      {"MetadataTwice", FileOf(R"({"__metadata__":{},"__metadata__":{}})"), lost, {"twice"}},
      {"MetadataKeyTwice", FileOf(R"({"__metadata__":{"k":"","k":""}})"), lost, {"\"k\"", "twice"}},
      {"Deep", FileOf("{\"t\":" + std::string(100000, '[')), lost, {R"(entry "t")", "an array"}},
  };
}

class HostileSafetensorsTest : public ::testing::TestWithParam<Hostile> {};
TEST_P(HostileSafetensorsTest, GivesAnErrorThatNamesTheField) {
  const auto file = OpenBytes(GetParam().bytes);
  ASSERT_EQ(file.code(), GetParam().code) << file.status().message();
  const std::string& message = file.status().message();
  EXPECT_EQ(message.rfind("m.safetensors: ", 0), 0u) << message;
  for (const std::string& words : GetParam().says) {
    EXPECT_NE(message.find(words), std::string::npos) << "no '" << words << "' in: " << message;
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, HostileSafetensorsTest, ::testing::ValuesIn(HostileFiles()),
                         [](const auto& test) { return test.param.name; });

TEST(TruncatedSafetensors, EveryByte) {
  const TempDir folder;
  const std::string path = folder / "whole.safetensors";
  ASSERT_TRUE(WriteSafetensors(FileSystem::Posix(), path,
                               {{"a", {{5}, {1, 2, 3, 4, 5}, "F32"}}, {"b", {{1}, {6}, "BF16"}}},
                               {{"k", "v"}})
                  .ok());
  const auto bytes = ReadWholeFile(FileSystem::Posix(), path, 4096);
  ASSERT_TRUE(bytes.ok());
  ASSERT_TRUE(fuzz::ReadSafetensors(*bytes));
  for (size_t size = 0; size < bytes->size(); ++size) {
    EXPECT_FALSE(fuzz::ReadSafetensors(bytes->substr(0, size))) << "cut at " << size;
  }
}

}  // namespace
}  // namespace kvlink::formats
