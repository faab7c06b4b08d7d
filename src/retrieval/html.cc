// Walks gumbo's tree (retrieval/html.h), without recursion: pages may be nested without end.
#include "retrieval/html.h"

#include <gumbo.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "retrieval/front_matter.h"
#include "retrieval/reader.h"

namespace kvlink::retrieval {
namespace {

// What an element does to the text around it.
enum class Kind {
  kInline,
  kBlock,
  kLeftOut,
  kHeading,
  kPreformatted,
  kItem,
  kLine,
  kTable,
  kRow,
  kCell
};

Kind KindOf(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_TITLE:
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_APPLET:
    case GUMBO_TAG_CANVAS:
    case GUMBO_TAG_AUDIO:
    case GUMBO_TAG_VIDEO:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_BUTTON:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TEXTAREA:
    case GUMBO_TAG_DATALIST:
    case GUMBO_TAG_MENU:
    case GUMBO_TAG_RP:
    case GUMBO_TAG_RT:
      return Kind::kLeftOut;
    case GUMBO_TAG_H1:
    case GUMBO_TAG_H2:
    case GUMBO_TAG_H3:
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
      return Kind::kHeading;
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_LISTING:
    case GUMBO_TAG_XMP:
    case GUMBO_TAG_PLAINTEXT:
      return Kind::kPreformatted;
    case GUMBO_TAG_LI:
      return Kind::kItem;
    case GUMBO_TAG_BR:
    case GUMBO_TAG_DT:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_LEGEND:
    case GUMBO_TAG_LABEL:
      return Kind::kLine;
    case GUMBO_TAG_TABLE:
      return Kind::kTable;
    case GUMBO_TAG_TR:
      return Kind::kRow;
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
      return Kind::kCell;
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_BODY:
    case GUMBO_TAG_CAPTION:
    case GUMBO_TAG_CENTER:
    case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_DIR:
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_DL:
    case GUMBO_TAG_FIELDSET:
    case GUMBO_TAG_FIGCAPTION:
    case GUMBO_TAG_FIGURE:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_FORM:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_HGROUP:
    case GUMBO_TAG_HR:
    case GUMBO_TAG_MAIN:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_P:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_SUMMARY:
    case GUMBO_TAG_UL:
      return Kind::kBlock;
    default:
      return Kind::kInline;
  }
}

// A header or footer within one of these is part of the text; elsewhere it is the page's.
bool IsSectioning(GumboTag tag) {
  return tag == GUMBO_TAG_ARTICLE || tag == GUMBO_TAG_MAIN || tag == GUMBO_TAG_SECTION ||
         tag == GUMBO_TAG_ASIDE;
}

std::string_view AttributeOf(const GumboElement& element, const char* name) {
  const GumboAttribute* attribute = gumbo_get_attribute(&element.attributes, name);
  return attribute == nullptr ? std::string_view() : std::string_view(attribute->value);
}

bool IsHidden(const GumboElement& element) {
  if (gumbo_get_attribute(&element.attributes, "hidden") != nullptr) return true;
  if (AttributeOf(element, "aria-hidden") == "true") return true;
  std::string style(AttributeOf(element, "style"));
  std::erase_if(style, IsSpace);
  if (style.find("display:none") != std::string::npos) return true;
  const std::string_view role = AttributeOf(element, "role");
  return role == "navigation" || role == "banner" || role == "contentinfo" || role == "search";
}

bool IsText(const GumboNode& node) {
  return node.type == GUMBO_NODE_TEXT || node.type == GUMBO_NODE_WHITESPACE ||
         node.type == GUMBO_NODE_CDATA;
}

std::vector<std::string_view> PiecesOf(std::string_view text, bool lines) {
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < text.size();) {
    const size_t end =
        lines ? std::min(text.find('\n', at), text.size() - 1) + 1
              : static_cast<size_t>(std::find_if(text.begin() + at, text.end(), IsSpace) -
                                    text.begin());
    if (end > at) pieces.push_back(text.substr(at, end - at));
    at = end;
    while (!lines && at < text.size() && IsSpace(text[at])) ++at;
  }
  return pieces;
}

class Walker {
 public:
  Walker(std::string_view html, const std::function<Place(size_t, size_t)>& place_of,
         TextBuilder* builder)
      : html_(html), place_of_(place_of), builder_(*builder) {}

  void Walk(const GumboNode* root) {
    Enter(root);
    while (!open_.empty() && !builder_.full()) {
      Open& top = open_.back();
      const GumboVector& children = top.node->v.element.children;
      if (top.next < children.length) {
        const auto* child = static_cast<const GumboNode*>(children.data[top.next++]);
        if (child->type == GUMBO_NODE_ELEMENT) {
          Enter(child);
        } else if (IsText(*child)) {
          AddText(child->v.text);
        }
      } else {
        Leave(top);
        open_.pop_back();
      }
    }
  }

  std::string title() const { return title_; }
  size_t deepest() const { return deepest_; }

 private:
  struct Open {
    const GumboNode* node;
    Kind kind;
    unsigned next = 0;        // child
    bool data_table = false;  // a table whose rows are lines
  };

  void Enter(const GumboNode* node) {
    const GumboElement& element = node->v.element;
    Open open{node, KindOf(element.tag)};
    if (element.tag == GUMBO_TAG_HEAD) FindTitle(element);
    const bool of_page =
        (element.tag == GUMBO_TAG_HEADER || element.tag == GUMBO_TAG_FOOTER) && sections_ == 0;
    if (open.kind == Kind::kLeftOut || of_page || IsHidden(element)) return;
    const bool in_rows = data_tables_ > 0;
    switch (open.kind) {
      case Kind::kBlock:
        builder_.ParagraphBreak();
        break;
      case Kind::kHeading:
        builder_.BeginHeading(1 + static_cast<int>(element.tag - GUMBO_TAG_H1));
        break;
      case Kind::kPreformatted:
        builder_.BeginBlock();
        ++preformatted_;
        break;
      case Kind::kItem:
        builder_.BeginItem();
        break;
      case Kind::kLine:
        builder_.LineBreak();
        break;
      case Kind::kTable:
        open.data_table = in_rows || IsDataTable(node);
        if (open.data_table) {
          ++data_tables_;
          builder_.BeginTable();
        } else {
          builder_.ParagraphBreak();
        }
        break;
      case Kind::kRow:
        in_rows ? builder_.BeginRow() : builder_.ParagraphBreak();
        break;
      case Kind::kCell:
        in_rows ? builder_.BeginCell() : builder_.ParagraphBreak();
        break;
      default:
        break;
    }
    if (IsSectioning(element.tag)) ++sections_;
    open_.push_back(open);
    deepest_ = std::max(deepest_, open_.size());
  }

  void Leave(const Open& open) {
    if (IsSectioning(open.node->v.element.tag)) --sections_;
    const bool in_rows = data_tables_ > 0;
    switch (open.kind) {
      case Kind::kBlock:
        builder_.ParagraphBreak();
        break;
      case Kind::kHeading:
        builder_.EndHeading();
        break;
      case Kind::kPreformatted:
        --preformatted_;
        builder_.EndBlock();
        break;
      case Kind::kItem:
        builder_.EndItem();
        break;
      case Kind::kTable:
        if (open.data_table) {
          builder_.EndTable();
          --data_tables_;
        } else {
          builder_.ParagraphBreak();
        }
        break;
      case Kind::kRow:
        in_rows ? builder_.EndRow() : builder_.ParagraphBreak();
        break;
      case Kind::kCell:
        in_rows ? builder_.EndCell() : builder_.ParagraphBreak();
        break;
      default:
        break;
    }
  }

  void FindTitle(const GumboElement& head) {
    for (unsigned i = 0; i < head.children.length && title_.empty(); ++i) {
      const auto* child = static_cast<const GumboNode*>(head.children.data[i]);
      if (child->type != GUMBO_NODE_ELEMENT || child->v.element.tag != GUMBO_TAG_TITLE) continue;
      const GumboVector& texts = child->v.element.children;
      for (unsigned j = 0; j < texts.length; ++j) {
        const auto* text = static_cast<const GumboNode*>(texts.data[j]);
        if (IsText(*text)) title_ += text->v.text.text;
      }
      title_ = OneSpaced(title_);
    }
  }

  // Whether it holds rows of data: at least two cells, and neither tables, headings, lists nor
  // code. Others lay out a page.
  static bool IsDataTable(const GumboNode* table) {
    int cells = 0;
    std::vector<const GumboNode*> pending{table};
    while (!pending.empty()) {
      const GumboNode* node = pending.back();
      pending.pop_back();
      const Kind kind = KindOf(node->v.element.tag);
      if (node != table && (kind == Kind::kTable || kind == Kind::kHeading || kind == Kind::kItem ||
                            kind == Kind::kPreformatted)) {
        return false;
      }
      cells += kind == Kind::kCell ? 1 : 0;
      const GumboVector& children = node->v.element.children;
      for (unsigned i = 0; i < children.length; ++i) {
        const auto* child = static_cast<const GumboNode*>(children.data[i]);
        if (child->type == GUMBO_NODE_ELEMENT) pending.push_back(child);
      }
    }
    return cells > 1;
  }

  // A text and the source it was read from differ where characters are written by name ("&amp;").
  // Their words are as many, or else the whole shares the whole's place.
  void AddText(const GumboText& node) {
    const std::string_view text = node.text;
    const auto begin = static_cast<size_t>(node.original_text.data - html_.data());
    const std::string_view source =
        html_.substr(std::min(begin, html_.size()), node.original_text.length);
    const bool lines = preformatted_ > 0 && data_tables_ == 0;
    const std::vector<std::string_view> words = PiecesOf(text, lines);
    const std::vector<std::string_view> originals = PiecesOf(source, lines);
    const bool paired = words.size() == originals.size();
    for (size_t i = 0; i < words.size(); ++i) {
      if (!lines && (i > 0 || IsSpace(text.front()))) builder_.Space();
      const std::string_view original = paired ? originals[i] : source;
      const auto at = static_cast<size_t>(original.data() - html_.data());
      builder_.AddWord(words[i], place_of_(at, at + original.size()));
    }
    if (!lines && !text.empty() && IsSpace(text.back())) builder_.Space();
  }

  std::string_view html_;
  const std::function<Place(size_t, size_t)>& place_of_;
  TextBuilder& builder_;
  std::vector<Open> open_;
  std::string title_;
  size_t deepest_ = 0;
  int sections_ = 0, preformatted_ = 0, data_tables_ = 0;
};

// gumbo frees a tree by recursion; deeper ones are left to the end of the process.
constexpr size_t kDeepestFreed = 10'000;

}  // namespace

std::string AddHtml(std::string_view html, const std::function<Place(size_t, size_t)>& place_of,
                    TextBuilder* builder) {
  GumboOptions options = kGumboDefaultOptions;
  options.max_errors = 0;
  GumboOutput* output = gumbo_parse_with_options(&options, html.data(), html.size());
  if (output == nullptr) return {};
  Walker walker(html, place_of, builder);
  walker.Walk(output->root);
  if (walker.deepest() < kDeepestFreed) gumbo_destroy_output(&options, output);
  return walker.title();
}

Result<FileText> ReadHtml(RepairedText text) {
  TextBuilder builder(PlaceUnit::kByte, kMostTextBytes);
  std::string title = AddHtml(
      text.text,
      [&](size_t begin, size_t end) -> Place {
        return {text.SourceOffset(static_cast<int64_t>(begin)),
                text.SourceOffset(static_cast<int64_t>(end))};
      },
      &builder);
  builder.SetTitle(std::move(title));
  return FinishReading(std::move(builder));
}

}  // namespace kvlink::retrieval
