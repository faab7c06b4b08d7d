// Opening an engine, and everything about single documents. Answers: answer.cc.
#include "kvlink/engine.h"

#include "base/cpu_count.h"
#include "base/guarded.h"
#include "engine/engine_impl.h"
#include "kv/best_store.h"
#include "kv/warm_store.h"

namespace kvlink {
namespace {

constexpr int64_t kPatienceMs = 1'000;            // of an answer, for other processes' writes
constexpr int64_t kPauseMs = 60'000;              // of its keeping blocks, once that was in vain
constexpr int64_t kPatienceOfKeepingMs = 30'000;  // of what is there to keep blocks

// What was given, or the store in the folder, with a tier of mapped blocks above it; without either
// this process's memory, for one prompt's blocks where a folder was named and cannot be used.
Result<std::unique_ptr<BlockStore>> OpenStore(const EngineOptions& options, int64_t prompt_bytes) {
  const auto below = [&](std::shared_ptr<BlockStore> store) -> std::unique_ptr<BlockStore> {
    return std::make_unique<WarmStore>(std::move(store), kWarmBytes, prompt_bytes);
  };
  if (options.store != nullptr) return below(options.store);
  if (options.store_path.empty()) return NewMemoryStore(options.store_budget_bytes);
  DiskStoreOptions disk_options;
  disk_options.path = options.store_path;
  disk_options.budget_bytes = options.store_budget_bytes;
  disk_options.read_only = options.store_read_only;
  disk_options.lock_timeout_ms = options.require_store ? kPatienceOfKeepingMs : kPatienceMs;
  disk_options.pause_after_busy_ms = options.require_store ? 0 : kPauseMs;
  disk_options.is_pinned = options.is_pinned;
  const auto warn = [&](const std::string& message) {
    if (options.warn) options.warn(message);
  };
  if (options.warn) {
    disk_options.log = Log([warn = options.warn](Severity severity, std::string_view message) {
      if (severity >= Severity::kWarning) warn(message);
    });
  }
  Result<std::unique_ptr<DiskStore>> disk =
      options.require_store ? DiskStore::Open(disk_options) : OpenBestStore(disk_options, warn);
  if (!disk.ok()) return disk.status();
  if (*disk == nullptr) return NewMemoryStore(prompt_bytes);
  return below(*std::move(disk));
}

}  // namespace

ModelOptions ModelOptionsOf(const EngineOptions& options) {
  ThreadChoice chosen = ChooseThreads(options.threads);
  if (!chosen.warning.empty() && options.warn) options.warn(chosen.warning);
  return {.dtype = options.dtype, .threads = chosen.threads};
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
  KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<LinkableModel> model,
                          LinkableModel::Load(files, options.model_path, options.links_path,
                                              ModelOptionsOf(options), options.prompt_template));
  if (options.warn && !model->template_concern().empty()) options.warn(model->template_concern());
  const ModelConfig& c = model->model().config();
  const int64_t prompt_bytes = c.context_tokens * c.KvBytesPerToken(model->model().kv_dtype());
  KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<BlockStore> store, OpenStore(options, prompt_bytes));
  return std::unique_ptr<Engine>(new EngineImpl(std::move(model), std::move(store), options));
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  return Guarded(kNoMemoryToOpen, [&] { return OpenEngine(options); });
}

EngineImpl::EngineImpl(std::unique_ptr<LinkableModel> model, std::unique_ptr<BlockStore> store,
                       const EngineOptions& options)
    : model_(std::move(model)),
      store_(std::move(store)),
      indexer_(&model_->model(), store_.get(), model_->links(), model_->adapter()),
      base_indexer_(&model_->model(), store_.get(), nullptr, nullptr),
      clock_(Clock::System()) {
  FillSummary(options);
}

void EngineImpl::FillSummary(const EngineOptions& options) {
  const Model& m = model_->model();
  const ModelConfig& c = m.config();
  ModelSummary& s = summary_;
  s.path = options.model_path;
  s.name = c.name;
  s.architecture = c.architecture;
  s.file_type = c.file_type;
  s.rope = c.rope.scaling_name.empty() ? "unscaled" : c.rope.scaling_name;
  s.fingerprint = ToHex(m.fingerprint());
  s.dtype = std::string(Name(m.kv_dtype()));
  s.compute = m.compute_path();
  s.why_not_linkable = WhyNotLinkable(c);
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
  const Links* links = model_->links();
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
BlockId EngineImpl::IdOf(std::span<const int32_t> tokens) const {
  return indexer_.IdOf(tokens, BlockKind::kDocument, model_->DocumentPrefix(""));
}

Result<Encoded> EngineImpl::Encode(const Document& document) {
  const std::lock_guard lock(mutex_);
  return Guarded(kNoMemoryForDocument, [&] { return EncodeAlone(document); });
}

Result<Encoded> EngineImpl::EncodeAlone(const Document& document) {
  const std::vector<int32_t> tokens = DocumentTokens(document);
  if (tokens.empty()) return Encoded{0, "empty", "", "the document has no text"};
  if (static_cast<int64_t>(tokens.size()) > summary_.context_tokens) {
    return InvalidArgument("the document has " + std::to_string(tokens.size()) +
                           " tokens and the model's context " +
                           std::to_string(summary_.context_tokens) + "; split it");
  }
  KVLINK_ASSIGN_OR_RETURN(const IndexedBlock fetched,
                          indexer_.Fetch(tokens, BlockKind::kDocument, document.label,
                                         model_->DocumentPrefix(""), document.pinned));
  return Encoded{static_cast<int64_t>(tokens.size()), fetched.computed ? "computed" : "unchanged",
                 ToHex(fetched.block->identity().id), fetched.not_kept};
}

int64_t EngineImpl::CountTokens(std::string_view text) const {
  return static_cast<int64_t>(model_->model().tokenizer().Encode(text).size());
}

std::string EngineImpl::BlockIdOf(const Document& document) const {
  const std::vector<int32_t> tokens = DocumentTokens(document);
  return tokens.empty() ? "" : ToHex(IdOf(tokens));
}

int64_t EngineImpl::CountDocumentTokens(const Document& document) const {
  return static_cast<int64_t>(DocumentTokens(document).size());
}

Encoded EngineImpl::Describe(const Document& document) const {
  const std::vector<int32_t> tokens = DocumentTokens(document);
  if (tokens.empty()) return Encoded{0, "empty", "", "the document has no text"};
  return Encoded{static_cast<int64_t>(tokens.size()), "", ToHex(IdOf(tokens)), ""};
}

// By the blocks of two probes: the template treats titled and untitled documents apart.
std::string EngineImpl::BlockSpace() const {
  Document titled, untitled;
  titled.title = titled.text = untitled.text = "probe";
  const Sha256Digest digest = Sha256().Field(BlockIdOf(titled)).Field(BlockIdOf(untitled)).Finish();
  return ToHex(std::span(digest).first(16));
}

Status EngineImpl::RemoveBlock(const Document& document) {
  return Guarded(kNoMemoryForDocument, [&]() -> Status {
    const std::vector<int32_t> tokens = DocumentTokens(document);
    if (tokens.empty()) return NotFound("the document is empty and has no block");
    return store_->Remove(IdOf(tokens));
  });
}

Status EngineImpl::PinBlock(const Document& document, bool pinned) {
  return Guarded(kNoMemoryForDocument, [&]() -> Status {
    const std::vector<int32_t> tokens = DocumentTokens(document);
    if (tokens.empty()) return NotFound("the document is empty and has no block");
    return store_->SetPinned(IdOf(tokens), pinned);
  });
}

}  // namespace kvlink
