"""A walk over all addresses of the server, and over all pages that a person reaches from where they begin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve


@dataclass(frozen=True)
class Address:
    """One entry of the URL configuration, with something in the place of each of its parts."""

    pattern: str
    path: str
    name: str
    view: Any

    @property
    def exempt(self) -> bool:
        """Whether Django asks for no form's token."""
        return bool(getattr(self.view, "csrf_exempt", False))


def addresses(parts: dict[str, str]) -> Iterator[Address]:
    """Every address that there is.

    Args:
        parts: What stands for a part of an address, by its name.
    """
    yield from _below(get_resolver(), "", parts)


def _below(resolver: Any, prefix: str, parts: dict[str, str]) -> Iterator[Address]:
    for each in resolver.url_patterns:
        written = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _below(each, written, parts)
        elif isinstance(each, URLPattern):
            path = re.sub(r"<(?:\w+:)?(\w+)>", lambda part: parts[part[1]], written)
            yield Address(
                written, "/" + path.replace("^", "").replace("$", ""), each.name or "", each.callback
            )


class Reading(HTMLParser):
    """What stands in a page: its links and forms, and all that a policy against inline code forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.posts: list[str] = []
        self.tokens = 0
        self.inline: list[str] = []
        self.loaded: list[str] = []
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.inline += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        self.inline += [
            f"{tag} {v[:20]}" for v in given.values() if v.strip().lower().startswith("javascript:")
        ]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        if tag in {"script", "img", "iframe", "object", "embed"} and "src" in given:
            self.loaded.append(given["src"])
        if tag == "link":
            self.loaded.append(given.get("href", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "form":
            method = given.get("method", "get").lower()
            (self.posts if method == "post" else self.links).append(given.get("action", ""))
        self.tokens += tag == "input" and given.get("name") == "csrfmiddlewaretoken"


def crawl(http: Any, begin: str = "/", most: int = 2) -> Iterator[tuple[str, Any]]:
    """Visit what is linked from *begin*, and from there, but no more than *most* pages of one kind.

    Yields:
        Each path and its answer, redirects too.
    """
    waiting, seen, kinds = [begin], set(), Counter[str]()
    while waiting:
        path = waiting.pop(0)
        kind = _kind(path)
        if path in seen or kinds[kind] == most:
            continue
        seen.add(path)
        kinds[kind] += 1
        answer = http.get(path)
        yield path, answer
        found = [answer["Location"]] if "Location" in answer else []
        if answer.get("Content-Type", "").startswith("text/html"):
            found += Reading(answer.content.decode()).links
        for link in found:
            whole = urlsplit(urljoin(path, link))
            if not whole.netloc and whole.path.startswith("/") and not whole.path.startswith("/static/"):
                waiting.append(whole.path + (f"?{whole.query}" if whole.query else ""))


def _kind(path: str) -> str:
    try:
        return resolve(path.partition("?")[0]).route
    except Resolver404:
        return path
