// Packed share by share, a matrix is the same bytes as packed at once, in every layout that oneDNN
// asks for on some CPU, padding included.
#include "tensor/pack_matrix.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "tensor/thread_team.h"

namespace kvlink::tensor {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

std::vector<std::byte> BytesOf(const memory& m) {
  const auto* const data = static_cast<const std::byte*>(m.get_data_handle());
  return {data, data + m.get_desc().get_size()};
}

void ExpectSameAsAtOnce(const memory::desc& layout, int64_t k, int64_t n, DType dtype) {
  std::mt19937 random(static_cast<unsigned>(k * 1000 + n));
  std::normal_distribution<float> normal;
  std::vector<float> w(static_cast<size_t>(k * n));
  for (float& value : w) value = FromBf16(ToBf16(normal(random)));
  memory once(layout, CpuEngine()), shared(layout, CpuEngine());
  std::memset(once.get_data_handle(), 0x55, layout.get_size());
  std::memset(shared.get_data_handle(), 0x55, layout.get_size());
  memory plain({{k, n}, memory::data_type::f32, Tag::ba}, CpuEngine(), w.data());
  dnnl::stream stream(CpuEngine());
  dnnl::reorder(plain, once).execute(stream, plain, once);
  stream.wait();
  const TeamScope team(3);
  ASSERT_TRUE(team.status().ok());
  PackMatrix(
      k, n, dtype,
      [&](int64_t begin, int64_t end, float* out) {
        std::copy(w.begin() + begin * k, w.begin() + end * k, out);
      },
      shared);
  EXPECT_EQ(BytesOf(once), BytesOf(shared)) << k << " x " << n;
}

TEST(PackMatrix, GivesTheBytesOfOnePieceInEveryLayout) {
  struct Case {
    Tag tag;
    DType dtype;
  };
  const Case cases[] = {{Tag::ab, DType::kF32},          {Tag::ba, DType::kF32},
                        {Tag::BA16a16b, DType::kF32},    {Tag::BA16a48b, DType::kF32},
                        {Tag::BA16a64b, DType::kF32},    {Tag::BA16a16b2a, DType::kBF16},
                        {Tag::BA16a48b2a, DType::kBF16}, {Tag::BA16a64b2a, DType::kBF16}};
  for (const Case& c : cases) {
    for (const auto& [k, n] : {std::pair{576, 960}, {30, 33}, {64, 7}, {576, 1000}, {1536, 576}}) {
      SCOPED_TRACE(static_cast<int>(c.tag));
      ExpectSameAsAtOnce(memory::desc({k, n}, ToDnnl(c.dtype), c.tag), k, n, c.dtype);
    }
  }
}

TEST(PackMatrix, LeavesThePaddingOfPlainRowsAlone) {
  const int64_t k = 96, n = 512, stride = n + 16;
  ExpectSameAsAtOnce(memory::desc({k, n}, memory::data_type::f32, memory::dims{stride, 1}), k, n,
                     DType::kF32);
}

}  // namespace
}  // namespace kvlink::tensor
