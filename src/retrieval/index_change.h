// How changes of documents.sqlite are grouped, and how long they wait for others'.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/sqlite.h"
#include "kvlink/status.h"

namespace kvlink::retrieval {

// A transaction of its own, or a part of the batch that is under way.
class Change {
 public:
  static Result<Change> Begin(Database& db, bool in_batch) {
    Change change;
    if (in_batch) return change;
    KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db));
    change.transaction_.emplace(std::move(transaction));
    return change;
  }
  Status Commit() { return transaction_ ? transaction_->Commit() : Status(); }

 private:
  std::optional<Transaction> transaction_;
};

// How long a connection waits for others' locks, for as long as this lives.
class Patience {
 public:
  Patience(Database& db, int ms, int usual_ms) : db_(db), usual_ms_(usual_ms) {
    if (ms >= 0) Set(ms);
  }
  ~Patience() { Set(usual_ms_); }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  void Set(int ms) { (void)db_.Exec(("PRAGMA busy_timeout=" + std::to_string(ms)).c_str()); }
  Database& db_;
  const int usual_ms_;
};

}  // namespace kvlink::retrieval
