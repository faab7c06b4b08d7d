// Writes what the command line's tests need and Python cannot make: a tiny seeded model, and link
// files for it.
//   write_tiny model DIRECTORY NAME [key=value ...]   with seed, context, architecture, pre, ...
//   write_tiny links MODEL FILE [key=value ...]       with k, seed, adapter
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "links/link_file.h"
#include "model/config.h"
#include "support/random_links.h"
#include "support/tiny_model.h"

namespace {

using Settings = std::map<std::string, std::string>;

int64_t Number(const Settings& settings, const std::string& key, int64_t otherwise) {
  const auto found = settings.find(key);
  return found == settings.end() ? otherwise : std::atoll(found->second.c_str());
}

std::string Text(const Settings& settings, const std::string& key, const std::string& otherwise) {
  const auto found = settings.find(key);
  return found == settings.end() ? otherwise : found->second;
}

int WriteModel(const std::string& directory, const std::string& name, const Settings& settings) {
  kvlink::testing::TinyModelOptions options;
  options.seed = Number(settings, "seed", 1);
  options.context = static_cast<int>(Number(settings, "context", options.context));
  options.architecture = Text(settings, "architecture", options.architecture);
  options.pre = Text(settings, "pre", options.pre);
  options.chat_template = Text(settings, "chat_template", "");
  options.adds_bos = Number(settings, "adds_bos", 0) != 0;
  options.rope_scaling = Text(settings, "rope_scaling", "");
  options.rope_factor = options.rope_scaling.empty() ? 1 : 4;
  std::printf("%s\n", kvlink::testing::WriteTinyModel(directory, options, name).c_str());
  return 0;
}

kvlink::Status WriteLinks(const std::string& model, const std::string& path,
                          const Settings& settings) {
  kvlink::FileSystem& files = kvlink::FileSystem::Posix();
  KVLINK_ASSIGN_OR_RETURN(const auto file, kvlink::formats::GgufFile::Open(files, model));
  KVLINK_ASSIGN_OR_RETURN(const kvlink::model::ModelConfig config,
                          kvlink::model::ReadModelConfig(*file));
  kvlink::links::Links links;
  links.k = static_cast<int32_t>(Number(settings, "k", 1));
  links.base = kvlink::model::ModelFingerprint(*file, config);
  if (Number(settings, "adapter", 0) != 0) {
    std::mt19937 random(static_cast<uint32_t>(Number(settings, "seed", 5)));
    links.adapter = kvlink::testing::RandomAdapter(&random, config,
                                                   kvlink::model::AdapterScope::kOutsideDocuments);
    // A file has the same targets in every layer.
    for (auto& layer : links.adapter->layers)
      layer[static_cast<int>(kvlink::model::Projection::kO)] = {};
  }
  uint32_t state = static_cast<uint32_t>(Number(settings, "seed", 1));
  for (int64_t i = 0; i < static_cast<int64_t>(links.k) * config.width; ++i) {
    state = state * 1664525u + 1013904223u;  // any fixed numbers will do
    links.embeddings.push_back(static_cast<float>(state >> 8) / (1 << 24) - 0.5f);
  }
  return kvlink::links::SaveLinks(files, path, links, config, "{}");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  Settings settings;
  for (int i = 4; i < argc; ++i) {
    const std::string text = argv[i];
    const size_t equals = text.find('=');
    if (equals == std::string::npos) return 2;
    settings[text.substr(0, equals)] = text.substr(equals + 1);
  }
  if (std::string(argv[1]) == "model") return WriteModel(argv[2], argv[3], settings);
  const kvlink::Status status = WriteLinks(argv[2], argv[3], settings);
  if (!status.ok()) std::fprintf(stderr, "write_tiny: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
