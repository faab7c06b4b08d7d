#include "kvlink/enums.h"

namespace kvlink {

std::string_view Name(DocumentStatus status) {
  switch (status) {
    case DocumentStatus::kPending:
      return "pending";
    case DocumentStatus::kLinked:
      return "linked";
    case DocumentStatus::kComputed:
      return "computed";
    case DocumentStatus::kDropped:
      return "dropped";
  }
  return "unknown";
}

std::string_view Name(EncodeStatus status) {
  switch (status) {
    case EncodeStatus::kComputed:
      return "computed";
    case EncodeStatus::kUnchanged:
      return "unchanged";
    case EncodeStatus::kEmpty:
      return "empty";
  }
  return "unknown";
}

std::string_view Name(TokenSource source) {
  switch (source) {
    case TokenSource::kSystem:
      return "system";
    case TokenSource::kDocument:
      return "document";
    case TokenSource::kLink:
      return "link";
    case TokenSource::kQuestion:
      return "question";
  }
  return "unknown";
}

std::string_view Name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
  }
  return "unknown";
}

std::string_view Name(IndexStatus status) {
  switch (status) {
    case IndexStatus::kComputed:
      return "computed";
    case IndexStatus::kUnchanged:
      return "unchanged";
    case IndexStatus::kListed:
      return "listed";
    case IndexStatus::kEmpty:
      return "empty";
    case IndexStatus::kRemoved:
      return "removed";
  }
  return "unknown";
}

}  // namespace kvlink
