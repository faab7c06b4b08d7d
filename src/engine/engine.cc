// Opening an engine, and everything about single documents. Answers: ask.cc.
#include "kvlink/engine.h"

#include "base/cpu_count.h"
#include "base/guarded.h"
#include "base/memory_size.h"
#include "engine/engine_impl.h"
#include "kv/best_store.h"
#include "kv/warm_store.h"

namespace kvlink::engine {
namespace {

constexpr int64_t kPatienceMs = 1'000;  // of an answer, for other processes' writes
constexpr int64_t kPauseMs = 60'000;    // of its keeping blocks, once that was in vain

// What was given, or the store in the folder, with a tier of mapped blocks above it; without either
// this process's memory, for one prompt's blocks where a folder was named and cannot be used.
Result<std::unique_ptr<kv::BlockStore>> OpenStore(
    const EngineOptions& options, int64_t prompt_bytes,
    const std::shared_ptr<kv::StoreWarnings>& warnings) {
  const auto below = [&](std::shared_ptr<kv::BlockStore> store) -> std::unique_ptr<kv::BlockStore> {
    return std::make_unique<kv::WarmStore>(std::move(store), kWarmBytes, prompt_bytes);
  };
  if (options.store != nullptr) return below(options.store);
  if (options.store_path.empty()) return kv::NewMemoryStore(options.store_budget_bytes);
  kv::DiskStoreOptions disk_options;
  disk_options.path = options.store_path;
  disk_options.budget_bytes = options.store_budget_bytes;
  disk_options.read_only = options.store_read_only;
  disk_options.lock_timeout_ms = kPatienceMs;
  disk_options.pause_after_busy_ms = kPauseMs;
  disk_options.log = Log([warnings](Severity severity, std::string_view message) {
    if (severity >= Severity::kWarning) warnings->Add(message);
  });
  const auto warn = [&](const std::string& message) { warnings->Add(message); };
  KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<kv::DiskStore> disk,
                          kv::OpenBestStore(disk_options, warn));
  if (disk == nullptr) return kv::NewMemoryStore(prompt_bytes);
  return below(std::move(disk));
}

}  // namespace

model::ModelOptions ModelOptionsOf(const EngineOptions& options) {
  ThreadChoice chosen = ChooseThreads(options.threads);
  if (!chosen.warning.empty() && options.warn) options.warn(chosen.warning);
  return {.dtype = options.dtype, .threads = chosen.threads, .digests = options.digests_path};
}

namespace {

constexpr char kNoMemoryToOpen[] =
    "there is not enough memory for this model: close other programs, or take a smaller one";
constexpr char kNoMemoryForDocument[] =
    "there is not enough memory for this document: split it, or close other programs";

Result<std::unique_ptr<Engine>> OpenEngine(const EngineOptions& options) {
  if (options.threads < 0 || options.store_budget_bytes < 0) {
    return InvalidArgument("threads is " + std::to_string(options.threads) +
                           " and store_budget_bytes " + std::to_string(options.store_budget_bytes) +
                           "; each must be 0 (its default) or more");
  }
  FileSystem& files = FileSystem::Posix();
  KVLINK_ASSIGN_OR_RETURN(
      std::unique_ptr<link::LinkableModel> model,
      link::LinkableModel::Load(files, options.model_path, options.links_path,
                                ModelOptionsOf(options), options.prompt_template));
  if (options.warn && !model->template_concern().empty()) options.warn(model->template_concern());
  const model::ModelConfig& c = model->model().config();
  const int64_t prompt_bytes = c.context_tokens * c.KvBytesPerToken(model->model().kv_dtype());
  const auto warnings = std::make_shared<kv::StoreWarnings>();
  Result<std::unique_ptr<kv::BlockStore>> store = OpenStore(options, prompt_bytes, warnings);
  warnings->PassOn(options.warn);
  if (!store.ok()) return store.status();
  return std::unique_ptr<Engine>(
      new EngineImpl(std::move(model), *std::move(store), options, warnings));
}

}  // namespace

EngineImpl::EngineImpl(std::unique_ptr<link::LinkableModel> model,
                       std::unique_ptr<kv::BlockStore> store, const EngineOptions& options,
                       std::shared_ptr<kv::StoreWarnings> warnings)
    : warnings_(std::move(warnings)),
      warn_(options.warn),
      model_(std::move(model)),
      store_(std::move(store)),
      indexer_(&model_->model(), store_.get(), model_->links(), model_->adapter()),
      base_indexer_(&model_->model(), store_.get(), nullptr, nullptr),
      clock_(Clock::System()) {
  FillSummary(options);
  loop_ = std::make_unique<Loop>(
      parts(), options.kv_budget_bytes > 0 ? options.kv_budget_bytes : PhysicalMemoryBytes() / 4);
  loop_->Run();
}

// Requests end first, then what is queued is written.
EngineImpl::~EngineImpl() {
  loop_.reset();
  store_.reset();
  warnings_->PassOn(warn_);
}

void EngineImpl::FillSummary(const EngineOptions& options) {
  const model::Model& m = model_->model();
  const model::ModelConfig& c = m.config();
  ModelSummary& s = summary_;
  s.path = options.model_path;
  s.name = c.name;
  s.architecture = c.architecture;
  s.file_type = c.file_type;
  s.rope = c.rope.scaling_name.empty() ? "unscaled" : c.rope.scaling_name;
  s.fingerprint = ToHex(m.fingerprint());
  s.dtype = m.kv_dtype();
  s.compute = m.compute_path();
  s.why_not_linkable = model::WhyNotLinkable(c);
  s.template_name = model_->prompt_template().name;
  s.template_concern = model_->template_concern();
  s.parameters = c.parameters;
  s.layers = c.layers;
  s.heads = c.heads;
  s.kv_heads = c.kv_heads;
  s.head_dim = c.head_dim;
  s.width = c.width;
  s.feed_forward = c.feed_forward;
  s.vocab = c.vocab;
  s.context_tokens = c.context_tokens;
  s.kv_bytes_per_token = c.KvBytesPerToken(m.kv_dtype());
  s.weight_bytes = m.weights().bytes();
  s.link_tokens = model_->k();
  s.links_path = options.links_path;
  const links::Links* links = model_->links();
  s.has_adapter = model_->adapter() != nullptr;
  if (links != nullptr) s.links_content = ToHex(links->content);
  s.why_not_gated = model_->WhyNotGated();
  s.gate = links != nullptr && links->gate.measured ? links->gate.summary : s.why_not_gated;
}

std::vector<int32_t> EngineImpl::DocumentTokens(const Document& document) const {
  if (document.title.empty() && document.text.empty()) return {};
  return model_->RenderDocument(document.title, document.text, /*rank=*/0);
}

// Of a document's block where the request has no system text of its own.
kv::BlockId EngineImpl::IdOf(std::span<const int32_t> tokens) const {
  return indexer_.IdOf(tokens, link::BlockKind::kDocument, model_->DocumentPrefix(""));
}

Result<Encoded> EngineImpl::Encode(const Document& document, std::stop_token stop) {
  return Guarded(kNoMemoryForDocument, [&] {
    auto encoded = EncodeUnguarded(document, std::move(stop));
    warnings_->PassOn(warn_);
    return encoded;
  });
}

Result<Encoded> EngineImpl::EncodeUnguarded(const Document& document, std::stop_token stop) {
  EncodeTask task;
  task.tokens = DocumentTokens(document);
  if (task.tokens.empty()) return Encoded{.why = "the document has no text"};
  const auto tokens = static_cast<int64_t>(task.tokens.size());
  if (tokens > summary_.context_tokens) {
    return InvalidArgument("the document has " + std::to_string(tokens) +
                           " tokens and the model's context " +
                           std::to_string(summary_.context_tokens) + "; split it");
  }
  task.prefix = model_->DocumentPrefix("");
  if (const auto found = indexer_.Find(task.tokens, link::BlockKind::kDocument, task.prefix);
      found.ok()) {
    return Encoded{tokens, EncodeStatus::kUnchanged, ToHex((*found)->identity().id), ""};
  }
  task.label = document.label;
  task.pinned = document.pinned;
  task.stop = std::move(stop);
  std::future<Result<link::IndexedBlock>> result = task.result.get_future();
  loop_->Add(std::move(task));
  KVLINK_ASSIGN_OR_RETURN(const link::IndexedBlock made, result.get());
  return Encoded{tokens, EncodeStatus::kComputed, ToHex(made.block->identity().id),
                 made.WhyNotKept()};
}

int64_t EngineImpl::CountTokens(std::string_view text) const {
  return static_cast<int64_t>(model_->model().tokenizer().Encode(text).size());
}

std::string EngineImpl::TokenText(int32_t id) const {
  return std::string(model_->model().tokenizer().TokenBytes(id));
}

Described EngineImpl::Describe(const Document& document) const {
  const std::vector<int32_t> tokens = DocumentTokens(document);
  if (tokens.empty()) return {};
  return {static_cast<int64_t>(tokens.size()), ToHex(IdOf(tokens))};
}

// By the blocks of two probes: the template treats titled and untitled documents apart.
std::string EngineImpl::BlockSpace() const {
  Document titled, untitled;
  titled.title = titled.text = untitled.text = "probe";
  const Sha256Digest digest =
      Sha256().Field(Describe(titled).block).Field(Describe(untitled).block).Finish();
  return ToHex(std::span(digest).first(16));
}

Status EngineImpl::RemoveBlock(const Document& document) {
  return Guarded(kNoMemoryForDocument, [&]() -> Status {
    const std::vector<int32_t> tokens = DocumentTokens(document);
    if (tokens.empty()) return NotFound("the document is empty and has no block");
    return store_->Remove(IdOf(tokens));
  });
}

}  // namespace kvlink::engine

namespace kvlink {

Result<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  return Guarded(engine::kNoMemoryToOpen, [&] { return engine::OpenEngine(options); });
}

}  // namespace kvlink
