// Structure by cmark-gfm's tree (retrieval/markdown.h). Only lines of its positions are used, for
// columns of some nodes are of the text without its markup.
#include "retrieval/markdown.h"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "retrieval/front_matter.h"

namespace kvlink::retrieval {
namespace {

struct FreeNode {
  void operator()(cmark_node* node) const { cmark_node_free(node); }
};
using Tree = std::unique_ptr<cmark_node, FreeNode>;

Tree Parse(std::string_view text) {
  static std::once_flag registered;
  std::call_once(registered, cmark_gfm_core_extensions_ensure_registered);
  const std::unique_ptr<cmark_parser, decltype(&cmark_parser_free)> parser(
      cmark_parser_new(CMARK_OPT_DEFAULT), cmark_parser_free);
  cmark_parser_attach_syntax_extension(parser.get(), cmark_find_syntax_extension("table"));
  cmark_parser_feed(parser.get(), text.data(), text.size());
  return Tree(cmark_parser_finish(parser.get()));
}

// Lines as cmark counts them, from 1: they end at \n, \r or both. Without their ends.
std::vector<TextRange> LinesOf(std::string_view text, size_t begin) {
  std::vector<TextRange> lines(1);
  while (begin < text.size()) {
    const size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    lines.push_back({begin, end});
    begin = end + (text.substr(end, 2) == "\r\n" ? 2 : 1);
  }
  return lines;
}

bool IsType(cmark_node* node, std::string_view name) {
  return name == cmark_node_get_type_string(node);
}

// Calls `visit` with every node within `root`, in order.
template <class Visit>
void ForEach(cmark_node* root, Visit visit) {
  const std::unique_ptr<cmark_iter, decltype(&cmark_iter_free)> iter(cmark_iter_new(root),
                                                                     cmark_iter_free);
  for (cmark_event_type e = cmark_iter_next(iter.get()); e != CMARK_EVENT_DONE;
       e = cmark_iter_next(iter.get())) {
    if (e == CMARK_EVENT_ENTER) visit(cmark_iter_get_node(iter.get()));
  }
}

std::string PlainText(cmark_node* heading) {
  std::string text;
  ForEach(heading, [&](cmark_node* node) {
    switch (cmark_node_get_type(node)) {
      case CMARK_NODE_TEXT:
      case CMARK_NODE_CODE:
        if (const char* literal = cmark_node_get_literal(node)) text += literal;
        break;
      case CMARK_NODE_SOFTBREAK:
      case CMARK_NODE_LINEBREAK:
        text += ' ';
        break;
      default:
        break;
    }
  });
  return OneSpaced(text);
}

class StructureBuilder {
 public:
  StructureBuilder(std::string_view text, size_t body_begin)
      : text_(text), lines_(LinesOf(text, body_begin)) {
    structure_.body_begin = body_begin;
  }

  TextStructure Build() && {
    const Tree tree = Parse(text_.substr(structure_.body_begin));
    for (cmark_node* node = cmark_node_first_child(tree.get()); node != nullptr;
         node = cmark_node_next(node)) {
      if (cmark_node_get_type(node) == CMARK_NODE_HEADING) TakeHeading(node);
      if (cmark_node_get_type(node) == CMARK_NODE_HTML_BLOCK) TakeHtml(node);
    }
    ForEach(tree.get(), [&](cmark_node* node) {
      if (cmark_node_get_type(node) == CMARK_NODE_CODE_BLOCK) TakeCode(node);
      if (IsType(node, "table")) TakeTable(node);
    });
    return std::move(structure_);
  }

 private:
  bool IsLine(int number) const { return number >= 1 && number < std::ssize(lines_); }
  std::string_view Line(int number) const {
    const TextRange line = lines_[number];
    return text_.substr(line.begin, line.size());
  }
  std::string_view Content(int number) const {
    const TextRange line = Trimmed(text_, lines_[number]);
    return text_.substr(line.begin, line.size());
  }

  void AddHeading(int level, std::string title, TextRange range) {
    if (title.empty() || Trimmed(text_, range).empty()) return;
    structure_.headings.push_back({level, std::move(title), range});
  }

  void TakeHeading(cmark_node* node) {
    // Where an underlined heading ends, cmark does not say reliably.
    const int number = cmark_node_get_start_line(node);
    if (!IsLine(number) || Content(number).size() > kLongestHeading) return;
    TextRange range = lines_[number];
    if (!Content(number).starts_with('#')) {
      if (!IsLine(number + 1)) return;
      const std::string_view below = Content(number + 1);
      const bool underline = !below.empty() && (below[0] == '=' || below[0] == '-') &&
                             below.find_first_not_of(below[0]) == std::string_view::npos;
      if (!underline) return;
      range.end = lines_[number + 1].end;
    }
    AddHeading(cmark_node_get_heading_level(node), PlainText(node), range);
  }

  // HTML that a tag begins goes on to a blank line, headings and all, and nobody means that.
  // Comments, <pre>, <script>, <style> and <textarea> do hold what looks like a heading.
  void TakeHtml(cmark_node* node) {
    const int first = cmark_node_get_start_line(node), last = cmark_node_get_end_line(node);
    if (!IsLine(first) || !IsLine(last) || EndsByItself(Content(first))) return;
    for (int number = first + 1; number <= last; ++number) {
      const std::string_view line = Line(number);
      if (line.size() > kLongestHeading || line.find('#') == std::string_view::npos) continue;
      const Tree alone = Parse(line);
      cmark_node* heading = cmark_node_first_child(alone.get());
      if (heading == nullptr || cmark_node_get_type(heading) != CMARK_NODE_HEADING) continue;
      AddHeading(cmark_node_get_heading_level(heading), PlainText(heading), lines_[number]);
    }
  }

  // CommonMark 4.6, kinds 1 to 5.
  static bool EndsByItself(std::string_view line) {
    if (line.starts_with("<!") || line.starts_with("<?")) return true;
    for (const std::string_view tag : {"pre", "script", "style", "textarea"}) {
      const std::string_view name = line.substr(std::min<size_t>(1, line.size()), tag.size());
      const bool same = std::equal(name.begin(), name.end(), tag.begin(), tag.end(),
                                   [](char a, char b) { return (a | 0x20) == b; });
      const size_t after = tag.size() + 1;
      if (same && (after >= line.size() || line[after] == '>' || IsSpace(line[after]))) return true;
    }
    return false;
  }

  void TakeCode(cmark_node* node) {
    const int first = cmark_node_get_start_line(node), last = cmark_node_get_end_line(node);
    if (!IsLine(first) || !IsLine(last) || last < first) return;
    structure_.blocks.push_back({lines_[first].begin, lines_[last].end});
  }

  void TakeTable(cmark_node* node) {
    // The header's own line is that of the paragraph around it, if there is one.
    cmark_node* header = cmark_node_first_child(node);
    cmark_node* row = header == nullptr ? nullptr : cmark_node_next(header);
    if (row == nullptr) return;
    const int first_row = cmark_node_get_start_line(row);
    const int last_row = cmark_node_get_start_line(cmark_node_last_child(node));
    if (!IsLine(first_row - 2) || !IsLine(last_row) || last_row < first_row) return;
    structure_.tables.push_back(
        {{lines_[first_row - 2].begin, lines_[first_row - 1].end}, lines_[last_row].end});
  }

  std::string_view text_;
  std::vector<TextRange> lines_;  // [0] is none
  TextStructure structure_;
};

}  // namespace

TextStructure MarkdownStructure(std::string_view text) {
  FrontMatter front = FindFrontMatter(text);
  TextStructure structure = StructureBuilder(text, front.end).Build();
  structure.title = std::move(front.title);
  return structure;
}

Result<FileText> ReadMarkdown(RepairedText text) {
  FileText file;
  file.map = SourceMap::Of(text);
  file.text = std::move(text.text);
  file.structure = MarkdownStructure(file.text);
  return file;
}

}  // namespace kvlink::retrieval
