// What the tests of link files share: a small model's sizes, links for it, and a folder.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "formats/safetensors.h"
#include "links/link_file.h"
#include "support/memory_file.h"
#include "support/tiny_model.h"

namespace kvlink::testing {

// Every size is another number, so that a mix-up shows.
inline model::ModelConfig SmallConfig() {
  model::ModelConfig config;
  config.architecture = "llama";
  config.layers = 3;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 6;
  config.width = 8;
  config.feed_forward = 10;
  config.vocab = 100;
  config.context_tokens = 1000;
  config.rope.dims = config.head_dim;
  return config;
}

inline Sha256Digest FakeFingerprint() {
  Sha256Digest digest;
  for (size_t i = 0; i < digest.size(); ++i) digest[i] = static_cast<uint8_t>(i);
  return digest;
}

class LinkFileTest : public ::testing::Test {
 protected:
  // A file as what stands in it.
  struct Parts {
    std::map<std::string, formats::SafeTensorToWrite> tensors;
    std::map<std::string, std::string> metadata;
  };

  static FileSystem& Files() { return FileSystem::Posix(); }
  static std::string Message(const Status& status) { return status.ok() ? "" : status.message(); }

  static links::Links SmallLinks() {
    links::Links links;
    links.k = 2;
    links.base = FakeFingerprint();
    for (int i = 0; i < 2 * SmallConfig().width; ++i) {
      links.embeddings.push_back(0.125f * static_cast<float>(i) - 1);
    }
    return links;
  }
  static Parts SmallParts() {
    const links::Links links = SmallLinks();
    return {
        .tensors = {{"link_embeddings", {.shape = {2, 8}, .values = links.embeddings}}},
        .metadata = {
            {"format", "kvlink-links"}, {"version", "1"}, {"k", "2"}, {"base", ToHex(links.base)}}};
  }

  // nullptr, and a failure, where the file is refused.
  std::unique_ptr<const links::Links> Load() {
    auto links = links::LoadLinks(Files(), path_, config_, FakeFingerprint());
    EXPECT_EQ(Message(links.status()), "");
    return links.ok() ? *std::move(links) : nullptr;
  }
  std::unique_ptr<const links::Links> Load(const Parts& parts) {
    Write(parts);
    return Load();
  }
  std::unique_ptr<const links::Links> SaveAndLoad(const links::Links& links) {
    EXPECT_EQ(Message(links::SaveLinks(Files(), path_, links, config_, "")), "");
    return Load();
  }
  Result<std::unique_ptr<const links::Links>> LoadBytes(std::string_view bytes) {
    MemoryFile file(bytes);
    return links::LoadLinks(file, path_, config_, FakeFingerprint());
  }

  void Write(const Parts& parts) {
    EXPECT_EQ(Message(formats::WriteSafetensors(Files(), path_, parts.tensors, parts.metadata)),
              "");
  }
  static void ExpectHasAll(const std::string& message, const std::vector<std::string>& parts) {
    for (const std::string& part : parts) {
      EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
    }
  }
  void ExpectRefused(StatusCode code, const std::vector<std::string>& parts) {
    const auto links = links::LoadLinks(Files(), path_, config_, FakeFingerprint());
    ASSERT_FALSE(links.ok()) << "accepted, though a refusal with \"" << parts[0] << "\" is due";
    const std::string& message = links.status().message();
    EXPECT_EQ(links.code(), code) << message;
    EXPECT_TRUE(message.starts_with(path_) || code == StatusCode::kNotFound) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 600u) << message;
    ExpectHasAll(message, parts);
  }
  void ExpectRefused(const Parts& file, StatusCode code, const std::vector<std::string>& parts) {
    Write(file);
    ExpectRefused(code, parts);
  }

  TempDir directory_;
  std::string path_ = directory_ / "links.safetensors";
  model::ModelConfig config_ = SmallConfig();
};

}  // namespace kvlink::testing
