// XML as events (pugixml): elements by their names without prefixes, and texts. Pure. Entities of
// the file's own are not expanded, and nothing outside it is read.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kvlink/status.h"

namespace kvlink::retrieval {

struct XmlElement {
  std::string_view name;                                                  // "p" of <w:p>
  std::vector<std::pair<std::string_view, std::string_view>> attributes;  // likewise

  // Of the first attribute of that name; empty: there is none.
  std::string_view Attribute(std::string_view attribute) const;
};

class XmlVisitor {
 public:
  virtual ~XmlVisitor() = default;
  // False: what it holds is passed over; Leave is called all the same.
  virtual bool Enter(const XmlElement& element) = 0;
  virtual void Leave(std::string_view name) = 0;
  virtual void Text(std::string_view text) = 0;
};

inline constexpr int kDeepestXml = 512;

// kInvalidArgument: it is not XML, with the byte where it goes wrong, or nested deeper than
// kDeepestXml.
Status VisitXml(std::string_view bytes, XmlVisitor* visitor);

}  // namespace kvlink::retrieval
