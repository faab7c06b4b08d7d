// Opening an engine, and everything about single documents. Answers: answer.cc.
#include "kvlink/engine.h"

#include <new>

#include "engine/engine_impl.h"
#include "kv/disk_store.h"
#include "kv/warm_store.h"

namespace kvlink {

Result<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  FileSystem& files = FileSystem::Posix();
  KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<LinkableModel> model,
                          LinkableModel::Load(files, options.model_path, options.links_path,
                                              {.dtype = options.dtype, .threads = options.threads},
                                              options.prompt_template));
  if (options.warn && !model->template_concern().empty()) options.warn(model->template_concern());
  std::unique_ptr<BlockStore> store;
  if (options.store_path.empty()) {
    store = NewMemoryStore(options.store_budget_bytes);
  } else {
    DiskStoreOptions store_options;
    store_options.path = options.store_path;
    store_options.budget_bytes = options.store_budget_bytes;
    store_options.read_only = options.store_read_only;
    if (options.warn) {
      store_options.log = Log([warn = options.warn](Severity severity, std::string_view message) {
        if (severity >= Severity::kWarning) warn(message);
      });
    }
    KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<DiskStore> disk, DiskStore::Open(store_options));
    store = std::make_unique<WarmStore>(std::move(disk), kWarmBytes);
  }
  return std::unique_ptr<Engine>(new EngineImpl(std::move(model), std::move(store), options));
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
  const std::vector<int32_t> tokens = DocumentTokens(document);
  if (tokens.empty()) return Encoded{0, "empty", "", "the document has no text"};
  if (static_cast<int64_t>(tokens.size()) > summary_.context_tokens) {
    return InvalidArgument("the document has " + std::to_string(tokens.size()) +
                           " tokens and the model's context " +
                           std::to_string(summary_.context_tokens) + "; split it");
  }
  const std::lock_guard lock(mutex_);
  try {
    KVLINK_ASSIGN_OR_RETURN(
        const IndexedBlock fetched,
        indexer_.Fetch(tokens, BlockKind::kDocument, document.label, model_->DocumentPrefix("")));
    return Encoded{static_cast<int64_t>(tokens.size()), fetched.computed ? "computed" : "unchanged",
                   ToHex(fetched.block->identity().id), fetched.not_kept};
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("there is not enough memory to encode a document of " +
                             std::to_string(tokens.size()) + " tokens: split it");
  }
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

Status EngineImpl::RemoveBlock(const Document& document) {
  const std::vector<int32_t> tokens = DocumentTokens(document);
  if (tokens.empty()) return NotFound("the document is empty and has no block");
  return store_->Remove(IdOf(tokens));
}

Status EngineImpl::PinBlock(const Document& document, bool pinned) {
  const std::vector<int32_t> tokens = DocumentTokens(document);
  if (tokens.empty()) return NotFound("the document is empty and has no block");
  return store_->SetPinned(IdOf(tokens), pinned);
}

}  // namespace kvlink
