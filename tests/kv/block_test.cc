// The block's image: round trips, its golden bytes, and that no damaged or hostile image opens.
#include "kv/block.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kv/block_format.h"
#include "kv/blocks.h"
#include "support/tiny_model.h"

namespace kvlink::kv {
namespace {

using namespace ::kvlink::testing;  // NOLINT: the tests' own words

std::string ImageOf(const Block& block) { return std::string(AsText(block.image())); }

std::string Hex(std::string_view text) {
  return ToHex({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

void ExpectSame(const Block& a, const Block& b) {
  EXPECT_EQ(a.identity().id, b.identity().id);
  EXPECT_EQ(a.identity().model, b.identity().model);
  EXPECT_EQ(a.shape(), b.shape());
  EXPECT_TRUE(
      std::equal(a.tokens().begin(), a.tokens().end(), b.tokens().begin(), b.tokens().end()));
  EXPECT_EQ(a.label(), b.label());
  const size_t bytes = static_cast<size_t>(a.shape().plane_bytes());
  for (int32_t layer = 0; layer < a.shape().layers; ++layer) {
    EXPECT_EQ(std::memcmp(a.keys(layer), b.keys(layer), bytes), 0);
    EXPECT_EQ(std::memcmp(a.values(layer), b.values(layer), bytes), 0);
  }
}

RC_GTEST_PROP(Block, OpensAsItWasBuilt, ()) {
  BlockShape shape;
  shape.layers = *rc::gen::inRange(1, 5);
  shape.kv_heads = *rc::gen::inRange(1, 4);
  shape.head_dim = *rc::gen::inRange(1, 20);  // odd ones too: planes are aligned all the same
  shape.tokens = *rc::gen::inRange(0, 40);
  shape.dtype = *rc::gen::element(DType::kF32, DType::kBF16);
  const auto built = MakeBlock(*rc::gen::arbitrary<uint64_t>(), shape);
  const auto opened = OpenBytes(built->image());
  RC_ASSERT(opened.ok());
  ExpectSame(*built, **opened);
  RC_ASSERT(SameBytes(*built, **opened));
  for (int32_t layer = 0; layer < shape.layers; ++layer) {
    RC_ASSERT(reinterpret_cast<uintptr_t>((*opened)->keys(layer)) % 64 == 0u);
    RC_ASSERT(reinterpret_cast<uintptr_t>((*opened)->values(layer)) % 64 == 0u);
  }
}

TEST(Block, PlanesAreApartAndPaddedWithZeros) {
  const auto block = MakeBlock(3);
  const BlockShape& shape = block->shape();
  ASSERT_EQ(shape.padded_tokens(), 16);
  std::vector<const void*> planes;
  for (int32_t layer = 0; layer < shape.layers; ++layer) {
    planes.push_back(block->keys(layer));
    planes.push_back(block->values(layer));
  }
  for (size_t i = 1; i < planes.size(); ++i) {
    EXPECT_GE(static_cast<const char*>(planes[i]) - static_cast<const char*>(planes[i - 1]),
              shape.plane_bytes());
  }
  for (const void* plane : planes) {
    const auto* values = static_cast<const float*>(plane);
    for (int head = 0; head < shape.kv_heads; ++head) {
      for (int64_t i = shape.tokens * shape.head_dim; i < shape.padded_tokens() * shape.head_dim;
           ++i) {
        ASSERT_EQ(values[head * shape.padded_tokens() * shape.head_dim + i], 0.0f);
      }
    }
  }
}

TEST(Block, TheBuildersMemoryLivesAsLongAsTheBlock) {
  auto block = MakeBlock(3);
  const std::shared_ptr<const Block> second = block;
  block.reset();
  EXPECT_EQ(second->tokens().size(), 5u);
  EXPECT_TRUE(OpenBytes(second->image()).ok());
}

TEST(Block, AnEmptyDocumentIsABlockToo) {
  BlockShape shape = kTinyShape;
  shape.tokens = 0;
  const auto built = BlockBuilder::Create({}, shape, {}, "");
  ASSERT_TRUE(built.ok());
  const auto block = MakeBlock(1, shape);
  const auto opened = OpenBytes(block->image());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_TRUE((*opened)->tokens().empty());
}

TEST(BlockBuilder, RefusesShapesThatAreNone) {
  const auto code = [](auto change) {
    BlockShape shape = kTinyShape;
    change(shape);
    const std::vector<int32_t> tokens(5);
    return BlockBuilder::Create({}, shape, tokens, "").code();
  };
  EXPECT_EQ(code([](BlockShape&) {}), StatusCode::kOk);
  for (const int32_t bad : {0, -1, INT32_MIN, INT32_MAX, 1 << 13}) {
    EXPECT_EQ(code([&](BlockShape& s) { s.layers = bad; }), StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(code([&](BlockShape& s) { s.kv_heads = bad; }), StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(code([&](BlockShape& s) { s.head_dim = bad; }), StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(code([](BlockShape& s) { s.tokens = -1; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](BlockShape& s) { s.tokens = 6; }), StatusCode::kInvalidArgument);  // 5 ids
  EXPECT_EQ(code([](BlockShape& s) { s.dtype = static_cast<DType>(2); }),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](BlockShape& s) { s.layers = s.kv_heads = s.head_dim = 1 << 12; }),
            StatusCode::kInvalidArgument);  // each in range, the product is not
}

// docs/block-format.md, byte by byte. If this fails, the format changed: raise its version.
TEST(BlockFormat, GoldenImage) {
  BlockIdentity identity;
  for (uint8_t i = 0; i < 32; ++i) {
    identity.model[i] = i;
    identity.id[i] = static_cast<uint8_t>(0xa0 + i);
  }
  const BlockShape shape = {
      .layers = 2, .kv_heads = 1, .head_dim = 3, .tokens = 2, .dtype = DType::kBF16};
  auto builder = BlockBuilder::Create(identity, shape, std::vector<int32_t>{7, 300}, "{}\n");
  ASSERT_TRUE(builder.ok());
  for (int32_t layer = 0; layer < 2; ++layer) {
    auto* keys = static_cast<bf16_t*>(builder->keys(layer));
    auto* values = static_cast<bf16_t*>(builder->values(layer));
    for (int i = 0; i < 6; ++i) {
      keys[i] = ToBf16(static_cast<float>(layer * 100 + i));
      values[i] = ToBf16(static_cast<float>(-layer * 100 - i));
    }
  }
  const std::string image = ImageOf(*std::move(*builder).Finish());

  EXPECT_EQ(image.size(), 4672u);  // 4096, 8 ids, 3 label, 5, 32 table, 16; then 4 x 128
  EXPECT_EQ(image.substr(0, 8), "KVLBLOCK");
  EXPECT_EQ(Hex(image.substr(8, 8)), "0100000000100000");  // version 1, 4096 bytes
  EXPECT_EQ(Hex(image.substr(16, 32)), ToHex(identity.model));
  EXPECT_EQ(Hex(image.substr(48, 32)), ToHex(identity.id));
  EXPECT_EQ(Hex(image.substr(80, 24)), "020000000100000003000000020000000100000010000000");
  EXPECT_EQ(Hex(image.substr(104, 8)), "0300000000000000");   // label
  EXPECT_EQ(Hex(image.substr(112, 8)), "4010000000000000");   // planes at 4160
  EXPECT_EQ(Hex(image.substr(120, 8)), "8000000000000000");   // stride 128
  EXPECT_EQ(Hex(image.substr(128, 8)), "4012000000000000");   // 4672
  EXPECT_EQ(Hex(image.substr(4096, 8)), "070000002c010000");  // token ids
  EXPECT_EQ(image.substr(4104, 3), "{}\n");
  EXPECT_EQ(Hex(image.substr(4160, 12)), "0000803f004040408040a040");  // keys of layer 0
  // Found by a second implementation of the grammar, in another language.
  EXPECT_EQ(ToHex(Sha256().Update(AsBytes(image)).Finish()),
            "b5d788dea090e9156fe37c2c951a5e2f0419a7fd0bb5d45074e5aa6299c7457b");
}

TEST(BlockFormat, EveryFlippedByteIsFound) {
  const auto block = MakeBlock(1);
  std::string image = ImageOf(*block);
  for (size_t i = 0; i < image.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      image[i] = static_cast<char>(image[i] ^ mask);
      ASSERT_EQ(OpenBytes(AsBytes(image)).code(), StatusCode::kDataLoss) << "byte " << i;
      image[i] = static_cast<char>(image[i] ^ mask);
    }
  }
  EXPECT_TRUE(OpenBytes(AsBytes(image)).ok());
}

TEST(BlockFormat, WithoutVerifyingOnlyPlanesAreTakenOnTrust) {
  const auto block = MakeBlock(1);
  const auto layout = LayoutOf(block->shape(), static_cast<int64_t>(block->label().size()));
  ASSERT_TRUE(layout.ok());
  std::string image = ImageOf(*block);
  for (size_t i = 0; i < image.size(); i += 7) {
    image[i] ^= 0x10;
    const bool in_planes = static_cast<int64_t>(i) >= layout->planes_offset;
    ASSERT_EQ(OpenBytes(AsBytes(image), /*verify_planes=*/false).ok(), in_planes) << "byte " << i;
    image[i] ^= 0x10;
  }
}

TEST(BlockFormat, AMessageSaysWhichPlane) {
  const auto block = MakeBlock(1);
  std::string image = ImageOf(*block);
  const auto offset = static_cast<const std::byte*>(block->values(1)) - block->image().data();
  image[static_cast<size_t>(offset)] ^= 1;
  const auto opened = OpenBytes(AsBytes(image));
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.status().message().find("values of layer 1"), std::string::npos)
      << opened.status().message();
}

TEST(BlockFormat, TruncatedAnywhereOrExtendedIsDamaged) {
  BlockShape shape = kTinyShape;
  shape.tokens = 100;  // some pages
  const auto block = MakeBlock(1, shape);
  const std::string image = ImageOf(*block);
  ASSERT_GT(image.size(), 4u * 4096);
  for (size_t size = 0; size < image.size(); size += size < 4200 ? 1 : 4096 - size % 4096) {
    ASSERT_EQ(OpenBytes(AsBytes(image.substr(0, size))).code(), StatusCode::kDataLoss) << size;
  }
  EXPECT_EQ(OpenBytes(AsBytes(image.substr(0, image.size() - 1))).code(), StatusCode::kDataLoss);
  EXPECT_EQ(OpenBytes(AsBytes(image + "x")).code(), StatusCode::kDataLoss);
  EXPECT_EQ(OpenBytes(AsBytes(image + std::string(4096, 0))).code(), StatusCode::kDataLoss);
}

// A header that lies but whose checksum is right.
std::string Resealed(std::string image) {
  const uint64_t checksum = Xxh3(AsBytes(image).first(4088));
  std::memcpy(image.data() + 4088, &checksum, 8);
  return image;
}

TEST(BlockFormat, HostileSizesUnderAGoodChecksumAreRefused) {
  const std::string image = ImageOf(*MakeBlock(1));
  ASSERT_EQ(Resealed(image), image);
  for (size_t offset = 8; offset < 152; offset += 4) {
    if (offset >= 16 && offset < 80) continue;  // identity: any value is one
    for (const uint32_t value : {0u, 1u, 2u, 3u, 6u, 17u, 4096u, 4097u, 0x7fffffffu, 0x80000000u,
                                 0xfffffff0u, 0xffffffffu}) {
      std::string bad = image;
      std::memcpy(bad.data() + offset, &value, 4);
      if (bad == image) continue;
      const auto opened = OpenBytes(AsBytes(Resealed(bad)));
      const bool newer = offset == 8 && value > 1;
      ASSERT_EQ(opened.code(), newer ? StatusCode::kFailedPrecondition : StatusCode::kDataLoss)
          << "offset " << offset << ", value " << value;
      ASSERT_EQ(opened.status().message().find('\n'), std::string::npos);
    }
  }
}

// Some shapes of the same size exist (fewer heads, longer ones): then every plane lies within.
RC_GTEST_PROP(BlockFormat, RandomHeadersUnderAGoodChecksumNeverReachBeyondTheImage, ()) {
  static const std::string image = ImageOf(*MakeBlock(1));
  std::string bad = image;
  for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
    const size_t offset = *rc::gen::inRange<size_t>(20, 38) * 4;  // the numbers
    const uint32_t value =
        *rc::gen::oneOf(rc::gen::arbitrary<uint32_t>(), rc::gen::inRange<uint32_t>(0, 64));
    std::memcpy(bad.data() + offset, &value, 4);
  }
  const auto opened = OpenBytes(AsBytes(Resealed(bad)));
  if (!opened.ok()) {
    RC_ASSERT(opened.code() == StatusCode::kDataLoss);
    return;
  }
  const Block& block = **opened;
  const std::byte* const end = block.image().data() + block.image().size();
  for (int32_t layer = 0; layer < block.shape().layers; ++layer) {
    for (const void* plane : {block.keys(layer), block.values(layer)}) {
      RC_ASSERT(static_cast<const std::byte*>(plane) + block.shape().plane_bytes() <= end);
    }
  }
}

TEST(BlockFormat, ForeignFilesAreNoBlocks) {
  EXPECT_EQ(OpenBytes({}).code(), StatusCode::kDataLoss);
  EXPECT_EQ(OpenBytes(AsBytes(std::string(8192, 0))).code(), StatusCode::kDataLoss);
  EXPECT_EQ(OpenBytes(AsBytes("GGUF" + std::string(8192, 1))).code(), StatusCode::kDataLoss);
}

TEST(Block, OpensFromAMappedFile) {
  const TempDir dir;
  const auto block = MakeBlock(9);
  ASSERT_TRUE(WriteWholeFile(FileSystem::Posix(), dir / "b", ImageOf(*block)).ok());
  auto file = FileSystem::Posix().Map(dir / "b");
  ASSERT_TRUE(file.ok());
  const auto opened = OpenBlock(*std::move(file), true);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  ASSERT_TRUE(FileSystem::Posix().Remove(dir / "b").ok());
  ExpectSame(*block, **opened);  // the block keeps its mapping alive
}

}  // namespace
}  // namespace kvlink::kv
