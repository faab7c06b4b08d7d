#include "engine/loop.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "base/guarded.h"

namespace kvlink::engine {
namespace {

constexpr int kMostStarts = 2;  // of a block

}  // namespace

Loop::Loop(const EngineParts& parts, int64_t kv_budget_bytes, const StepLimits& limits)
    : parts_(parts), kv_budget_bytes_(kv_budget_bytes), limits_(limits) {
  limits_.piece = model::Model::kPieceTokens;
  limits_.tokens = std::max(limits_.tokens, limits_.piece);
}

Loop::~Loop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  filled_.notify_all();
  if (thread_.joinable()) thread_.join();
  TakeIn();
  RetireAll(Status(StatusCode::kCancelled, "the engine was closed"));
}

void Loop::RetireAll(const Status& status) {
  makings_.clear();
  for (auto& generation : waiting_) generation->Finish(status);
  for (auto& [id, generation] : active_) generation->Finish(status);
  for (auto& generation : settling_) generation->Finish({});
  for (auto& [id, task] : tasks_) task.result.set_value(status);
  waiting_.clear();
  active_.clear();
  settling_.clear();
  tasks_.clear();
}

Result<RequestId> Loop::Add(std::unique_ptr<Generation> generation) {
  const int64_t bytes = generation->kv_bytes();
  if (bytes > kv_budget_bytes_) {
    return ResourceExhausted("the request needs " + std::to_string(bytes >> 20) +
                             " MiB of KV of its own, and all requests together may have " +
                             std::to_string(kv_budget_bytes_ >> 20) +
                             " MiB: lower max_tokens or n, or raise kv_budget_bytes");
  }
  RequestId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = generation->id = ++last_id_;
    new_generations_.push_back(std::move(generation));
  }
  filled_.notify_all();
  return id;
}

void Loop::Add(EncodeTask task) {
  {
    const std::lock_guard lock(mutex_);
    task.id = ++last_id_;
    new_tasks_.push_back(std::move(task));
  }
  filled_.notify_all();
}

void Loop::Cancel(RequestId id) {
  {
    const std::lock_guard lock(mutex_);
    cancelled_.insert(id);
  }
  filled_.notify_all();
}

void Loop::Run() {
  thread_ = std::thread([this] {
    while (true) {
      {
        std::unique_lock lock(mutex_);
        const auto any = [this] {
          return ending_ || !new_generations_.empty() || !new_tasks_.empty();
        };
        if (waiting_.empty() && active_.empty() && tasks_.empty()) {
          // A store says within a disk's milliseconds whether it took a block.
          if (settling_.empty()) filled_.wait(lock, any);
          if (!settling_.empty()) filled_.wait_for(lock, std::chrono::milliseconds(1), any);
        }
        if (ending_) return;
      }
      const Status stepped = Guarded(kNoMemoryForPrompt, [&] {
        (void)Step();
        return Status();
      });
      if (!stepped.ok()) RetireAll(stepped);
    }
  });
}

void Loop::TakeIn() {
  std::vector<std::unique_ptr<Generation>> generations;
  std::vector<EncodeTask> tasks;
  {
    const std::lock_guard lock(mutex_);
    generations.swap(new_generations_);
    tasks.swap(new_tasks_);
    to_cancel_.merge(cancelled_);
  }
  for (auto& generation : generations) waiting_.push_back(std::move(generation));
  for (EncodeTask& task : tasks) {
    const RequestId id = task.id;
    const EncodeTask& added = tasks_.emplace(id, std::move(task)).first->second;
    Want(*parts_.indexer, added.tokens, link::BlockKind::kDocument, added.label, added.prefix,
         added.pinned, {id, 0});
  }
}

// In order of arrival, as long as there is room for what they will own.
void Loop::Admit() {
  int64_t bytes = 0;
  for (const auto& [id, generation] : active_) bytes += generation->kv_bytes();
  while (!waiting_.empty()) {
    bytes += waiting_.front()->kv_bytes();
    if (bytes > kv_budget_bytes_ && !active_.empty()) return;
    const RequestId id = waiting_.front()->id;
    active_.try_emplace(id, std::move(waiting_.front()));  // where memory ends, it still waits
    waiting_.erase(waiting_.begin());
    Begin(id);
  }
}

// Starts it if no block is missing; else has the blocks made.
void Loop::Begin(RequestId id) {
  Generation* generation = Find(id);
  const std::vector<size_t> missing = generation->missing();
  for (const size_t index : missing) {
    const Prompt& prompt = generation->prompt();
    const link::PlannedBlock& planned = prompt.plan.blocks[index];
    link::Indexer& indexer = parts_.IndexerOf(prompt.rules);
    const bool preamble = planned.document < 0;
    const Document* document =
        preamble ? nullptr
                 : &generation->request().documents[prompt.request_index[planned.document]];
    Want(indexer, link::TokensOf(prompt.plan, planned),
         preamble ? link::BlockKind::kPreamble : link::BlockKind::kDocument,
         preamble ? "" : document->label, preamble ? std::vector<int32_t>() : prompt.prefix,
         !preamble && document->pinned, {id, index});
    if (generation = Find(id); generation == nullptr) return;  // it failed
  }
  if (!missing.empty() || generation->started()) return;
  const Status started = Guarded(kNoMemoryForPrompt, [&] { return generation->Start(); });
  if (!started.ok()) Retire(*generation, started);
}

// A block that several wait for is computed once.
void Loop::Want(link::Indexer& indexer, std::vector<int32_t> tokens, link::BlockKind kind,
                std::string label, std::vector<int32_t> prefix, bool pinned,
                const Making::Waiter& waiter) {
  const kv::BlockId id = indexer.IdOf(tokens, kind, prefix);
  auto found = makings_.find(id);
  if (found == makings_.end()) {
    Making making;
    making.indexer = &indexer;
    making.begin = [&indexer, tokens = std::move(tokens), kind, label = std::move(label),
                    prefix = std::move(prefix)] {
      return Guarded(kNoMemoryForPrompt,
                     [&] { return indexer.Begin(tokens, kind, label, prefix); });
    };
    auto encoding = making.begin();
    if (!encoding.ok()) return Deliver(waiter, encoding.status());
    making.encoding = *std::move(encoding);
    found = makings_.emplace(id, std::move(making)).first;
  }
  found->second.pinned |= pinned;
  found->second.waiters.push_back(waiter);
}

Generation* Loop::Find(RequestId id) {
  const auto found = active_.find(id);
  return found == active_.end() ? nullptr : found->second.get();
}

void Loop::Leave(RequestId id) {
  for (auto& [block, making] : makings_) {
    std::erase_if(making.waiters, [&](const Making::Waiter& waiter) { return waiter.id == id; });
  }
  DropUnwanted();
}

void Loop::DropUnwanted() {
  for (auto making = makings_.begin(); making != makings_.end();) {
    const bool stays = !making->second.waiters.empty() || blocks_in_pass_.count(making->first) > 0;
    making = stays ? std::next(making) : makings_.erase(making);
  }
}

void Loop::Retire(Generation& generation, const Status& status) {
  const RequestId id = generation.id;
  generation.Finish(status);
  Leave(id);
  active_.erase(id);
}

void Loop::Settle(RequestId id) {
  settling_.push_back(std::move(active_.at(id)));
  active_.erase(id);
  Leave(id);
}

void Loop::EndCancelled() {
  std::set<RequestId> cancelled = std::exchange(to_cancel_, {});
  for (const RequestId id : generations_in_pass_) {  // their turn comes once the pass has ended
    if (cancelled.erase(id) > 0) to_cancel_.insert(id);
  }
  const auto reason = [&](const Generation& generation) -> std::optional<FinishReason> {
    if (cancelled.count(generation.id) > 0) return FinishReason::kCancelled;
    return generation.is_past_deadline() ? std::optional(FinishReason::kDeadline) : std::nullopt;
  };
  std::vector<RequestId> ended;
  for (auto& [id, generation] : active_) {
    if (generations_in_pass_.count(id) > 0) continue;
    if (const auto why = reason(*generation)) {
      generation->End(*why);
      ended.push_back(id);
    }
  }
  for (const RequestId id : ended) Settle(id);
  std::erase_if(waiting_, [&](const std::unique_ptr<Generation>& generation) {
    const auto why = reason(*generation);
    if (!why) return false;
    generation->End(*why);
    generation->Finish({});
    return true;
  });
  for (auto task = tasks_.begin(); task != tasks_.end();) {
    if (!task->second.stop.stop_requested()) {
      ++task;
      continue;
    }
    Leave(task->first);
    task->second.result.set_value(Status(StatusCode::kCancelled, "stopped"));
    task = tasks_.erase(task);
  }
}

void Loop::Views(std::vector<Work>* works, std::vector<WorkView>* views) {
  std::map<RequestId, int64_t> left;  // of whole requests
  for (auto& [block, making] : makings_) {
    for (const Making::Waiter& waiter : making.waiters) left[waiter.id] += making.encoding->left();
  }
  for (auto& [id, generation] : active_) left[id] += generation->prompt_left();
  for (auto& [block, making] : makings_) {
    if (making.waiters.empty() || blocks_in_pass_.count(block) > 0) continue;
    const auto first = std::min_element(
        making.waiters.begin(), making.waiters.end(),
        [](const Making::Waiter& a, const Making::Waiter& b) { return a.id < b.id; });
    int64_t least = left[first->id];  // of those that wait for it
    for (const Making::Waiter& waiter : making.waiters) least = std::min(least, left[waiter.id]);
    works->push_back({.block = block});
    views->push_back({first->id, making.encoding->left(), least});
  }
  for (auto& [id, generation] : active_) {
    if (!generation->started() || generations_in_pass_.count(id) > 0) continue;
    if (generation->prompt_left() > 0) {
      works->push_back({.generation = id});
      views->push_back({id, generation->prompt_left(), left[id]});
      continue;
    }
    for (size_t i = 0; i < generation->writings().size(); ++i) {
      if (generation->writings()[i].done()) continue;
      works->push_back({.generation = id, .writing = static_cast<int32_t>(i)});
      views->push_back({id, 0, 0});
    }
  }
}

bool Loop::Step() {
  TakeIn();
  EndCancelled();
  Admit();
  std::vector<Work> works;
  std::vector<WorkView> views;
  Views(&works, &views);
  StepLimits limits = limits_;
  // Beside a long pass nobody is alone.
  if (!generations_in_pass_.empty() || !blocks_in_pass_.empty())
    limits.alone_tokens = limits.tokens;
  if (!works.empty()) Compute(works, PlanStep(views, limits, &turns_));
  DropUnwanted();
  std::vector<RequestId> done;
  for (auto& [id, generation] : active_) {
    if (generation->done()) done.push_back(id);
  }
  for (const RequestId id : done) Settle(id);
  std::erase_if(settling_, [](const std::unique_ptr<Generation>& generation) {
    if (!generation->is_settled()) return false;
    generation->Finish({});
    return true;
  });
  return !active_.empty() || !waiting_.empty() || !tasks_.empty() || !settling_.empty();
}

// One pass over all shares. Where it fails, each is computed alone, so that one's fault is not the
// others'.
void Loop::Compute(const std::vector<Work>& works, const std::vector<Share>& shares) {
  std::vector<model::Sequence> batch;
  for (const Share& share : shares) {
    const Work& work = works[share.work];
    batch.push_back(work.generation == 0 ? makings_.at(work.block).encoding->Next(share.tokens)
                    : work.writing < 0
                        ? Find(work.generation)->NextOfPrompt(share.tokens)
                        : Find(work.generation)->NextOf(static_cast<size_t>(work.writing)));
  }
  model::Model& model = parts_.model->model();
  const auto forward = [&](std::span<model::Sequence> sequences) {
    return Guarded(kNoMemoryForPrompt, [&] { return model.Forward(sequences); });
  };
  int64_t tokens = 0;
  for (const Share& share : shares) tokens += share.tokens;
  Status computed;
  if (tokens > limits_.tokens && generations_in_pass_.empty() && blocks_in_pass_.empty()) {
    for (const Share& share : shares) {
      const Work& work = works[share.work];
      if (work.generation != 0) generations_in_pass_.insert(work.generation);
      if (work.generation == 0) blocks_in_pass_.insert(work.block);
    }
    computed = Guarded(kNoMemoryForPrompt,
                       [&] { return model.Forward(batch, nullptr, [this] { return Between(); }); });
    generations_in_pass_.clear();
    blocks_in_pass_.clear();
    if (computed.code() == StatusCode::kCancelled) return;  // the next step ends what was cancelled
  } else {
    computed = forward(batch);
  }
  std::vector<Status> each(batch.size());
  if (!computed.ok() && batch.size() == 1) each[0] = computed;
  for (size_t i = 0; !computed.ok() && batch.size() > 1 && i < batch.size(); ++i) {
    each[i] = forward({&batch[i], 1});
  }
  std::set<RequestId> void_now;
  for (size_t i = 0; i < shares.size(); ++i) {
    const Work& work = works[shares[i].work];
    if (void_now.count(work.generation) > 0) continue;
    if (!Accept(work, shares[i].tokens, each[i])) void_now.insert(work.generation);
  }
}

Status Loop::Between() {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return Status(StatusCode::kCancelled, "the engine is being closed");
    to_cancel_.merge(cancelled_);
    news = !new_generations_.empty() || !new_tasks_.empty();
  }
  for (const RequestId id : generations_in_pass_) {
    if (to_cancel_.count(id) > 0 || Find(id)->is_past_deadline()) {
      return Status(StatusCode::kCancelled, "the request's time is up, or it was cancelled");
    }
  }
  bool wanted = !generations_in_pass_.empty();
  for (const kv::BlockId& block : blocks_in_pass_) {
    for (const Making::Waiter& waiter : makings_.at(block).waiters) {
      const auto task = tasks_.find(waiter.id);
      wanted |= task == tasks_.end() || !task->second.stop.stop_requested();
    }
  }
  if (!wanted) return Status(StatusCode::kCancelled, "nobody waits for its blocks any more");
  const double before = parts_.clock->MonotonicMs();
  if (before < has_time_until_ms_) return {};
  const bool others = active_.size() > generations_in_pass_.size() ||
                      makings_.size() > blocks_in_pass_.size() || !waiting_.empty() ||
                      !settling_.empty();
  if (!news && !others && to_cancel_.empty()) return {};
  (void)Step();
  const double now = parts_.clock->MonotonicMs();
  has_time_until_ms_ = now + (now - before);
  return {};
}

bool Loop::Accept(const Work& work, int64_t tokens, const Status& computed) {
  if (work.generation == 0) {
    const auto making = makings_.find(work.block);
    const bool wanted = making != makings_.end();
    if (wanted && (!computed.ok() || making->second.encoding->left() == 0)) {
      Made(work.block, computed);
    }
    return true;
  }
  Generation* generation = Find(work.generation);
  if (generation == nullptr) return false;
  // First: a changed block may be why the pass failed.
  if (const Status changed = CheckBlocks(generation->prompt()); !changed.ok()) {
    const Status again = Guarded(kNoMemoryForPrompt, [&] { return generation->Restart(changed); });
    again.ok() ? Begin(work.generation) : Retire(*generation, again);
    return false;
  }
  const Status accepted = !computed.ok() ? computed : Guarded(kNoMemoryForPrompt, [&] {
    return work.writing < 0 ? generation->AcceptPrompt(tokens)
                            : generation->Accept(static_cast<size_t>(work.writing));
  });
  if (!accepted.ok()) Retire(*generation, accepted);
  return accepted.ok();
}

// A block is computed, or cannot be: all who wait hear of it.
void Loop::Made(const kv::BlockId& id, const Status& computed) {
  Making& making = makings_.at(id);
  Result<std::shared_ptr<const kv::Block>> block = computed;
  if (computed.ok()) {
    block = Guarded(kNoMemoryForPrompt, [&] { return making.encoding->Finish(); });
  }
  // What it stands behind may have changed meanwhile: made anew, it may be right.
  if (block.status().code() == StatusCode::kDataLoss && making.starts++ < kMostStarts) {
    if (auto encoding = making.begin(); encoding.ok()) {
      making.encoding = *std::move(encoding);
      return;
    }
  }
  Result<link::IndexedBlock> made = block.status();
  if (block.ok()) {
    made = link::IndexedBlock{*block, true, "", making.indexer->Keep(*block, making.pinned)};
  }
  const std::vector<Making::Waiter> waiters = std::move(making.waiters);
  makings_.erase(id);
  for (const Making::Waiter& waiter : waiters) Deliver(waiter, made);
}

void Loop::Deliver(const Making::Waiter& waiter, const Result<link::IndexedBlock>& made) {
  if (const auto task = tasks_.find(waiter.id); task != tasks_.end()) {
    task->second.result.set_value(made);
    tasks_.erase(task);
    return;
  }
  Generation* generation = Find(waiter.id);
  if (generation == nullptr) return;
  if (!made.ok()) return Retire(*generation, made.status());
  generation->PutBlock(waiter.index, *made);
  if (generation->missing().empty()) Begin(waiter.id);
}

}  // namespace kvlink::engine
