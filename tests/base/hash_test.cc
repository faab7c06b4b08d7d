// Hashes against published vectors (FIPS 180-2; xxHash's own test values), and hexadecimal.
#include "base/hash.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace kvlink {
namespace {

std::string Sha(std::string_view text) { return ToHex(Sha256().Update(AsBytes(text)).Finish()); }

TEST(Sha256, KnownVectors) {
  EXPECT_EQ(Sha(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, UpdatesConcatenate) {
  Sha256 hash;
  hash.Update(AsBytes("a")).Update(AsBytes("")).Update(AsBytes("bc"));
  EXPECT_EQ(ToHex(hash.Finish()), Sha("abc"));
}

TEST(Sha256, FieldsHaveOneReadingOnly) {
  EXPECT_NE(Sha256().Field("ab").Field("c").Finish(), Sha256().Field("a").Field("bc").Finish());
  EXPECT_NE(Sha256().Field("a").Field("").Finish(), Sha256().Field("a").Finish());
  // A field is its length in 8 little-endian bytes, then its bytes.
  EXPECT_EQ(ToHex(Sha256().Field("ab").Finish()), Sha(std::string("\2\0\0\0\0\0\0\0ab", 10)));
  EXPECT_EQ(ToHex(Sha256().Field(uint64_t{258}).Finish()), Sha(std::string("\2\1\0\0\0\0\0\0", 8)));
}

TEST(Xxh3, KnownVectors) {
  EXPECT_EQ(Xxh3({}), 0x2d06800538d394c2u);
  EXPECT_EQ(Xxh3(AsBytes("abc")), 0x78af5f94892f3950u);
}

TEST(Hex, RoundTrip) {
  Sha256Digest digest{};
  for (size_t i = 0; i < digest.size(); ++i) digest[i] = static_cast<uint8_t>(i * 37);
  const Result<Sha256Digest> back = DigestFromHex(ToHex(digest));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, digest);
}

TEST(Hex, RefusesWhatIsNoDigest) {
  const std::string good(64, 'a');
  EXPECT_TRUE(DigestFromHex(good).ok());
  EXPECT_TRUE(DigestFromHex(std::string(64, 'F')).ok());
  for (const std::string& bad :
       {std::string(), std::string(63, 'a'), std::string(65, 'a'), "g" + good.substr(1),
        good.substr(1) + "/", good.substr(1) + ":", std::string(64, '\0')}) {
    EXPECT_EQ(DigestFromHex(bad).code(), StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace kvlink
