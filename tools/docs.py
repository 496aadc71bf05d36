"""The documentation as pages: README and docs/**/*.md into build/docs, with one style; a broken link fails.

``make docs`` runs it. The pages need nothing from outside: no script, no font, no other host.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import sys
from pathlib import Path

from markdown_it import MarkdownIt

from tools.outside import ROOT

OUT = ROOT / "build" / "docs"
STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fdfcfa; --line: #d8d5ce; --accent: #0b5d5b }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e6e1; --paper: #16181a; --line: #3a3d40; --accent: #6cc5c1 }
}
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 }
nav, main { max-width: 46rem; margin: 0 auto; padding: 1rem 1rem 0 }
main { padding-bottom: 4rem }
nav { font-size: 14px; border-bottom: 1px solid var(--line); padding-bottom: .5rem }
nav a { margin-right: .8rem }
a { color: var(--accent) }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .75rem; font-size: 14px }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 14px }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; text-align: left }
td { vertical-align: top }
img { max-width: 100% }
"""
LINK = re.compile(r'(href|src)="([^":#]+)(#[^"]*)?"')
# Of the root's pages: README is the entrance, the others are linked from it.
ROOT_PAGES = ("README.md", "SECURITY.md", "CHANGELOG.md")


def main() -> int:
    pages = [ROOT / name for name in ROOT_PAGES] + sorted((ROOT / "docs").rglob("*.md"))
    shutil.rmtree(OUT, ignore_errors=True)
    markdown = MarkdownIt("commonmark").enable("table")
    broken: list[str] = []
    for page in pages:
        target = OUT / address(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = markdown.render(page.read_text())
        body = LINK.sub(lambda link, page=page: moved(link, page, pages, broken), text)
        target.write_text(framed(title(page), body, navigation(target)))
    if broken:
        print("\n".join(broken), file=sys.stderr)
        return 1
    print(f"{len(pages)} pages in {OUT.relative_to(ROOT)}/index.html")
    return 0


def address(page: Path) -> Path:
    """Where a page of the project lies among the built ones."""
    inside = page.relative_to(ROOT / "docs") if page.is_relative_to(ROOT / "docs") else page.relative_to(ROOT)
    return Path("index.html") if inside.name == "README.md" else inside.with_suffix(".html")


def moved(link: re.Match[str], page: Path, pages: list[Path], broken: list[str]) -> str:
    """The link as it must be written in the built page; files that are no pages are copied beside it."""
    name, goal = link[1], (page.parent / link[2]).resolve()
    here = (OUT / address(page)).parent
    if goal in pages:
        return f'{name}="{os.path.relpath(OUT / address(goal), here)}{link[3] or ""}"'
    if goal.is_file():
        copy = OUT / "files" / goal.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(goal, copy)
        return f'{name}="{os.path.relpath(copy, here)}"'
    if not goal.is_dir():
        broken.append(f"{page.relative_to(ROOT)}: a link leads nowhere: {link[2]}")
    return link[0]


def title(page: Path) -> str:
    heading = re.search(r"^# (.+)$", page.read_text(), re.MULTILINE)
    return heading[1] if heading else page.stem


def navigation(target: Path) -> str:
    names = [("Confide", OUT / "index.html")] + [
        (title(page), OUT / address(page)) for page in sorted((ROOT / "docs").glob("*.md"))
    ]
    return "".join(
        f'<a href="{os.path.relpath(goal, target.parent)}">{html.escape(name)}</a>' for name, goal in names
    )


def framed(name: str, body: str, links: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(name)}</title><style>{STYLE}</style><nav>{links}</nav><main>{body}</main></html>\n"
    )


if __name__ == "__main__":
    sys.exit(main())
