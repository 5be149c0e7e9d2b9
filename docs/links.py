#!/usr/bin/env python3
"""Names every link of README.md and of the book's pages whose file or heading is not there, every included file that is not there,
and every page that SUMMARY.md does not list.

    python3 docs/links.py
"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
pages = [page for page in sorted(DOCS.rglob("*.md")) if DOCS / "book" not in page.parents]


def anchors(page):
    """The anchors that mdBook and GitHub give to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


wrong = []
for page in [DOCS.parent / "README.md", *pages]:
    for file in re.findall(r"\{\{#include ([^}]+)\}\}", page.read_text(encoding="utf-8")):
        if not (page.parent / file).exists():
            wrong.append(f"{page.relative_to(DOCS.parent)}: no {file} to include")
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text(encoding="utf-8"))):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if ":" in link:
            continue
        if not target.exists():
            wrong.append(f"{page.relative_to(DOCS.parent)}: no {link}")
        elif anchor and anchor not in anchors(target):
            wrong.append(f"{page.relative_to(DOCS.parent)}: no heading for {link}")
summary = (DOCS / "SUMMARY.md").read_text(encoding="utf-8")
wrong += [f"SUMMARY.md: no {at}" for page in pages if (at := str(page.relative_to(DOCS))) != "SUMMARY.md" and f"({at})" not in summary]
sys.exit("\n".join(wrong) or 0)
