#include "retrieval/read_format.h"

#include <string>

#include "base/apart.h"
#include "retrieval/html_charset.h"

namespace kvlink::retrieval {
namespace {

ApartLimits LimitsFor(const Format& format, size_t bytes) {
  ApartLimits limits;
  limits.memory_bytes += 64 * static_cast<int64_t>(bytes);
  limits.cpu_s = format.apart_s + static_cast<int64_t>(bytes >> 20);
  return limits;
}

Status RefuseBinary(const RepairedText& read) {
  if (read.text.starts_with("{\\rtf")) {
    return InvalidArgument("is RTF, which is not read; save it as text");
  }
  const size_t nul = read.text.find('\0');
  if (nul == std::string::npos) return {};
  return InvalidArgument("is a binary file (a NUL at byte " +
                         std::to_string(read.SourceOffset(static_cast<int64_t>(nul))) +
                         "), text expected; leave it out or convert it to text");
}

}  // namespace

Result<DecodedFile> DecodeFile(const Format& format, std::string_view bytes) {
  DecodedFile decoded;
  if (!format.is_text) {
    decoded.text.text = bytes;
    return decoded;
  }
  decoded.text =
      format.kind == FileKind::kHtml ? ReadTextAs(bytes, HtmlCharset(bytes)) : ReadText(bytes);
  KVLINK_RETURN_IF_ERROR(RefuseBinary(decoded.text));
  decoded.data_uris = LeaveOutDataUris(&decoded.text);
  return decoded;
}

Result<FileText> ReadDecoded(const Format& format, const RepairedText& text) {
  if (format.reader == nullptr) return Unsupported(MissingReader(format));
  if (format.apart_s == 0) return format.reader(text);
  KVLINK_ASSIGN_OR_RETURN(
      const std::string result,
      RunApart(LimitsFor(format, text.text.size()), [&]() -> Result<std::string> {
        KVLINK_ASSIGN_OR_RETURN(const FileText file, format.reader(text));
        return SerializeFileText(file);
      }));
  return ParseFileText(result);
}

}  // namespace kvlink::retrieval
