// What decides a block's bytes, and what may not: they are the same by any number of threads and
// from wherever they are computed, and numbers that are not finite make no block at all.
#include <gtest/gtest.h>
#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <thread>

#include "kv/store.h"
#include "link/indexer.h"
#include "link/linkable_model.h"
#include "support/tiny_model.h"

namespace kvlink::link {
namespace {

std::unique_ptr<model::Model> Load(const std::string& path, DType dtype, int threads) {
  auto model = model::Model::Load(FileSystem::Posix(), path, {.dtype = dtype, .threads = threads});
  EXPECT_TRUE(model.ok()) << model.status().message();
  return *std::move(model);
}

std::vector<int32_t> Tokens(int64_t n) {
  std::mt19937 random(static_cast<uint32_t>(n));
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 250);
  return tokens;
}

std::shared_ptr<const kv::Block> Encode(model::Model* model, const std::vector<int32_t>& tokens,
                                        const std::vector<int32_t>& prefix = {}) {
  Indexer indexer(model, nullptr, nullptr, nullptr);
  auto block = indexer.Encode(tokens, BlockKind::kDocument, "", prefix);
  EXPECT_TRUE(block.ok()) << block.status().message();
  return block.ok() ? *block : nullptr;
}

bool SameBytes(const kv::Block& a, const kv::Block& b) {
  return a.image().size() == b.image().size() &&
         std::memcmp(a.image().data(), b.image().data(), a.image().size()) == 0;
}

TEST(BlockBytes, AreTheSameByAnyNumberOfThreads) {
  const testing::TempDir folder;
  for (const int kv_heads : {1, 3}) {
    testing::TinyModelOptions options;
    options.kv_heads = kv_heads;
    options.heads = 3 * kv_heads;
    options.width = 64;
    options.feed_forward = 160;
    options.head_dim = kv_heads == 3 ? 32 : 16;
    options.quantised = kv_heads == 3;
    const std::string path =
        testing::WriteTinyModel(folder.path(), options, "heads" + std::to_string(kv_heads));
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const auto one = Load(path, dtype, 1);
      for (const int threads : {2, 3, 8}) {  // more than this machine has cores, too
        const auto many = Load(path, dtype, threads);
        EXPECT_EQ(one->compute_path(), many->compute_path());
        for (const int64_t n : {1, 3, 17, 100, 257, 537, 1100}) {
          const auto a = Encode(one.get(), Tokens(n), Tokens(5));
          const auto b = Encode(many.get(), Tokens(n), Tokens(5));
          ASSERT_TRUE(a != nullptr && b != nullptr);
          EXPECT_EQ(a->identity().id, b->identity().id);
          EXPECT_TRUE(SameBytes(*a, *b)) << n << " tokens, " << kv_heads << " KV heads, "
                                         << Name(dtype) << ", " << threads << " threads";
        }
      }
    }
  }
}

TEST(BlockBytes, AreTheSameFromAThreadAndARegionOfTheCallers) {
  const testing::TempDir folder;
  const auto model = Load(testing::WriteTinyModel(folder.path(), {}), DType::kBF16, 3);
  const auto here = Encode(model.get(), Tokens(300));
  std::shared_ptr<const kv::Block> there, inside;
  std::thread([&] { there = Encode(model.get(), Tokens(300)); }).join();
#pragma omp parallel num_threads(2)
  {
#pragma omp single
    inside = Encode(model.get(), Tokens(300));
  }
  const int before = omp_get_max_threads();
  omp_set_dynamic(1);
  const auto dynamic = Encode(model.get(), Tokens(300));
  EXPECT_EQ(omp_get_dynamic(), 1);
  omp_set_dynamic(0);
  EXPECT_EQ(omp_get_max_threads(), before);
  EXPECT_TRUE(SameBytes(*here, *there));
  EXPECT_TRUE(SameBytes(*here, *inside));
  EXPECT_TRUE(SameBytes(*here, *dynamic));
}

// The id says by what sums were added up: the kernels' instruction set, and oneDNN's.
TEST(BlockBytes, TheComputePathNamesLibrariesAndInstructionSets) {
  const testing::TempDir folder;
  const auto model = Load(testing::WriteTinyModel(folder.path(), {}), DType::kF32, 1);
  const std::string path = model->compute_path();
  EXPECT_TRUE(path.starts_with("forward-4/matmul-f32/onednn-")) << path;
  EXPECT_NE(path.find("AVX"), std::string::npos) << path;
}

TEST(BlockBytes, AForkOfAProcessIsRefusedAModelLoadedBefore) {
  const testing::TempDir folder;
  const std::string path = testing::WriteTinyModel(folder.path(), {});
  const auto model = Load(path, DType::kBF16, 2);
  const auto before = Encode(model.get(), Tokens(40));
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    Indexer indexer(model.get(), nullptr, nullptr, nullptr);
    const auto refused = indexer.Encode(Tokens(40), BlockKind::kDocument, "");
    const bool says = refused.code() == StatusCode::kFailedPrecondition &&
                      refused.status().message().find("fork") != std::string::npos;
    const auto own = Load(path, DType::kBF16, 2);  // its own is right
    const auto block = Encode(own.get(), Tokens(40));
    _exit(says && block != nullptr && SameBytes(*before, *block) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// A character whose embedding is no number: what holds it is refused, what does not is kept.
TEST(BlockBytes, NumbersThatAreNotFiniteMakeNoBlock) {
  const testing::TempDir folder;
  testing::TinyModelOptions options;
  options.lost_character = 'q';
  options.tied = false;
  const std::string path = testing::WriteTinyModel(folder.path(), options);
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const auto model = Load(path, dtype, 2);
    const auto store = kv::NewMemoryStore();
    Indexer indexer(model.get(), store.get(), nullptr, nullptr);
    for (const std::string& before : {std::string(), std::string("a"), std::string(40, 'b')}) {
      const std::vector<int32_t> bad = model->tokenizer().Encode(before + "q");
      const auto refused = indexer.Fetch(bad, BlockKind::kDocument, "");
      ASSERT_FALSE(refused.ok()) << Name(dtype) << " behind " << before;
      EXPECT_EQ(refused.code(), StatusCode::kDataLoss);
      EXPECT_NE(refused.status().message().find("not finite"), std::string::npos)
          << refused.status().message();
      EXPECT_FALSE(store->Get(indexer.IdOf(bad, BlockKind::kDocument)).ok());
    }
    const auto kept = indexer.Fetch(model->tokenizer().Encode("abc"), BlockKind::kDocument, "");
    EXPECT_TRUE(kept.ok()) << kept.status().message();
  }
}

}  // namespace
}  // namespace kvlink::link
