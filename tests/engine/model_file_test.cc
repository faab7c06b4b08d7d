// A model's file after it was loaded: whoever cuts it, writes into it or removes it changes no
// answer. While it is being loaded a change is an error, in one line.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "kvlink/engine.h"
#include "links/link_file.h"
#include "model/model.h"
#include "support/fault_files.h"
#include "support/tiny_model.h"

namespace kvlink::engine {
namespace {

struct Setting {
  const char* name;
  bool tied, quantised;
  DType dtype = DType::kBF16;
};

class ModelFile : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    testing::TinyModelOptions options;
    options.tied = GetParam().tied;
    options.quantised = GetParam().quantised;
    if (options.quantised) options.width = 64, options.feed_forward = 96;
    path_ = testing::WriteTinyModel(folder_.path(), options);
    EngineOptions opening;
    opening.model_path = path_;
    opening.dtype = GetParam().dtype;
    opening.threads = 1;
    auto opened = Engine::Open(opening);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    engine_ = *std::move(opened);
  }
  std::vector<int32_t> Ask() {
    Request request;
    request.question = "Where is the tide clock of Orrel?";
    request.method = {MethodKind::kFull};
    request.documents = {{"", "Orrel", "The tide clock stands on the harbour wall.", "", 0}};
    request.max_tokens = 12;
    const auto answer = engine_->Ask(request);
    EXPECT_TRUE(answer.ok()) << answer.status().message();
    std::vector<int32_t> ids;
    if (answer.ok()) {
      for (const GeneratedToken& token : answer->generated) ids.push_back(token.id);
    }
    return ids;
  }

  testing::TempDir folder_;
  std::string path_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(ModelFile, IsNotReadForAnAnswer) {
  const std::vector<int32_t> before = Ask();
  EXPECT_FALSE(before.empty());
  const auto size = std::filesystem::file_size(path_);
  std::filesystem::resize_file(path_, 0);
  EXPECT_EQ(Ask(), before);
  std::ofstream(path_, std::ios::binary) << std::string(size, '\x55');
  EXPECT_EQ(Ask(), before);
  std::filesystem::remove(path_);
  EXPECT_EQ(Ask(), before);
}
INSTANTIATE_TEST_SUITE_P(Cases, ModelFile,
                         ::testing::Values(Setting{"TiedCodes", true, true, DType::kBF16},
                                           Setting{"TiedF32", true, false, DType::kF32},
                                           Setting{"TiedCodesF32", true, true, DType::kF32},
                                           Setting{"OutputOfItsOwn", false, true, DType::kBF16},
                                           Setting{"OutputOfItsOwnF32", false, false, DType::kF32}),
                         [](const auto& each) { return std::string(each.param.name); });

// Maps a file, and cuts the real one to `keep` bytes before it is read.
class CutWhenMapped : public testing::FaultFiles {
 public:
  explicit CutWhenMapped(uint64_t keep) : keep_(keep) {}
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override {
    auto mapped = testing::FaultFiles::Map(path);
    std::filesystem::resize_file(path, keep_);
    return mapped;
  }

 private:
  uint64_t keep_;
};

TEST(ModelFileWhileLoaded, ACutIsOneErrorAtEveryPlace) {
  testing::TempDir folder;
  testing::TinyModelOptions options;
  options.context = 64;
  for (const double share : {0.0, 0.02, 0.3, 0.7, 0.999}) {
    const std::string path = testing::WriteTinyModel(folder.path(), options);
    const auto size = std::filesystem::file_size(path);
    CutWhenMapped files(static_cast<uint64_t>(share * static_cast<double>(size)));
    const auto model = model::Model::Load(files, path, {.threads = 1});
    ASSERT_FALSE(model.ok()) << share;
    EXPECT_EQ(model.code(), StatusCode::kDataLoss) << model.status().message();
    EXPECT_NE(model.status().message().find(path), std::string::npos);
    EXPECT_EQ(model.status().message().find('\n'), std::string::npos);
  }
}

TEST(LinkFileWhileLoaded, ACutIsOneErrorAtEveryPlace) {
  testing::TempDir folder;
  const std::string model_path = testing::WriteTinyModel(folder.path(), {});
  const auto model = model::Model::Load(FileSystem::Posix(), model_path, {.threads = 1});
  ASSERT_TRUE(model.ok());
  links::Links links;
  links.k = 2;
  links.base = (*model)->fingerprint();
  links.embeddings.assign(static_cast<size_t>(2 * (*model)->config().width), 0.5f);
  const std::string path = folder / "links.safetensors";
  for (const uint64_t keep : {0, 4, 100, 400}) {
    ASSERT_TRUE(links::SaveLinks(FileSystem::Posix(), path, links, (*model)->config(), "").ok());
    CutWhenMapped files(keep);
    const auto loaded = links::LoadLinks(files, path, (*model)->config(), (*model)->fingerprint());
    ASSERT_FALSE(loaded.ok()) << keep;
    EXPECT_EQ(loaded.status().message().find('\n'), std::string::npos);
    EXPECT_NE(loaded.status().message().find(path), std::string::npos);
    std::filesystem::remove(path);
  }
}

}  // namespace
}  // namespace kvlink::engine
