#include "engine/bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <thread>

#include "base/clock.h"
#include "engine/engine_impl.h"
#include "engine/scratch_folder.h"
#include "kv/disk_store.h"

namespace kvlink {
namespace {

constexpr int kDocuments = 10;
constexpr int64_t kDocumentTokens = 200;

std::string CpuName() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

int64_t PeakBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024ll;
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
  Bench(EngineImpl* engine, const BenchOptions& options, BenchReport* report,
        std::function<void(std::string_view)> progress)
      : engine_(*engine),
        model_(engine->linkable().model()),
        options_(options),
        report_(*report),
        progress_(std::move(progress)) {}

  Status Run() {
    KVLINK_RETURN_IF_ERROR(Pass("prefill_512", 512, 0));
    if (!options_.quick) KVLINK_RETURN_IF_ERROR(Pass("prefill_2048", 2048, 0));
    KVLINK_RETURN_IF_ERROR(Pass("link_64_on_2048", 64, 2048));
    KVLINK_RETURN_IF_ERROR(Pass("decode", 1, 64));
    return TimeToFirstToken();
  }

 private:
  bool Wanted(const std::string& key) const {
    return options_.only.empty() ||
           std::find(options_.only.begin(), options_.only.end(), key) != options_.only.end();
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
    const ModelConfig& c = model_.config();
    if (context + count > c.context_tokens) return {};
    Indexer indexer(&model_, &engine_.store(), nullptr, nullptr);
    std::vector<std::shared_ptr<const Block>> blocks;
    std::vector<Segment> segments;
    for (int64_t start = 0; start < context; start += 256) {
      const int64_t length = std::min<int64_t>(256, context - start);
      KVLINK_ASSIGN_OR_RETURN(
          std::shared_ptr<const Block> block,
          indexer.Encode(Ids(length, c.vocab, static_cast<uint32_t>(start)), BlockKind::kDocument,
                         ""));
      segments.push_back(SegmentOf(*block, static_cast<int32_t>(start)));
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
      KVLINK_ASSIGN_OR_RETURN(Tail tail, Tail::Create(c.layers, c.kv_heads, c.head_dim, count,
                                                      model_.kv_dtype()));
      Sequence s;
      s.tokens = tokens;
      s.positions = positions;
      s.context = segments;
      s.tail = &tail;
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

  // A document of kDocumentTokens tokens (rendered, within a word).
  Document MakeDocument(int number) const {
    static constexpr const char* kWords[] = {"harbour", "stone", "letter", "winter", "seven",
                                             "garden",  "copper", "river", "signal", "bread",
                                             "market",  "lantern"};
    Document d;
    d.id = std::to_string(number);
    d.title = "Note " + std::to_string(number);
    uint64_t state = static_cast<uint64_t>(number) + 1;
    const auto tokens = [&](const std::string& text) {
      return static_cast<int64_t>(engine_.linkable().RenderDocument(d.title, text, 0).size());
    };
    int64_t words = kDocumentTokens;
    const auto text_of = [&](int64_t count) {
      std::string text = "The";
      uint64_t s = state;
      for (int64_t i = 0; i < count; ++i) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        text += std::string(" ") + kWords[(s >> 33) % std::size(kWords)];
      }
      return text + ".";
    };
    while (words > 1 && tokens(text_of(words)) > kDocumentTokens) --words;
    d.text = text_of(words);
    return d;
  }

  // Ten documents, all blocks in the store: full attention and linked in turn.
  Status TimeToFirstToken() {
    if (!Wanted("ttft_full_ms") && !Wanted("ttft_linked_ms")) return {};
    Say("time to first token");
    Request request;
    request.question = "Which note speaks of the lantern?";
    request.max_tokens = 1;
    request.strict = false;
    for (int i = 0; i < kDocuments; ++i) request.documents.push_back(MakeDocument(i));
    for (const Document& d : request.documents) KVLINK_RETURN_IF_ERROR(engine_.Encode(d).status());
    std::vector<double> full, linked;
    const int runs = options_.quick ? 3 : 7;
    for (int run = 0; run <= runs; ++run) {
      request.mode = Mode::kLinked;
      KVLINK_ASSIGN_OR_RETURN(const Answer a, engine_.Ask(request, {}));
      if (run == 0) {
        report_.kv_bytes = a.kv_bytes;
        report_.kv_own_bytes = a.kv_own_bytes;
        report_.peak_bytes = PeakBytes();  // before full attention, whose activations are larger
        continue;                          // and the first run warms up
      }
      linked.push_back(a.timings.ttft_ms);
      if (run > (runs + 1) / 2) continue;  // full attention takes longest: half as often
      request.mode = Mode::kFull;
      KVLINK_ASSIGN_OR_RETURN(const Answer b, engine_.Ask(request, {}));
      full.push_back(b.timings.ttft_ms);
    }
    Add("ttft_full_ms", "ms", std::move(full));
    Add("ttft_linked_ms", "ms", std::move(linked));
    return {};
  }

  EngineImpl& engine_;
  Model& model_;
  const BenchOptions& options_;
  BenchReport& report_;
  std::function<void(std::string_view)> progress_;
};

}  // namespace

Result<BenchReport> RunBench(const EngineOptions& options, const BenchOptions& bench,
                             const std::function<void(std::string_view)>& progress) {
  if (progress) progress("loading the model");
  KVLINK_ASSIGN_OR_RETURN(
      std::unique_ptr<LinkableModel> model,
      LinkableModel::Load(FileSystem::Posix(), options.model_path, options.links_path,
                          {.dtype = options.dtype, .threads = options.threads}));
  KVLINK_ASSIGN_OR_RETURN(const std::unique_ptr<ScratchFolder> folder, ScratchFolder::Create());
  DiskStoreOptions store_options;
  store_options.path = folder->path();
  KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<DiskStore> store, DiskStore::Open(store_options));
  EngineImpl engine(std::move(model), std::move(store), options);

  BenchReport report;
  report.cpu = CpuName();
  report.threads = options.threads > 0 ? options.threads
                                       : static_cast<int>(std::thread::hardware_concurrency());
  report.model = engine.model().name.empty() ? options.model_path : engine.model().name;
  report.dtype = engine.model().dtype;
  report.compute = engine.model().compute;
  report.weight_bytes = engine.model().weight_bytes;
  KVLINK_RETURN_IF_ERROR(Bench(&engine, bench, &report, progress).Run());
  return report;
}

}  // namespace kvlink
