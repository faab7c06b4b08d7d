#include "retrieval/plain.h"

#include <utility>

namespace kvlink::retrieval {

Result<FileText> ReadPlainText(RepairedText text) {
  FileText file;
  file.map = SourceMap::Of(text);
  file.text = std::move(text.text);
  return file;
}

Result<FileText> ReadSourceCode(RepairedText text) {
  KVLINK_ASSIGN_OR_RETURN(FileText file, ReadPlainText(std::move(text)));
  file.structure.by_lines = true;
  return file;
}

}  // namespace kvlink::retrieval
