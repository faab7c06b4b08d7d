// The engine's thread: takes requests in, computes some tokens of each in every step, and hands the
// answers out. Private to the room. Place on the main path: Engine::Submit -> Loop::Add -> Step ->
// PlanStep (schedule.h), Model::Forward.
#pragma once

#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "engine/generation.h"
#include "engine/schedule.h"
#include "link/encoding.h"

namespace kvlink::engine {

// A document that is encoded for its own sake (Engine::Encode).
struct EncodeTask {
  RequestId id = 0;
  std::vector<int32_t> tokens;
  std::string label;
  bool pinned = false;
  std::vector<int32_t> prefix;
  std::stop_token stop;
  std::promise<Result<link::IndexedBlock>> result;
};

// Thread-safe. Step runs on one thread at a time: the loop's own, once Run was called.
class Loop {
 public:
  // kv_budget_bytes: what the requests in flight may own together.
  Loop(const EngineParts& parts, int64_t kv_budget_bytes, const StepLimits& limits = {});
  ~Loop();  // cancels what is in flight

  // kResourceExhausted: it needs more KV than the budget is.
  Result<RequestId> Add(std::unique_ptr<Generation> generation);
  void Add(EncodeTask task);
  void Cancel(RequestId id);

  void Run();   // starts the thread
  bool Step();  // computes one step's tokens; false: nothing is in flight

 private:
  // A block being computed, and who waits for it.
  struct Making {
    std::function<Result<std::unique_ptr<link::Encoding>>()> begin;
    std::unique_ptr<link::Encoding> encoding;
    int starts = 1;
    link::Indexer* indexer = nullptr;
    bool pinned = false;
    struct Waiter {
      RequestId id = 0;
      size_t index = 0;  // of a generation's plan
    };
    std::vector<Waiter> waiters;
  };
  // What a share of a step belongs to. By names: a step may end what it points to.
  struct Work {
    RequestId generation = 0;  // 0: `block` is being made
    int32_t writing = -1;      // of the generation; -1: its prompt
    kv::BlockId block{};
  };

  void TakeIn();
  void Admit();
  void EndCancelled();
  void Begin(RequestId id);
  void Want(link::Indexer& indexer, std::vector<int32_t> tokens, link::BlockKind kind,
            std::string label, std::vector<int32_t> prefix, bool pinned,
            const Making::Waiter& waiter);
  // Of what is not part of the pass under way.
  void Views(std::vector<Work>* works, std::vector<WorkView>* views);
  void Compute(const std::vector<Work>& works, const std::vector<Share>& shares);
  // Between the layers of a long pass: a step of the others. kCancelled: the pass is to end.
  Status Between();
  // False: the generation's other shares of this step are void.
  bool Accept(const Work& work, int64_t tokens, const Status& computed);
  void Made(const kv::BlockId& id, const Status& computed);
  void Deliver(const Making::Waiter& waiter, const Result<link::IndexedBlock>& made);
  void Settle(RequestId id);  // its answer is written: only the store is waited for
  // Its end without an answer.
  void Retire(Generation& generation, const Status& status);
  void RetireAll(const Status& status);
  void Leave(RequestId id);  // drops what only it waited for
  void DropUnwanted();       // blocks that nobody waits for, but for those of the pass under way
  Generation* Find(RequestId id);

  const EngineParts parts_;
  const int64_t kv_budget_bytes_;
  StepLimits limits_;
  Turns turns_;

  std::mutex mutex_;  // guards what follows; held over nothing that takes long
  std::condition_variable filled_;
  RequestId last_id_ = 0;
  std::vector<std::unique_ptr<Generation>> new_generations_;
  std::vector<EncodeTask> new_tasks_;
  std::set<RequestId> cancelled_;
  bool ending_ = false;

  // Of the thread that steps.
  std::vector<std::unique_ptr<Generation>> waiting_;  // for room
  std::map<RequestId, std::unique_ptr<Generation>> active_;
  std::vector<std::unique_ptr<Generation>> settling_;  // done, but for the store
  std::map<RequestId, EncodeTask> tasks_;
  std::map<kv::BlockId, Making> makings_;
  std::set<RequestId> to_cancel_;
  // The long pass under way: what it computes, and until when it has the time that the last step of
  // the others took.
  std::set<RequestId> generations_in_pass_;
  std::set<kv::BlockId> blocks_in_pass_;
  double has_time_until_ms_ = 0;

  std::thread thread_;
};

}  // namespace kvlink::engine
