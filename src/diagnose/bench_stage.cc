#include "diagnose/bench_stage.h"

#include <fstream>
#include <iterator>
#include <utility>

#include "base/random.h"
#include "kv/disk_store.h"

namespace kvlink::diagnose {
namespace {

std::string CpuName() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

Result<BenchStage> SetStage(std::unique_ptr<link::LinkableModel> model,
                            const EngineOptions& options) {
  BenchStage stage;
  KVLINK_ASSIGN_OR_RETURN(stage.folder, ScratchFolder::Create());
  kv::DiskStoreOptions store_options;
  store_options.path = stage.folder->path() + "/store";
  KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<kv::DiskStore> disk, kv::DiskStore::Open(store_options));
  auto warm =
      std::make_unique<kv::WarmStore>(std::move(disk), engine::kWarmBytes, engine::kWarmBytes);
  stage.warm = warm.get();
  stage.engine = std::make_unique<engine::EngineImpl>(std::move(model), std::move(warm), options);
  return stage;
}

Document MadeUpDocument(const link::LinkableModel& model, int number) {
  constexpr int64_t kTokens = 200;
  static constexpr const char* kWords[] = {"harbour", "stone",  "letter", "winter",
                                           "seven",   "garden", "copper", "river",
                                           "signal",  "bread",  "market", "lantern"};
  Document d;
  d.id = std::to_string(number);
  d.title = "Note " + std::to_string(number);
  const auto text_of = [&](int64_t count) {
    std::string text = "The";
    Random random(static_cast<uint64_t>(number) + 1);
    for (int64_t i = 0; i < count; ++i) {
      text += std::string(" ") + kWords[random.Below(std::size(kWords))];
    }
    return text + ".";
  };
  const auto tokens = [&](const std::string& text) {
    return static_cast<int64_t>(model.RenderDocument(d.title, text, 0).size());
  };
  int64_t words = kTokens;
  while (words > 1 && tokens(text_of(words)) > kTokens) --words;
  d.text = text_of(words);
  return d;
}

BenchSubject SubjectOf(const ModelSummary& model, int threads) {
  return {CpuName(), model.name.empty() ? model.path : model.name, std::string(Name(model.dtype)),
          model.compute, threads};
}

}  // namespace kvlink::diagnose
