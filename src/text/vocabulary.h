// What a TokenizerConfig says, believed only after it was checked: it comes from a file of unknown
// origin. Each error is kInvalidArgument and names the field, the index and what was expected. Not
// here: encoding (tokenizer.cc).
#pragma once

#include <string>
#include <vector>

#include "base/hash.h"
#include "kvlink/status.h"
#include "text/bpe.h"
#include "text/tokenizer.h"

namespace kvlink::text {

// Counts, types, and ids within the vocabulary. The functions below need it to be OK.
Status CheckVocabulary(const TokenizerConfig& config);

// What every token stands for [V]. Only normal tokens are spelled in the byte alphabet; the others
// (control, user-defined, ...) are text.
Result<std::vector<std::string>> ReadTokenBytes(const TokenizerConfig& config);

// Both sides of a merge and what it makes have to be normal tokens.
Result<MergeTable> ReadMerges(const TokenizerConfig& config);

// SHA-256 over every field.
Sha256Digest VocabularyFingerprint(const TokenizerConfig& config);

}  // namespace kvlink::text
