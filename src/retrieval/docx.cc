#include "retrieval/docx.h"

#include <map>
#include <string>
#include <utility>

#include "retrieval/archive.h"
#include "retrieval/front_matter.h"
#include "retrieval/office_text.h"
#include "retrieval/xml.h"

namespace kvlink::retrieval {
namespace {

constexpr char kDocument[] = "word/document.xml";
constexpr char kStyles[] = "word/styles.xml";
constexpr char kProperties[] = "docProps/core.xml";
constexpr int kTitleLevel = 0;
constexpr int kBodyLevel = 10;

// "0".."8" -> 1..9; kBodyLevel: body text, or no level.
int LevelOf(std::string_view outline_level) {
  return outline_level.size() == 1 && outline_level[0] >= '0' && outline_level[0] <= '8'
             ? outline_level[0] - '0' + 1
             : kBodyLevel;
}

// Which styles are headings: by their names, which are English in every language's Word, or by
// their outline levels. A style without either is as the one it is based on.
class StylesVisitor : public XmlVisitor {
 public:
  bool Enter(const XmlElement& element) override {
    if (element.name == "style") {
      id_ = element.Attribute("styleId");
      styles_[id_] = {};
    } else if (element.name == "name" && !id_.empty()) {
      std::string name(element.Attribute("val"));
      for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      constexpr std::string_view kHeading = "heading ";
      if (name == "title") styles_[id_].level = kTitleLevel;
      if (name.starts_with(kHeading) && name.size() == kHeading.size() + 1 && name.back() >= '1' &&
          name.back() <= '9') {
        styles_[id_].level = name.back() - '0';
      }
    } else if (element.name == "outlineLvl" && !id_.empty()) {
      Style& style = styles_[id_];
      if (style.level < 0) style.level = LevelOf(element.Attribute("val"));
    } else if (element.name == "basedOn" && !id_.empty()) {
      styles_[id_].based_on = element.Attribute("val");
    }
    return true;
  }
  void Leave(std::string_view name) override {
    if (name == "style") id_.clear();
  }
  void Text(std::string_view) override {}

  int LevelOfStyle(std::string_view id) const {
    constexpr int kLongestChain = 16;
    for (int i = 0; i < kLongestChain; ++i) {
      const auto style = styles_.find(id);
      if (style == styles_.end()) break;
      if (style->second.level >= 0) return style->second.level;
      id = style->second.based_on;
    }
    return kBodyLevel;
  }

 private:
  struct Style {
    int level = -1;  // -1: does not say
    std::string based_on;
  };
  std::map<std::string, Style, std::less<>> styles_;
  std::string id_;
};

class DocumentVisitor : public XmlVisitor {
 public:
  DocumentVisitor(const StylesVisitor& styles, TextBuilder* builder)
      : styles_(styles), builder_(*builder) {}

  bool Enter(const XmlElement& element) override {
    const std::string_view name = element.name;
    if (builder_.full()) return false;
    if (name == "p") {
      // A text box's paragraphs stand within another.
      EndHeading();
      builder_.ParagraphBreak();
      places_.Next();
      level_ = kBodyLevel;
      begun_ = false;
      item_ = false;
    } else if (name == "pStyle") {
      level_ = styles_.LevelOfStyle(element.Attribute("val"));
    } else if (name == "outlineLvl") {
      level_ = LevelOf(element.Attribute("val"));
    } else if (name == "numPr") {
      item_ = true;
    } else if (name == "t") {
      in_text_ = true;
      BeginParagraphText();
    } else if (name == "tab" || name == "noBreakHyphen") {
      name == "tab" ? builder_.Space() : builder_.AddOwn("-");
    } else if (name == "br" || name == "cr") {
      builder_.LineBreak();
    } else if (name == "tbl") {
      builder_.BeginTable();
    } else if (name == "tr") {
      builder_.BeginRow();
    } else if (name == "tc") {
      builder_.BeginCell();
    }
    // Text boxes are there a second time for old readers.
    return name != "Fallback" && name != "del" && name != "pPrChange" && name != "rPrChange" &&
           name != "sectPr";
  }

  void Leave(std::string_view name) override {
    if (name == "t") {
      in_text_ = false;
    } else if (name == "p") {
      EndHeading();
      builder_.ParagraphBreak();
    } else if (name == "tc") {
      builder_.EndCell();
    } else if (name == "tr") {
      builder_.EndRow();
    } else if (name == "tbl") {
      builder_.EndTable();
    }
  }

  void Text(std::string_view text) override {
    if (!in_text_) return;
    if (level_ == kTitleLevel && title_.size() <= kLongestHeading) title_ += text;
    builder_.AddWords(text, places_.Here());
  }

  std::string title() const { return OneSpaced(title_); }

 private:
  void BeginParagraphText() {
    if (begun_) return;
    begun_ = true;
    if (level_ > kTitleLevel && level_ < kBodyLevel) {
      builder_.BeginHeading(level_);
      in_heading_ = true;
    } else if (item_) {
      builder_.BeginItem();
    }
  }
  void EndHeading() {
    if (std::exchange(in_heading_, false)) builder_.EndHeading();
  }

  const StylesVisitor& styles_;
  TextBuilder& builder_;
  ParagraphPlaces places_;
  std::string title_;  // of paragraphs in the style Title
  int level_ = kBodyLevel;
  bool begun_ = false, item_ = false, in_heading_ = false, in_text_ = false;
};

}  // namespace

Result<FileText> ReadDocx(RepairedText bytes) {
  KVLINK_ASSIGN_OR_RETURN(const ArchiveParts parts,
                          ReadArchive(bytes.text, [](std::string_view name) {
                            return name == kDocument || name == kStyles || name == kProperties;
                          }));
  KVLINK_ASSIGN_OR_RETURN(const std::string_view document, PartOf(parts, kDocument, "DOCX"));
  StylesVisitor styles;
  if (const auto part = parts.find(std::string_view(kStyles)); part != parts.end()) {
    KVLINK_RETURN_IF_ERROR(VisitXml(part->second, &styles));
  }
  TextBuilder builder(PlaceUnit::kParagraph, kMostTextBytes);
  DocumentVisitor visitor(styles, &builder);
  KVLINK_RETURN_IF_ERROR(VisitXml(document, &visitor));
  std::string title = visitor.title();
  if (title.empty()) title = TitleAmong(parts, kProperties);
  builder.SetTitle(std::move(title));
  return FinishReading(std::move(builder));
}

}  // namespace kvlink::retrieval
