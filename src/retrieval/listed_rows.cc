#include "retrieval/listed_rows.h"

#include <limits>

namespace kvlink::retrieval {
namespace {

constexpr char kColumns[] =
    "SELECT d.id, d.title, d.key, d.tokens, length(CAST(d.text AS BLOB)), d.uses, d.pinned, "
    "(SELECT min(b.block) FROM blocks b WHERE b.id = d.id AND b.space = ?1), ";

Result<std::vector<ListedDocument>> Rows(Statement query) {
  std::vector<ListedDocument> rows;
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return rows;
    ListedDocument& document = rows.emplace_back();
    document.id = query.Text(0);
    document.title = query.Text(1);
    document.key = query.Int(2);
    document.tokens = query.Int(3);
    document.text_bytes = query.Int(4);
    document.uses = query.Int(5);
    document.pinned = query.Int(6) != 0;
    if (!query.IsNull(7)) document.block = query.Text(7);
    document.ordinal = query.Int(8);
  }
}

}  // namespace

Result<std::vector<ListedDocument>> PageOfSource(Database& db, const std::string& source,
                                                 const std::string& space,
                                                 const ListedDocument* after, int64_t limit) {
  KVLINK_ASSIGN_OR_RETURN(
      Statement query,
      db.Prepare(std::string(kColumns) +
                 "p.ordinal FROM places p JOIN documents d ON d.key = p.document "
                 "WHERE p.source = (SELECT key FROM sources WHERE path = ?2) "
                 "AND (p.ordinal, p.document) > (?3, ?4) ORDER BY p.ordinal, p.document LIMIT ?5"));
  query.BindText(1, space).BindText(2, source);
  query.Bind(3, after == nullptr ? int64_t{-1} : after->ordinal);
  query.Bind(4, after == nullptr ? int64_t{-1} : after->key).Bind(5, limit);
  return Rows(std::move(query));
}

Result<std::vector<ListedDocument>> PageOfMostUsed(Database& db, const std::string& space,
                                                   const ListedDocument* after, int64_t limit) {
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  KVLINK_ASSIGN_OR_RETURN(
      Statement query,
      db.Prepare(std::string(kColumns) + "0 FROM documents d WHERE (d.uses, d.key) < (?2, ?3) "
                                         "ORDER BY d.uses DESC, d.key DESC LIMIT ?4"));
  query.BindText(1, space).Bind(2, after == nullptr ? kLast : after->uses);
  query.Bind(3, after == nullptr ? kLast : after->key).Bind(4, limit);
  return Rows(std::move(query));
}

Status CountUses(Database& db, const std::vector<std::string>& ids) {
  KVLINK_ASSIGN_OR_RETURN(Statement count,
                          db.Prepare("UPDATE documents SET uses = uses + 1 WHERE id = ?"));
  for (const std::string& id : ids) KVLINK_RETURN_IF_ERROR(count.BindText(1, id).Run());
  return {};
}

}  // namespace kvlink::retrieval
