#include "retrieval/office_text.h"

#include "base/quote.h"
#include "retrieval/front_matter.h"
#include "retrieval/xml.h"

namespace kvlink::retrieval {
namespace {

class TitleVisitor : public XmlVisitor {
 public:
  bool Enter(const XmlElement& element) override {
    inside_ = title.empty() && element.name == "title";
    return true;
  }
  void Leave(std::string_view) override { inside_ = false; }
  void Text(std::string_view text) override {
    if (inside_) title += text;
  }

  std::string title;

 private:
  bool inside_ = false;
};

}  // namespace

Result<std::string_view> PartOf(const ArchiveParts& parts, std::string_view name,
                                std::string_view format) {
  const auto part = parts.find(name);
  if (part != parts.end()) return std::string_view(part->second);
  return InvalidArgument("is no " + std::string(format) + ": it has no part " + Quoted(name));
}

std::string TitleAmong(const ArchiveParts& parts, std::string_view name) {
  const auto part = parts.find(name);
  TitleVisitor visitor;
  // Without properties a document has no title of its own, no more.
  if (part == parts.end() || !VisitXml(part->second, &visitor).ok()) return {};
  return OneSpaced(visitor.title);
}

}  // namespace kvlink::retrieval
