#include "retrieval/block_rows.h"

namespace kvlink::retrieval {
namespace {

Result<std::vector<std::string>> Texts(Statement statement) {
  std::vector<std::string> texts;
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return texts;
    texts.emplace_back(statement.Text(0));
  }
}

Status RunWith(Database& db, const char* sql, const std::string& value) {
  KVLINK_ASSIGN_OR_RETURN(Statement statement, db.Prepare(sql));
  return statement.BindText(1, value).Run();
}

}  // namespace

Status AddBlockRow(Database& db, const std::string& id, const std::string& block,
                   const std::string& space) {
  KVLINK_ASSIGN_OR_RETURN(
      Statement add,
      db.Prepare("INSERT INTO blocks(id, block, space) VALUES(?, ?, ?) ON CONFLICT DO UPDATE "
                 "SET space = excluded.space WHERE excluded.space <> ''"));
  KVLINK_RETURN_IF_ERROR(add.BindText(1, id).BindText(2, block).BindText(3, space).Run());
  // A text that was forgotten and is back: its block is wanted again.
  return RunWith(db, "DELETE FROM leftover_blocks WHERE block = ?", block);
}

Result<bool> HasBlockRow(Database& db, const std::string& id, const std::string& block,
                         const std::string& space) {
  KVLINK_ASSIGN_OR_RETURN(
      Statement find,
      db.Prepare("SELECT 1 FROM blocks b JOIN documents d ON d.id = b.id WHERE b.id = ?1 AND "
                 "b.block = ?2 AND ?3 IN ('', b.space) AND NOT EXISTS "
                 "(SELECT 1 FROM leftover_blocks l WHERE l.block = b.block)"));
  return find.BindText(1, id).BindText(2, block).BindText(3, space).Step();
}

Result<std::vector<std::string>> BlocksOfDocument(Database& db, const std::string& id) {
  KVLINK_ASSIGN_OR_RETURN(Statement find,
                          db.Prepare("SELECT block FROM blocks WHERE id = ? ORDER BY block"));
  find.BindText(1, id);
  return Texts(std::move(find));
}

Status LeaveBlocksOf(Database& db, const std::string& id) {
  KVLINK_RETURN_IF_ERROR(
      RunWith(db,
              "INSERT OR IGNORE INTO leftover_blocks SELECT block FROM blocks b WHERE id = ?1 AND "
              "NOT EXISTS (SELECT 1 FROM blocks o WHERE o.block = b.block AND o.id <> ?1)",
              id));
  return RunWith(db, "DELETE FROM blocks WHERE id = ?", id);
}

Result<std::vector<std::string>> LeftoverBlocks(Database& db) {
  KVLINK_ASSIGN_OR_RETURN(Statement list,
                          db.Prepare("SELECT block FROM leftover_blocks ORDER BY block"));
  return Texts(std::move(list));
}

Status ForgetBlock(Database& db, const std::string& block) {
  return RunWith(db, "DELETE FROM leftover_blocks WHERE block = ?", block);
}

Result<bool> HasFact(Database& db, const std::string& name) {
  KVLINK_ASSIGN_OR_RETURN(Statement find, db.Prepare("SELECT 1 FROM facts WHERE name = ?"));
  return find.BindText(1, name).Step();
}

Status SetFact(Database& db, const std::string& name, bool holds) {
  return RunWith(
      db, holds ? "INSERT OR IGNORE INTO facts VALUES(?)" : "DELETE FROM facts WHERE name = ?",
      name);
}

}  // namespace kvlink::retrieval
