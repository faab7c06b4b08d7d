// A request made ready for its first pass: rendered, planned, its blocks found. Private to the
// room. Place on the main path: Engine::Submit -> MakePrompt, FindBlocks -> the loop's steps
// (loop.h).
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "kv/store.h"
#include "kvlink/engine.h"
#include "link/indexer.h"
#include "link/linkable_model.h"
#include "link/linker.h"
#include "link/method_rules.h"

namespace kvlink::engine {

inline constexpr char kNoMemoryForPrompt[] =
    "there is not enough memory for this prompt: give fewer documents, lower max_tokens, or close "
    "other programs";

// What an engine is made of. All outlive whoever holds this.
struct EngineParts {
  link::LinkableModel* model = nullptr;
  link::Indexer* indexer = nullptr;       // with the link file's adapter
  link::Indexer* base_indexer = nullptr;  // without: what methods of the base model reuse
  Clock* clock = nullptr;
  const ModelSummary* summary = nullptr;

  model::PreparedAdapter* AdapterOf(const link::MethodRules& rules) const {  // null: none
    return rules.adapter ? model->adapter() : nullptr;
  }
  link::Indexer& IndexerOf(const link::MethodRules& rules) const {
    return rules.adapter ? *indexer : *base_indexer;
  }
};

struct Prompt {
  link::MethodRules rules;
  std::vector<std::vector<int32_t>> document_tokens;  // of those that stay, in order
  std::vector<size_t> request_index;                  // theirs in Request::documents
  std::vector<int32_t> gold;  // tokens of Request::gold and of an answer's end
  int64_t answer_tokens = 0;  // room behind the prompt
  link::LinkPlan plan;
  std::vector<int32_t> prefix;  // that documents are encoded behind
  std::vector<std::shared_ptr<const kv::Block>>
      blocks;  // [plan.blocks] null: missing, or no tokens
  std::vector<std::pair<size_t, link::IndexedBlock>> made;  // of plan.blocks, for this request
  link::LinkedPrompt linked;
  std::vector<bool>
      computed;  // [plan.tokens] for this request: not read from a block that was there
};

// Renders and plans; drops documents until the prompt fits the context. Pure but for the model's
// tokenizer. Errors: as Engine::Submit.
Result<Prompt> MakePrompt(const EngineParts& parts, const Request& request, Answer* answer);

// Looks for the blocks that are missing in the store; what became of each document goes into the
// answer. Returns the indices of those that are to be computed. Thread-safe.
std::vector<size_t> FindBlocks(const EngineParts& parts, Prompt* prompt, Answer* answer);
// A block that was missing, computed.
void PutBlock(size_t index, const link::IndexedBlock& made, Prompt* prompt, Answer* answer);
// Whether the store has said of each computed block if it took it.
bool IsSettled(const Prompt& prompt);
// Says which of them it did not take. Waits for the store until IsSettled.
void NotePuts(const Prompt& prompt, Answer* answer);

// All blocks are there: puts them into the prompt, chooses what of them the method computes again
// (a pass of its own), counts, and warns. Runs the model.
Status LinkBlocks(const EngineParts& parts, Prompt* prompt, Answer* answer);

// kDataLoss: a block's file was cut or written to since it was opened.
Status CheckBlocks(const Prompt& prompt);

}  // namespace kvlink::engine
