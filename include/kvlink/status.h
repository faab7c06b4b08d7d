// Expected failures as values: Status, and Result<T> for a value or the Status that stands in its
// place. A message says what, where, expected, found, and what to do.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace kvlink {

enum class StatusCode {
  kOk,
  kInvalidArgument,     // the caller's input is wrong: mend it and call again
  kNotFound,            // no such file, document, block
  kDataLoss,            // bytes are damaged: checksum, truncation
  kFailedPrecondition,  // right input at the wrong time: read-only, newer version, wrong base model
  kUnsupported,         // a well-formed thing that kvlink does not implement
  kResourceExhausted,   // disk, memory, budget or context is full
  kUnavailable,         // may work later: locked, I/O error
  kCancelled,           // the caller asked to stop
  kInternal,            // our own bug
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status InvalidArgument(std::string m) {
  return {StatusCode::kInvalidArgument, std::move(m)};
}
inline Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
inline Status DataLoss(std::string m) { return {StatusCode::kDataLoss, std::move(m)}; }
inline Status FailedPrecondition(std::string m) {
  return {StatusCode::kFailedPrecondition, std::move(m)};
}
inline Status Unsupported(std::string m) { return {StatusCode::kUnsupported, std::move(m)}; }
inline Status ResourceExhausted(std::string m) {
  return {StatusCode::kResourceExhausted, std::move(m)};
}
inline Status Unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
inline Status Cancelled(std::string m) { return {StatusCode::kCancelled, std::move(m)}; }
inline Status Internal(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit, so `return value;`
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: REQUIRES: !status.ok()

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  StatusCode code() const { return status_.code(); }

  // REQUIRES: ok()
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace kvlink

// Returns the Status of an expression from the enclosing function unless it is OK.
#define KVLINK_RETURN_IF_ERROR(expr)                        \
  do {                                                      \
    if (::kvlink::Status status_ = (expr); !status_.ok()) { \
      return status_;                                       \
    }                                                       \
  } while (false)

// KVLINK_ASSIGN_OR_RETURN(auto x, F()): x is F()'s value, or the function returns F()'s Status.
#define KVLINK_ASSIGN_OR_RETURN(lhs, expr) \
  KVLINK_ASSIGN_OR_RETURN_(KVLINK_CONCAT_(result_, __LINE__), lhs, expr)
#define KVLINK_ASSIGN_OR_RETURN_(result, lhs, expr) \
  auto result = (expr);                             \
  if (!result.ok()) return result.status();         \
  lhs = *std::move(result)
#define KVLINK_CONCAT_(a, b) KVLINK_CONCAT_2_(a, b)
#define KVLINK_CONCAT_2_(a, b) a##b
