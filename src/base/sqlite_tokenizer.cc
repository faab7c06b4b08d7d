// Database::AddTokenizer (base/sqlite.h): FTS5's interface for tokenizers of one's own.
#include <sqlite3.h>

#include "base/sqlite.h"

namespace kvlink {
namespace {

// FTS5's tokenizers are objects; ours have no state but the function.
int CreateTokenizer(void* function, const char** /*arguments*/, int /*count*/,
                    Fts5Tokenizer** out) {
  *out = static_cast<Fts5Tokenizer*>(function);
  return SQLITE_OK;
}

void DeleteTokenizer(Fts5Tokenizer* /*tokenizer*/) {}

int Tokenize(Fts5Tokenizer* tokenizer, void* context, int flags, const char* text, int size,
             int (*take)(void*, int, const char*, int, int, int)) {
  const auto function = reinterpret_cast<FullTextTokenizer>(tokenizer);
  int code = SQLITE_OK;
  const auto emit = [&](const FullTextWord& word) {
    code = take(context, word.same_place ? FTS5_TOKEN_COLOCATED : 0, word.word.data(),
                static_cast<int>(word.word.size()), static_cast<int>(word.begin),
                static_cast<int>(word.end));
    return code == SQLITE_OK;
  };
  // SQLite is C: nothing may be thrown through it.
  try {
    const std::string_view bytes =
        text == nullptr || size <= 0 ? std::string_view{} : std::string_view(text, size);
    function(bytes, (flags & FTS5_TOKENIZE_QUERY) != 0, emit);
  } catch (...) {
    return SQLITE_NOMEM;
  }
  return code;
}

}  // namespace

Status Database::AddTokenizer(const char* name, FullTextTokenizer tokenizer) {
  fts5_api* api = nullptr;
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db_, "SELECT fts5(?1)", -1, &statement, nullptr);
  if (code == SQLITE_OK) {
    sqlite3_bind_pointer(statement, 1, static_cast<void*>(&api), "fts5_api_ptr", nullptr);
    sqlite3_step(statement);
  }
  sqlite3_finalize(statement);
  if (api == nullptr || api->iVersion < 2) {
    return Unsupported("this SQLite has no FTS5, which searching needs; use one built with it");
  }
  fts5_tokenizer methods{CreateTokenizer, DeleteTokenizer, Tokenize};
  code = api->xCreateTokenizer(api, name, reinterpret_cast<void*>(tokenizer), &methods, nullptr);
  if (code != SQLITE_OK) return Internal(std::string("SQLite: tokenizer ") + name + " was refused");
  return {};
}

}  // namespace kvlink
