#include "retrieval/xml.h"

#include <pugixml.hpp>

#include "retrieval/repaired_text.h"

namespace kvlink::retrieval {
namespace {

std::string_view WithoutPrefix(std::string_view name) {
  return name.substr(name.find(':') + 1);  // npos + 1 is 0
}

XmlElement ElementOf(const pugi::xml_node& node) {
  XmlElement element;
  element.name = WithoutPrefix(node.name());
  for (const pugi::xml_attribute& attribute : node.attributes()) {
    element.attributes.emplace_back(WithoutPrefix(attribute.name()), attribute.value());
  }
  return element;
}

bool IsText(const pugi::xml_node& node) {
  return node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata;
}

}  // namespace

std::string_view XmlElement::Attribute(std::string_view attribute) const {
  for (const auto& [key, value] : attributes) {
    if (key == attribute) return value;
  }
  return {};
}

Status VisitXml(std::string_view bytes, XmlVisitor* visitor) {
  // pugixml reads UTF-16 and UTF-32 by itself, but takes any bytes for UTF-8.
  std::string repaired;
  const bool wide = bytes.find('\0') != std::string_view::npos;
  if (!wide) repaired = RepairUtf8(bytes).text;
  const std::string_view text = wide ? bytes : std::string_view(repaired);
  pugi::xml_document document;
  const pugi::xml_parse_result result =
      document.load_buffer(text.data(), text.size(), pugi::parse_default | pugi::parse_ws_pcdata,
                           wide ? pugi::encoding_auto : pugi::encoding_utf8);
  if (!result) {
    return InvalidArgument(std::string("is not XML at byte ") + std::to_string(result.offset) +
                           ": " + result.description());
  }
  int depth = 0;
  pugi::xml_node node = document.first_child();
  while (node) {
    bool inside = false;
    if (node.type() == pugi::node_element) {
      inside = visitor->Enter(ElementOf(node)) && node.first_child();
      if (!inside) visitor->Leave(WithoutPrefix(node.name()));
    } else if (IsText(node)) {
      visitor->Text(node.value());
    }
    if (inside) {
      if (++depth > kDeepestXml) {
        return InvalidArgument("is XML with elements within each other, deeper than " +
                               std::to_string(kDeepestXml));
      }
      node = node.first_child();
      continue;
    }
    while (node && !node.next_sibling()) {
      node = node.parent();
      if (node.type() == pugi::node_element) {
        visitor->Leave(WithoutPrefix(node.name()));
        --depth;
      }
      if (node.type() == pugi::node_document) return {};
    }
    if (node) node = node.next_sibling();
  }
  return {};
}

}  // namespace kvlink::retrieval
