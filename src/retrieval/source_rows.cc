#include "retrieval/source_rows.h"

namespace kvlink::retrieval {

Status RecordFileState(Database& db, const std::string& source, const FileState& state) {
  KVLINK_ASSIGN_OR_RETURN(
      Statement record,
      db.Prepare("UPDATE sources SET size_bytes = nullif(?, -1), modified_ms = ?, device = ?, "
                 "bytes_hash = ? WHERE path = ?"));
  record.Bind(1, state.size_bytes).Bind(2, state.modified_ms).Bind(3, state.device);
  return record.BindText(4, state.bytes_hash).BindText(5, source).Run();
}

Result<std::map<std::string, FileState>> ReadFileStates(Database& db, int64_t version) {
  constexpr int64_t kVersionOfStates = 2;
  KVLINK_ASSIGN_OR_RETURN(
      Statement query,
      db.Prepare(version < kVersionOfStates
                     ? "SELECT path, NULL, 0, 0, '' FROM sources"
                     : "SELECT path, size_bytes, modified_ms, device, bytes_hash FROM sources"));
  std::map<std::string, FileState> states;
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return states;
    FileState& state = states[std::string(query.Text(0))];
    if (query.IsNull(1)) continue;
    state.size_bytes = query.Int(1);
    state.modified_ms = query.Int(2);
    state.device = query.Int(3);
    state.bytes_hash = query.Text(4);
  }
}

}  // namespace kvlink::retrieval
