// What values of the public interface say in one word. Name gives the word as it stands in JSON.
#pragma once

#include <cstdint>
#include <string_view>

namespace kvlink {

// What became of a document in a prompt.
enum class DocumentStatus : uint8_t {
  kPending,   // the answer ended before it was looked at
  kLinked,    // its block was reused
  kComputed,  // its block was computed now, or it has none (full attention)
  kDropped,   // it is not in the prompt
};
std::string_view Name(DocumentStatus status);

// Of a document that was to be encoded.
enum class EncodeStatus : uint8_t {
  kComputed,
  kUnchanged,  // a valid block was there
  kEmpty,      // rendered empty: there is nothing to encode
};
std::string_view Name(EncodeStatus status);

// Where a token of a prompt comes from.
enum class TokenSource : uint8_t { kSystem, kDocument, kLink, kQuestion };
std::string_view Name(TokenSource source);

// Why an answer ends.
enum class FinishReason : uint8_t {
  kStop,       // the model's end, or a stop text
  kLength,     // max_tokens
  kCancelled,  // by Cancel, or by the sink
  kDeadline,
};
std::string_view Name(FinishReason reason);

// Of a document that was to be indexed.
enum class IndexStatus : uint8_t {
  kComputed,  // its block, now
  kUnchanged,
  kListed,  // new, without a block
  kEmpty,   // a source without text
  kRemoved,
};
std::string_view Name(IndexStatus status);

}  // namespace kvlink
