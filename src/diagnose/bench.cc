#include "diagnose/bench.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "base/clock.h"
#include "base/guarded.h"
#include "diagnose/bench_stage.h"

namespace kvlink::diagnose {
namespace {

constexpr int kDocuments = 10;

// The process's peak of resident memory since ResetPeak (Linux: VmHWM; 5 resets it).
void ResetPeak() { std::ofstream("/proc/self/clear_refs") << 5; }
int64_t PeakBytes() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmHWM:")) return std::atoll(line.c_str() + 6) * 1024;
  }
  return 0;
}

// Ids that any vocabulary has, in no order that repeats soon.
std::vector<int32_t> Ids(int64_t count, int32_t vocab, uint32_t salt) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    ids[i] = static_cast<int32_t>((static_cast<uint64_t>(i) * 2654435761u + salt * 40503u) %
                                  static_cast<uint64_t>(vocab));
  }
  return ids;
}

class Bench {
 public:
  Bench(engine::EngineImpl* engine, kv::WarmStore* warm, std::string folder,
        const BenchOptions& options, BenchReport* report,
        std::function<void(std::string_view)> progress)
      : engine_(*engine),
        warm_(*warm),
        folder_(std::move(folder)),
        model_(engine->linkable().model()),
        options_(options),
        report_(*report),
        progress_(std::move(progress)) {}

  bool Wanted(const std::string& key) const {
    return options_.only.empty() ||
           std::find(options_.only.begin(), options_.only.end(), key) != options_.only.end();
  }

  Status Run() {
    KVLINK_RETURN_IF_ERROR(Pass("prefill_512", 512, 0));
    if (!options_.quick) KVLINK_RETURN_IF_ERROR(Pass("prefill_2048", 2048, 0));
    KVLINK_RETURN_IF_ERROR(Pass("link_64_on_2048", 64, 2048));
    KVLINK_RETURN_IF_ERROR(Pass("decode", 1, 64));
    if (Wanted("ttft_full_ms") || Wanted("ttft_linked_ms") || Wanted("ttft_linked_cold_ms")) {
      return TimeToFirstToken("ttft_linked_ms");
    }
    return {};
  }

  void Say(const std::string& what) const {
    if (progress_) progress_(what);
  }

  void Add(const std::string& key, const std::string& unit, std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const bool rate = unit != "ms";
    report_.figures.push_back({key, unit, values[values.size() / 2],
                               rate ? values.back() : values.front(),
                               static_cast<int>(values.size())});
  }

  // Tokens a second of one pass of `count` new tokens over `context` linked ones, in blocks of 256.
  Status Pass(const std::string& key, int64_t count, int64_t context) {
    if (!Wanted(key)) return {};
    Say(key);
    const model::ModelConfig& c = model_.config();
    if (context + count > c.context_tokens) return {};
    link::Indexer indexer(&model_, &engine_.store(), nullptr, nullptr);
    std::vector<std::shared_ptr<const kv::Block>> blocks;
    std::vector<model::Segment> segments;
    for (int64_t start = 0; start < context; start += 256) {
      const int64_t length = std::min<int64_t>(256, context - start);
      KVLINK_ASSIGN_OR_RETURN(std::shared_ptr<const kv::Block> block,
                              indexer.Encode(Ids(length, c.vocab, static_cast<uint32_t>(start)),
                                             link::BlockKind::kDocument, ""));
      segments.push_back(link::SegmentOf(*block, static_cast<int32_t>(start)));
      blocks.push_back(std::move(block));
    }
    const std::vector<int32_t> tokens = Ids(count, c.vocab, 7);
    std::vector<int32_t> positions(tokens.size());
    std::iota(positions.begin(), positions.end(), static_cast<int32_t>(context));
    const int32_t last = static_cast<int32_t>(count) - 1;
    std::vector<float> logits(static_cast<size_t>(c.vocab));
    const int runs = (count == 1 ? 30 : 8) / (options_.quick ? 2 : 1);
    std::vector<double> rates;
    for (int run = 0; run <= runs; ++run) {
      KVLINK_ASSIGN_OR_RETURN(
          model::Tail tail,
          model::Tail::Create(c.layers, c.kv_heads, c.head_dim, count, model_.kv_dtype()));
      model::Sequence s;
      s.tokens = tokens;
      s.positions = positions;
      s.segments = segments;
      s.tail = &tail;
      s.generated = count == 1;
      s.logit_rows = {&last, 1};
      s.logits = logits.data();
      const double before = Clock::System().MonotonicMs();
      KVLINK_RETURN_IF_ERROR(model_.Forward({&s, 1}));
      const double ms = Clock::System().MonotonicMs() - before;
      if (run > 0) rates.push_back(static_cast<double>(count) / ms * 1e3);  // 0 warms up
    }
    Add(key, "tokens/s", std::move(rates));
    return {};
  }

  // Ten documents, all blocks kept: full attention and linked in turn; then linked from blocks
  // whose mappings and pages were dropped before each run. The first figure of each way warms up.
  Status TimeToFirstToken(const std::string& linked_key) {
    const bool cold_too = linked_key == "ttft_linked_ms";
    Say(linked_key);
    Request request;
    request.question = "Which note speaks of the lantern?";
    request.max_tokens = 1;
    request.strict = true;  // a figure over fewer documents would mislead
    for (int i = 0; i < kDocuments; ++i)
      request.documents.push_back(MadeUpDocument(engine_.linkable(), i));
    for (const Document& d : request.documents) KVLINK_RETURN_IF_ERROR(engine_.Encode(d).status());
    const int runs = options_.quick ? 3 : 7;
    std::vector<double> full, linked, cold;
    for (int run = 0; run <= runs; ++run) {
      request.method = {MethodKind::kLink};
      if (run == 1) ResetPeak();
      KVLINK_ASSIGN_OR_RETURN(const Answer warm, engine_.Ask(request, {}));
      if (run == 1) RecordMemory(warm);
      if (run > 0) linked.push_back(warm.timings.ttft_ms);
      if (cold_too) {
        DropBlocks();
        KVLINK_ASSIGN_OR_RETURN(const Answer answer, engine_.Ask(request, {}));
        if (run > 0) cold.push_back(answer.timings.ttft_ms);
      }
      if (!cold_too || run == 0 || run % 2 == 0) continue;  // full takes longest: half as often
      request.method = {MethodKind::kFull};
      KVLINK_ASSIGN_OR_RETURN(const Answer reference, engine_.Ask(request, {}));
      full.push_back(reference.timings.ttft_ms);
    }
    if (cold_too) {
      Add("ttft_full_ms", "ms", std::move(full));
      Add("ttft_linked_cold_ms", "ms", std::move(cold));
    }
    Add(linked_key, "ms", std::move(linked));
    return {};
  }

 private:
  void RecordMemory(const Answer& answer) {
    if (report_.kv_bytes > 0) return;
    report_.kv_bytes = answer.kv_bytes;
    report_.kv_own_bytes = answer.kv_own_bytes;
    report_.peak_bytes = PeakBytes();
  }

  // Mappings forgotten, pages of the block files given back to the kernel.
  void DropBlocks() {
    warm_.Clear();
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_, error)) {
      if (!entry.is_regular_file(error)) continue;
      const int file = open(entry.path().c_str(), O_RDONLY);
      if (file < 0) continue;
      posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
      close(file);
    }
  }

  engine::EngineImpl& engine_;
  kv::WarmStore& warm_;
  const std::string folder_;
  model::Model& model_;
  const BenchOptions& options_;
  BenchReport& report_;
  std::function<void(std::string_view)> progress_;
};

// Five link tokens whose embeddings are rows of the vocabulary's: their cost, not their use.
std::unique_ptr<const links::Links> FiveLinks(const model::Model& model) {
  auto links = std::make_unique<links::Links>();
  links->k = 5;
  std::vector<float> row(static_cast<size_t>(model.config().width));
  for (int32_t i = 0; i < links->k; ++i) {
    model.weights().embedding.ReadRow((1 + i) * model.config().vocab / 7, row.data());
    links->embeddings.insert(links->embeddings.end(), row.begin(), row.end());
  }
  return links;
}

}  // namespace

std::vector<std::string> BenchKeys() {
  return {"prefill_512",    "prefill_2048",      "link_64_on_2048",
          "decode",         "ttft_full_ms",      "ttft_linked_cold_ms",
          "ttft_linked_ms", "ttft_linked_k5_ms", "ttft_link_file_ms"};
}

namespace {

Result<BenchReport> BenchUnguarded(const EngineOptions& options, const BenchOptions& bench,
                                   const std::function<void(std::string_view)>& progress) {
  if (progress) progress("loading the model");
  const model::ModelOptions model_options = engine::ModelOptionsOf(options);
  BenchReport report;
  {
    KVLINK_ASSIGN_OR_RETURN(
        std::unique_ptr<link::LinkableModel> model,
        link::LinkableModel::Load(FileSystem::Posix(), options.model_path, options.links_path,
                                  model_options, options.prompt_template));
    KVLINK_ASSIGN_OR_RETURN(const BenchStage stage, SetStage(std::move(model), options));
    const ModelSummary& summary = stage.engine->model();
    report.subject = SubjectOf(summary, model_options.threads);
    report.weight_bytes = summary.weight_bytes;
    KVLINK_RETURN_IF_ERROR(
        Bench(stage.engine.get(), stage.warm, stage.folder->path(), bench, &report, progress)
            .Run());
  }
  const auto wanted = [&](std::string_view key) {
    return bench.only.empty() ||
           std::find(bench.only.begin(), bench.only.end(), key) != bench.only.end();
  };
  const auto time_links = [&](const std::string& key,
                              std::unique_ptr<link::LinkableModel> model) -> Status {
    KVLINK_ASSIGN_OR_RETURN(const BenchStage stage, SetStage(std::move(model), options));
    return Bench(stage.engine.get(), stage.warm, stage.folder->path(), bench, &report, progress)
        .TimeToFirstToken(key);
  };
  // A link file that all was measured with has its own K.
  if (options.links_path.empty() && wanted("ttft_linked_k5_ms")) {
    KVLINK_ASSIGN_OR_RETURN(
        std::unique_ptr<model::Model> model,
        model::Model::Load(FileSystem::Posix(), options.model_path, model_options));
    auto links = FiveLinks(*model);
    KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<link::LinkableModel> linkable,
                            link::LinkableModel::Create(std::move(model), std::move(links)));
    KVLINK_RETURN_IF_ERROR(time_links("ttft_linked_k5_ms", std::move(linkable)));
  }
  if (!bench.link_file.empty() && wanted("ttft_link_file_ms")) {
    // The figures before it do not depend on this file: a damaged one must not lose them.
    Result<std::unique_ptr<link::LinkableModel>> linkable =
        link::LinkableModel::Load(FileSystem::Posix(), options.model_path, bench.link_file,
                                  model_options, options.prompt_template);
    const Status timed =
        linkable.ok() ? time_links("ttft_link_file_ms", *std::move(linkable)) : linkable.status();
    if (!timed.ok() && options.warn) {
      options.warn("ttft_link_file_ms was not measured: " + timed.message());
    }
  }
  return report;
}

}  // namespace

Result<BenchReport> RunBench(const EngineOptions& options, const BenchOptions& bench,
                             const std::function<void(std::string_view)>& progress) {
  return Guarded("bench: there is not enough memory; close other programs",
                 [&] { return BenchUnguarded(options, bench, progress); });
}

}  // namespace kvlink::diagnose
