// Models' files, and changes of their metadata.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "support/gguf_writer.h"
#include "support/memory_file.h"

namespace kvlink::model {

using Change = std::function<void(testing::GgufWriter&)>;

inline std::unique_ptr<formats::GgufFile> Open(const testing::GgufWriter& writer) {
  testing::MemoryFile files(writer.Build());
  auto file = formats::GgufFile::Open(files, "m.gguf");
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *std::move(file);
}

// Replaces a key's value.
inline Change U32(const std::string& key, uint32_t value) {
  return [=](testing::GgufWriter& w) {
    w.Remove(key);
    w.U32(key, value);
  };
}
inline Change I32(const std::string& key, int32_t value) {
  return [=](testing::GgufWriter& w) {
    w.Remove(key);
    w.I32(key, value);
  };
}
inline Change F32(const std::string& key, float value) {
  return [=](testing::GgufWriter& w) {
    w.Remove(key);
    w.F32(key, value);
  };
}
inline Change Text(const std::string& key, const std::string& value) {
  return [=](testing::GgufWriter& w) {
    w.Remove(key);
    w.String(key, value);
  };
}
inline Change Without(const std::string& key) {
  return [=](testing::GgufWriter& w) { w.Remove(key); };
}
inline Change TensorOf(const std::string& name, const std::vector<int64_t>& shape) {
  return [=](testing::GgufWriter& w) {
    int64_t elements = 1;
    for (const int64_t size : shape) elements *= size;
    w.RemoveTensor(name);
    w.F32Tensor(name, shape, std::vector<float>(elements, 1));
  };
}

}  // namespace kvlink::model
