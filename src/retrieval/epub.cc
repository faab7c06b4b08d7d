#include "retrieval/epub.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "retrieval/archive.h"
#include "retrieval/front_matter.h"
#include "retrieval/html.h"
#include "retrieval/office_text.h"
#include "retrieval/xml.h"

namespace kvlink::retrieval {
namespace {

constexpr char kContainer[] = "META-INF/container.xml";
constexpr char kEncryption[] = "META-INF/encryption.xml";

class ContainerVisitor : public XmlVisitor {
 public:
  bool Enter(const XmlElement& element) override {
    if (package.empty() && element.name == "rootfile") package = element.Attribute("full-path");
    return true;
  }
  void Leave(std::string_view) override {}
  void Text(std::string_view) override {}

  std::string package;
};

// Which pages there are, in reading order.
class PackageVisitor : public XmlVisitor {
 public:
  bool Enter(const XmlElement& element) override {
    if (element.name == "item") {
      const bool contents = element.Attribute("properties").find("nav") != std::string_view::npos;
      items_.emplace(element.Attribute("id"), contents ? "" : element.Attribute("href"));
    } else if (element.name == "itemref") {
      order_.emplace_back(element.Attribute("idref"));
    }
    return true;
  }
  void Leave(std::string_view) override {}
  void Text(std::string_view) override {}

  // Empty: no page, or the table of contents.
  std::vector<std::string> Pages() const {
    std::vector<std::string> pages;
    for (const std::string& id : order_) {
      const auto item = items_.find(id);
      pages.push_back(item == items_.end() ? std::string() : item->second);
    }
    return pages;
  }

 private:
  std::map<std::string, std::string, std::less<>> items_;
  std::vector<std::string> order_;
};

class CipherVisitor : public XmlVisitor {
 public:
  bool Enter(const XmlElement& element) override {
    if (element.name == "CipherReference") names.insert(ResolvePart("", element.Attribute("URI")));
    return true;
  }
  void Leave(std::string_view) override {}
  void Text(std::string_view) override {}

  std::set<std::string, std::less<>> names;
};

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// XHTML closes an element without content as <a/>, which HTML takes for its beginning.
std::string WithClosedElements(std::string_view page) {
  static const std::set<std::string_view> kVoid = {"area",  "base",   "br",    "col",  "embed",
                                                   "hr",    "img",    "input", "link", "meta",
                                                   "param", "source", "track", "wbr"};
  std::string out;
  out.reserve(page.size());
  for (size_t at = 0; at < page.size();) {
    const size_t tag = std::min(page.find('<', at), page.size());
    const size_t end = std::min(page.find('>', tag), page.size());
    size_t name_end = std::min(tag + 1, page.size());
    while (name_end < end && IsNameCharacter(page[name_end])) ++name_end;
    const std::string_view name =
        page.substr(std::min(tag + 1, page.size()), name_end - std::min(tag + 1, name_end));
    const bool closed = end < page.size() && page[end - 1] == '/' && !name.empty();
    if (!closed || kVoid.contains(name)) {
      const size_t after = std::min(end + 1, page.size());
      out += page.substr(at, after - at);
      at = after;
      continue;
    }
    out += page.substr(at, end - 1 - at);
    out += "></";
    out += name;
    out += '>';
    at = end + 1;
  }
  return out;
}

int HexOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
  return -1;
}

}  // namespace

std::string ResolvePart(std::string_view from, std::string_view reference) {
  reference = reference.substr(0, reference.find_first_of("#?"));
  std::string path(from.substr(0, from.rfind('/') + 1));  // npos + 1 is 0
  for (size_t i = 0; i < reference.size(); ++i) {
    const bool escape = reference[i] == '%' && i + 2 < reference.size() &&
                        HexOf(reference[i + 1]) >= 0 && HexOf(reference[i + 2]) >= 0;
    path += escape ? static_cast<char>(HexOf(reference[i + 1]) * 16 + HexOf(reference[i + 2]))
                   : reference[i];
    if (escape) i += 2;
  }
  std::vector<std::string_view> steps;
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view step = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(step.size() + 1, rest.size()));
    if (step == ".." && !steps.empty()) steps.pop_back();
    if (!step.empty() && step != "." && step != "..") steps.push_back(step);
  }
  std::string part;
  for (const std::string_view step : steps) part += (part.empty() ? "" : "/") + std::string(step);
  return part;
}

Result<FileText> ReadEpub(RepairedText bytes) {
  KVLINK_ASSIGN_OR_RETURN(
      const ArchiveParts parts, ReadArchive(bytes.text, [](std::string_view name) {
        const std::string_view ending = name.substr(std::min(name.rfind('.'), name.size()));
        return ending == ".xml" || ending == ".opf" || ending == ".xhtml" || ending == ".html" ||
               ending == ".htm";
      }));
  KVLINK_ASSIGN_OR_RETURN(const std::string_view container_part, PartOf(parts, kContainer, "EPUB"));
  ContainerVisitor container;
  KVLINK_RETURN_IF_ERROR(VisitXml(container_part, &container));
  KVLINK_ASSIGN_OR_RETURN(const std::string_view package_part,
                          PartOf(parts, container.package, "EPUB"));
  PackageVisitor package;
  KVLINK_RETURN_IF_ERROR(VisitXml(package_part, &package));
  CipherVisitor ciphers;
  if (const auto part = parts.find(std::string_view(kEncryption)); part != parts.end()) {
    KVLINK_RETURN_IF_ERROR(VisitXml(part->second, &ciphers));
  }

  TextBuilder builder(PlaceUnit::kChapter, kMostTextBytes);
  std::set<std::string> read;  // a page that is named twice is read once
  int64_t chapter = 0, missing = 0;
  for (const std::string& page : package.Pages()) {
    ++chapter;
    if (page.empty()) continue;
    const std::string name = ResolvePart(container.package, page);
    if (!read.insert(name).second) continue;
    if (ciphers.names.contains(name)) {
      return InvalidArgument("is encrypted (" + Quoted(name) +
                             "): books with copy protection are not read");
    }
    const auto part = parts.find(name);
    if (part == parts.end()) {
      ++missing;
      continue;
    }
    const std::string html = WithClosedElements(ReadText(part->second).text);
    builder.ParagraphBreak();
    (void)AddHtml(
        html,
        [&](size_t, size_t) {
          return Place{chapter, chapter + 1};
        },
        &builder);
  }
  builder.SetTitle(TitleAmong(parts, container.package));
  KVLINK_ASSIGN_OR_RETURN(FileText file, FinishReading(std::move(builder)));
  if (missing > 0) {
    file.notes.push_back("lacks " + std::to_string(missing) + " of its chapters");
  }
  return file;
}

}  // namespace kvlink::retrieval
