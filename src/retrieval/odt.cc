#include "retrieval/odt.h"

#include <string>
#include <utility>

#include "retrieval/archive.h"
#include "retrieval/office_text.h"
#include "retrieval/xml.h"

namespace kvlink::retrieval {
namespace {

constexpr char kContent[] = "content.xml";
constexpr char kProperties[] = "meta.xml";
constexpr char kManifest[] = "META-INF/manifest.xml";

int LevelOf(std::string_view outline_level) {
  return outline_level.size() == 1 && outline_level[0] >= '1' && outline_level[0] <= '9'
             ? outline_level[0] - '0'
             : 1;
}

class ContentVisitor : public XmlVisitor {
 public:
  explicit ContentVisitor(TextBuilder* builder) : builder_(*builder) {}

  bool Enter(const XmlElement& element) override {
    const std::string_view name = element.name;
    if (builder_.full()) return false;
    if (name == "p" || name == "h") {
      ++paragraphs_;  // one may stand within another, in a frame
      places_.Next();
      if (name == "h") {
        builder_.BeginHeading(LevelOf(element.Attribute("outline-level")));
      } else {
        builder_.ParagraphBreak();
      }
    } else if (name == "s" || name == "tab") {
      builder_.Space();
    } else if (name == "line-break") {
      builder_.LineBreak();
    } else if (name == "list-item") {
      builder_.BeginItem();
    } else if (name == "table") {
      builder_.BeginTable();
    } else if (name == "table-row") {
      builder_.BeginRow();
    } else if (name == "table-cell") {
      builder_.BeginCell();
    }
    return name != "note" && name != "annotation" && name != "tracked-changes" &&
           name != "table-of-content" && name != "alphabetical-index" && name != "automatic-styles";
  }

  void Leave(std::string_view name) override {
    if (name == "p" || name == "h") {
      --paragraphs_;
      name == "h" ? builder_.EndHeading() : builder_.ParagraphBreak();
    } else if (name == "list-item") {
      builder_.EndItem();
    } else if (name == "table-cell") {
      builder_.EndCell();
    } else if (name == "table-row") {
      builder_.EndRow();
    } else if (name == "table") {
      builder_.EndTable();
    }
  }

  void Text(std::string_view text) override {
    if (paragraphs_ > 0) builder_.AddWords(text, places_.Here());
  }

 private:
  TextBuilder& builder_;
  ParagraphPlaces places_;
  int paragraphs_ = 0;
};

}  // namespace

Result<FileText> ReadOdt(RepairedText bytes) {
  KVLINK_ASSIGN_OR_RETURN(const ArchiveParts parts,
                          ReadArchive(bytes.text, [](std::string_view name) {
                            return name == kContent || name == kProperties || name == kManifest;
                          }));
  if (const auto manifest = parts.find(std::string_view(kManifest));
      manifest != parts.end() && manifest->second.find("encryption-data") != std::string::npos) {
    return InvalidArgument("is encrypted; save it without a password");
  }
  KVLINK_ASSIGN_OR_RETURN(const std::string_view content, PartOf(parts, kContent, "ODT"));
  TextBuilder builder(PlaceUnit::kParagraph, kMostTextBytes);
  ContentVisitor visitor(&builder);
  KVLINK_RETURN_IF_ERROR(VisitXml(content, &visitor));
  builder.SetTitle(TitleAmong(parts, kProperties));
  return FinishReading(std::move(builder));
}

}  // namespace kvlink::retrieval
