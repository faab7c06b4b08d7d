// The engine: one linkable model, one store of blocks, and the loop that computes. Place on the
// main path: kvlink ask -> Engine::Ask -> MakePrompt (prompt.h) -> Loop::Step -> Model::Forward.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/events.h"
#include "engine/loop.h"
#include "kv/store.h"
#include "kv/store_warnings.h"
#include "kvlink/engine.h"
#include "link/indexer.h"
#include "link/linkable_model.h"

namespace kvlink::engine {

// Blocks that stay mapped between requests, least recently used out first. Address space, not
// memory: their pages are clean, and the kernel's to take.
inline constexpr int64_t kWarmBytes = 4ll << 30;

// How the model of these options is loaded; warns of what is not done as asked.
model::ModelOptions ModelOptionsOf(const EngineOptions& options);

class EngineImpl : public Engine {
 public:
  EngineImpl(std::unique_ptr<link::LinkableModel> model, std::unique_ptr<kv::BlockStore> store,
             const EngineOptions& options,
             std::shared_ptr<kv::StoreWarnings> warnings = std::make_shared<kv::StoreWarnings>());
  ~EngineImpl() override;

  Result<RequestId> Submit(Request request, EventHandler events) override;
  void Cancel(RequestId request) override { loop_->Cancel(request); }
  Result<Answer> Ask(const Request& request, const TextSink& sink = {}) override;
  Result<Encoded> Encode(const Document& document, std::stop_token stop = {}) override;
  int64_t CountTokens(std::string_view text) const override;
  std::string TokenText(int32_t id) const override;
  Described Describe(const Document& document) const override;
  std::string BlockSpace() const override;
  Status RemoveBlock(const Document& document) override;
  const ModelSummary& model() const override { return summary_; }

  // For what runs passes of its own: only while no request is in flight.
  link::LinkableModel& linkable() { return *model_; }
  kv::BlockStore& store() { return *store_; }

 private:
  Result<Encoded> EncodeUnguarded(const Document& document, std::stop_token stop);
  Result<RequestId> Start(Request request, std::shared_ptr<const EventHandler> handler,
                          std::shared_ptr<EventQueue> queue);
  std::vector<int32_t> DocumentTokens(const Document& document) const;
  kv::BlockId IdOf(std::span<const int32_t> tokens) const;
  void FillSummary(const EngineOptions& options);
  EngineParts parts() { return {model_.get(), &indexer_, &base_indexer_, &clock_, &summary_}; }

  const std::shared_ptr<kv::StoreWarnings> warnings_;
  const std::function<void(std::string_view)> warn_;
  std::unique_ptr<link::LinkableModel> model_;
  std::unique_ptr<kv::BlockStore> store_;
  link::Indexer indexer_;       // with the link file's adapter
  link::Indexer base_indexer_;  // without: what methods of the base model reuse
  Clock& clock_;
  ModelSummary summary_;
  EventThread events_;
  std::unique_ptr<Loop> loop_;  // ends first
};

}  // namespace kvlink::engine
