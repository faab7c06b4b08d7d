// The engine: one linkable model and one store of blocks; a request in, an answer out. Place on the
// main path: kvlink ask -> Engine::Ask -> LinkableModel::Plan, Indexer::Fetch, Link,
// Model::Forward.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kv/store.h"
#include "kvlink/engine.h"
#include "link/indexer.h"
#include "link/linkable_model.h"
#include "link/linker.h"
#include "link/method.h"

namespace kvlink {

// Blocks that stay mapped between requests, least recently used out first. Address space, not
// memory: their pages are clean, and the kernel's to take.
inline constexpr int64_t kWarmBytes = 4ll << 30;

// How the model of these options is loaded; warns of what is not done as asked.
ModelOptions ModelOptionsOf(const EngineOptions& options);

class EngineImpl : public Engine {
 public:
  EngineImpl(std::unique_ptr<LinkableModel> model, std::unique_ptr<BlockStore> store,
             const EngineOptions& options);

  Result<Encoded> Encode(const Document& document) override;
  Result<Answer> Ask(const Request& request, const TextSink& sink) override;
  int64_t CountTokens(std::string_view text) const override;
  std::string BlockIdOf(const Document& document) const override;
  int64_t CountDocumentTokens(const Document& document) const override;
  Encoded Describe(const Document& document) const override;
  std::string BlockSpace() const override;
  Status RemoveBlock(const Document& document) override;
  Status PinBlock(const Document& document, bool pinned) override;
  const ModelSummary& model() const override { return summary_; }

  LinkableModel& linkable() { return *model_; }
  BlockStore& store() { return *store_; }

 private:
  struct Prompt;
  Result<Encoded> EncodeAlone(const Document& document);
  Result<Answer> AskAlone(const Request& request, const TextSink& sink);
  Status AskOnce(const Request& request, const TextSink& sink, double start_ms, Prompt* prompt,
                 Answer* answer);
  Status Prepare(const Request& request, Prompt* prompt, Answer* answer);
  Result<Method> MethodOf(const Request& request) const;
  void DropDocuments(const Request& request, int64_t room, int64_t links, Prompt* prompt,
                     Answer* answer) const;
  Status CheckGate(const Prompt& prompt) const;
  PreparedAdapter* AdapterOf(const Method& method) const;  // nullptr: none
  Status FetchBlocks(const Request& request, Prompt* prompt, Answer* answer);
  Status ComputeAgain(Prompt* prompt, Answer* answer);
  // kDataLoss, and the prompt says so: a block's file was cut or written to since it was opened.
  Status CheckBlocks(Prompt* prompt) const;
  Status Forward(Sequence* sequence, Prompt* prompt);  // and CheckBlocks
  void CountUsage(const Prompt& prompt, Answer* answer) const;
  void AddWarnings(const Prompt& prompt, Answer* answer) const;
  Status Generate(const Request& request, Prompt* prompt, const TextSink& sink, double start_ms,
                  Answer* answer);
  Status ScoreGold(Prompt* prompt, Sequence* sequence, Answer* answer);
  std::vector<int32_t> DocumentTokens(const Document& document) const;
  BlockId IdOf(std::span<const int32_t> tokens) const;
  void FillSummary(const EngineOptions& options);

  std::mutex mutex_;  // one request at a time
  std::unique_ptr<LinkableModel> model_;
  std::unique_ptr<BlockStore> store_;
  Indexer indexer_;       // with the link file's adapter
  Indexer base_indexer_;  // without: what methods of the base model reuse
  Clock& clock_;
  ModelSummary summary_;
};

}  // namespace kvlink
