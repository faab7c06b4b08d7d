// Files of other formats, made by the tests that read them: ZIP files, a DOCX, an ODT, an EPUB, a
// PDF. Small, and no more of each format than the readers look at.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvlink::testing {

using Parts = std::vector<std::pair<std::string, std::string>>;

// A ZIP file of these parts, deflated unless `stored`. Empty: libarchive could not.
inline std::string MakeZip(const Parts& parts, bool stored = false) {
  size_t most = 1 << 16;
  for (const auto& [name, bytes] : parts) most += bytes.size() + bytes.size() / 8 + 1024;
  std::string zip(most, '\0');
  size_t used = 0;
  struct archive* out = archive_write_new();
  archive_write_set_format_zip(out);
  archive_write_set_options(out, stored ? "zip:compression=store" : "zip:compression=deflate");
  archive_write_set_bytes_in_last_block(out, 1);
  bool good = archive_write_open_memory(out, zip.data(), zip.size(), &used) == ARCHIVE_OK;
  for (const auto& [name, bytes] : parts) {
    struct archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname_utf8(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    good &= archive_write_header(out, entry) == ARCHIVE_OK;
    good &= archive_write_data(out, bytes.data(), bytes.size()) ==
            static_cast<la_ssize_t>(bytes.size());
    archive_entry_free(entry);
  }
  good &= archive_write_close(out) == ARCHIVE_OK;
  archive_write_free(out);
  return good ? zip.substr(0, used) : std::string();
}

inline std::string CoreProperties(std::string_view title) {
  return "<cp:coreProperties xmlns:dc='x'><dc:title>" + std::string(title) +
         "</dc:title></cp:coreProperties>";
}

// body: what stands in <w:body>.
inline Parts DocxParts(std::string_view body, std::string_view title = "") {
  return {{"[Content_Types].xml", "<Types/>"},
          {"word/styles.xml",
           "<w:styles xmlns:w='x'>"
           "<w:style w:styleId='berschrift1'><w:name w:val='heading 1'/></w:style>"
           "<w:style w:styleId='Mine'><w:basedOn w:val='berschrift1'/></w:style>"
           "<w:style w:styleId='H2'><w:pPr><w:outlineLvl w:val='1'/></w:pPr></w:style>"
           "<w:style w:styleId='T'><w:name w:val='Title'/></w:style></w:styles>"},
          {"docProps/core.xml", CoreProperties(title)},
          {"word/document.xml", "<?xml version='1.0'?><w:document xmlns:w='x'><w:body>" +
                                    std::string(body) + "</w:body></w:document>"}};
}
inline std::string DocxParagraph(std::string_view text, std::string_view style = "") {
  return "<w:p><w:pPr>" + (style.empty() ? "" : "<w:pStyle w:val='" + std::string(style) + "'/>") +
         "</w:pPr><w:r><w:t>" + std::string(text) + "</w:t></w:r></w:p>";
}

// text: what stands in <office:text>.
inline Parts OdtParts(std::string_view text, std::string_view title = "") {
  return {{"mimetype", "application/vnd.oasis.opendocument.text"},
          {"META-INF/manifest.xml", "<manifest/>"},
          {"meta.xml", CoreProperties(title)},
          {"content.xml", "<office:document-content xmlns:text='x'><office:body><office:text>" +
                              std::string(text) +
                              "</office:text></office:body></office:document-content>"}};
}

// pages: the bodies of XHTML pages, in reading order.
inline Parts EpubParts(const std::vector<std::string>& pages, std::string_view title = "") {
  Parts parts = {{"mimetype", "application/epub+zip"},
                 {"META-INF/container.xml",
                  "<container><rootfiles><rootfile full-path='OPS/book.opf'/></rootfiles>"
                  "</container>"}};
  std::string items = "<item id='nav' href='nav.xhtml' properties='nav'/>";
  std::string order = "<itemref idref='nav'/>";
  parts.emplace_back("OPS/nav.xhtml", "<html><body><p>Contents</p></body></html>");
  for (size_t i = 0; i < pages.size(); ++i) {
    const std::string number = std::to_string(i);
    parts.emplace_back(
        "OPS/text/page " + number + ".xhtml",
        "<?xml version='1.0'?><html><head><title/></head><body>" + pages[i] + "</body></html>");
    items += "<item id='p" + number + "' href='text/page%20" + number + ".xhtml'/>";
    order += "<itemref idref='p" + number + "'/>";
  }
  parts.emplace_back("OPS/book.opf", "<package xmlns:dc='x'><metadata><dc:title>" +
                                         std::string(title) + "</dc:title></metadata><manifest>" +
                                         items + "</manifest><spine>" + order +
                                         "</spine></package>");
  return parts;
}

// A PDF of one page a text, whose lines stand below each other. No brackets in the texts.
inline std::string MakePdf(const std::vector<std::string>& pages, std::string_view title = "") {
  std::vector<std::string> objects(3);
  std::string kids;
  for (size_t i = 0; i < pages.size(); ++i) {
    std::string content = "BT /F1 12 Tf 72 720 Td 14 TL\n";
    for (size_t at = 0; at < pages[i].size();) {
      const size_t end = std::min(pages[i].find('\n', at), pages[i].size());
      content += "(" + pages[i].substr(at, end - at) + ") Tj T*\n";
      at = end + 1;
    }
    content += "ET\n";
    const std::string number = std::to_string(5 + 2 * i);
    kids += std::to_string(4 + 2 * i) + " 0 R ";
    objects.push_back("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents " + number +
                      " 0 R/Resources<</Font<</F1 3 0 R>>>>>>");
    objects.push_back("<</Length " + std::to_string(content.size()) + ">>\nstream\n" + content +
                      "endstream");
  }
  objects[0] = "<</Type/Catalog/Pages 2 0 R>>";
  objects[1] = "<</Type/Pages/Count " + std::to_string(pages.size()) + "/Kids[" + kids + "]>>";
  objects[2] = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>";
  objects.push_back("<</Title(" + std::string(title) + ")>>");
  std::string pdf = "%PDF-1.4\n";
  std::string table;
  for (size_t i = 0; i < objects.size(); ++i) {
    const std::string at = std::to_string(pdf.size());
    table += std::string(10 - at.size(), '0') + at + " 00000 n \n";
    pdf += std::to_string(i + 1) + " 0 obj\n" + objects[i] + "\nendobj\n";
  }
  const std::string start = std::to_string(pdf.size());
  const std::string size = std::to_string(objects.size() + 1);
  return pdf + "xref\n0 " + size + "\n0000000000 65535 f \n" + table + "trailer\n<</Size " + size +
         "/Root 1 0 R/Info " + std::to_string(objects.size()) + " 0 R>>\nstartxref\n" + start +
         "\n%%EOF\n";
}

}  // namespace kvlink::testing
