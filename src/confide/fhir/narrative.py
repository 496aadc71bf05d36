"""The XHTML of a narrative: the safe subset that FHIR allows.

Source:
    FHIR R4 section 2.4.0 (narrative), invariant txt-1: the elements of HTML 4.0 chapters
    7 to 11 and 15, links, images and style attributes; no scripts, forms, frames or event
    handlers. An empty div (txt-2) is let pass: published examples have it, and it harms nobody.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from confide.fhir.primitives import has_control


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTS = _words(
    "a abbr acronym address area b bdo big blockquote br caption center cite code col colgroup dd del dfn "
    "div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q s samp small span strike "
    "strong sub sup table tbody td tfoot th thead tr tt u ul var"
)
_ATTRIBUTES = _words(
    "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char "
    "charoff charset cite class clear colspan color compact coords datetime dir face frame headers height "
    "href hreflang hspace id lang longdesc name noshade nohref nowrap rel rev rowspan rules scope shape "
    "size span src start style summary tabindex target title type usemap valign value vspace width "
    "xml:lang xml:space xmlns"
)
_TAG = re.compile(
    r"<(?:(?P<close>/)(?P<closed>[A-Za-z][\w:.-]*)\s*"
    r"|(?P<open>[A-Za-z][\w:.-]*)(?P<attributes>(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*(?P<empty>/?))>"
)
_ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]*|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});")
_ADDRESSES = frozenset(("href", "src", "cite", "longdesc", "usemap"))
# White space and control characters inside a scheme are ignored by browsers, and so removed here.
_NOISE = re.compile(r"[\x00-\x20\x7f-\xa0]+")
_ACTIVE_STYLE = ("javascript:", "expression(", "@import", "behavior:", "-moz-binding", "\\")
_SCHEME = re.compile(r"([^/?#:]*):")
_IMAGE = re.compile(r"data:image/(png|gif|jpeg|webp);")
_SCHEMES = frozenset(("http", "https", "mailto", "tel", "ftp", "urn", "cid"))


def check_narrative(value: Any) -> str | None:
    """Return None for a narrative's ``div`` that is safe to show, else what is wrong with it."""
    if type(value) is not str:
        return "must be a string"
    if has_control(value):
        return "must not have control characters"
    start = len(value) - len(value.lstrip())
    if not value.startswith("<div", start):
        return "must be one XHTML div"
    return _scan(value, start)


def _scan(text: str, place: int) -> str | None:  # noqa: C901 - one state machine
    """Walk the tags; return what is wrong."""
    stack: list[str] = []
    match_tag = _TAG.match
    while True:
        if text.startswith("<!--", place):
            end = text.find("-->", place + 4)
            if end < 0:
                return "must be well-formed XHTML"
            place = end + 3
        else:
            tag = match_tag(text, place)
            if tag is None:
                return "must be well-formed XHTML without declarations or processing instructions"
            wrong = _enter(tag, stack)
            if wrong is not None:
                return wrong
            place = tag.end()
        if not stack:
            if text[place:].strip():
                return "must be one XHTML div and nothing after it"
            return None
        ahead = text.find("<", place)
        if ahead < 0:
            return "must be well-formed XHTML: an element is not closed"
        if ahead > place:
            between = text[place:ahead]
            if "&" in between and not _entities(between):
                return "must be well-formed XHTML: '&' must begin an entity"
            place = ahead


def _enter(tag: re.Match[str], stack: list[str]) -> str | None:
    if tag["close"]:
        if not stack or stack.pop() != tag["closed"]:
            return "must be well-formed XHTML: an element is closed that is not open"
        return None
    name = tag["open"]
    if name not in _ELEMENTS or (not stack and name != "div"):
        return "must use only the elements that FHIR allows in a narrative"
    attributes = tag["attributes"]
    if attributes:
        wrong = _attributes(attributes)
        if wrong is not None:
            return wrong
    if not tag["empty"]:
        stack.append(name)
    return None


def _attributes(text: str) -> str | None:
    seen: set[str] = set()
    for match in _ATTRIBUTE.finditer(text):
        name = match[1]
        value = match[2] if match[2] is not None else match[3]
        if name in seen or (name not in _ATTRIBUTES and not name.startswith("xmlns:")):
            return "must use only the attributes that FHIR allows in a narrative"
        seen.add(name)
        if "&" in value and not _entities(value):
            return "must be well-formed XHTML: '&' must begin an entity"
        if name == "style" and any(part in _NOISE.sub("", unescape(value)).lower() for part in _ACTIVE_STYLE):
            return "must not have active styles"
        if name in _ADDRESSES and not _safe(value):
            return "must not link to anything but a page, a mail address, a part or an image"
    return None


def _entities(text: str) -> bool:
    return "&" not in _ENTITY.sub("", text)


def _safe(address: str) -> bool:
    # Read as a browser does: entities opened, white space dropped, then the scheme.
    plain = _NOISE.sub("", unescape(address)).lower()
    scheme = _SCHEME.match(plain)
    return scheme is None or scheme[1] in _SCHEMES or _IMAGE.match(plain) is not None
