// Where texts come from: files of a known format (retrieval/formats.h), folders, "-" for standard
// input. Not here: reading and splitting them (retrieval/read_source.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "kvlink/documents.h"
#include "kvlink/status.h"
#include "retrieval/source_state.h"

namespace kvlink::retrieval {

struct SourceDocument {
  std::string id;     // first 16 hex digits of SHA-256 over title and text
  std::string title;  // heading path, or the jsonl title, or the file's name without its ending;
                      // valid UTF-8, cut where it is long
  std::string text;
  std::string source;  // path as given, absolute; "-" or a name for standard input
  int64_t begin = 0;   // range in the source, in `unit`s (for .jsonl: of the line)
  int64_t end = 0;
  PlaceUnit unit = PlaceUnit::kByte;
};

struct SourceFile {
  std::string path;          // absolute; "-" or a name for standard input
  std::string content_hash;  // hex SHA-256 of the bytes, max_tokens and the splitter's version
  FileState state;           // not known for standard input
  std::vector<SourceDocument> documents;  // in the order of the text
  std::vector<std::string> notes;         // "notes.txt: 3 bytes that are not UTF-8 were replaced"
  std::vector<std::string> failures;      // "notes.jsonl: line 2: not JSON ...": left out
};

struct FoundSources {
  std::vector<std::string> paths;  // as SourceFile::path, none twice
  // Files in folders that are not read, by ending in small letters: ".pdf"; "": none.
  std::map<std::string, int64_t> others;
  std::vector<std::string>
      failures;  // paths and entries of folders that cannot be read, a line each
};

// The files under `paths`, folders walked, sorted, only known endings inside folders; hidden files
// and links out of the folder are left. What cannot be read is named and left out: a path that is
// not there or has an unknown ending, a closed folder, a link that leads round in a circle, what is
// no file but has a text's name (a FIFO, a device), a format whose reader this build lacks.
FoundSources FindSources(FileSystem& files, const std::vector<std::string>& paths);

}  // namespace kvlink::retrieval
