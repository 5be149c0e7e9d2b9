#!/usr/bin/env python3
"""Writes the tables of configuration.md from the schema of experiments, or says whether they are up to date.

    gedanken schema | python3 docs/configuration.py           writes them
    gedanken schema | python3 docs/configuration.py --check   exits with 1 where they differ
"""

import json
import re
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("configuration.md")
MARK = "<!-- Everything below is written by docs/configuration.py from `gedanken schema`. -->\n"
schema = json.load(sys.stdin)


def resolve(node):
    """The node with its $ref followed, and null no alternative to a table; what stands beside them goes first."""
    while "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = {**schema["$defs"][node["$ref"].rsplit("/", 1)[1]], **beside}
    offers = [each for each in node.get("anyOf", []) if each.get("type") != "null"]
    if len(offers) == 1 and "properties" in (only := resolve(offers[0])):
        node = {**only, **{key: value for key, value in node.items() if key != "anyOf"}}
    return node


def alternatives(node):
    """What a oneOf or anyOf offers, without the null of an optional value."""
    found = [resolve(each) for each in node.get("oneOf", []) + node.get("anyOf", [])]
    return [each for each in found if each.get("type") != "null"]


def is_schedule(node):
    """Whether a number may change in the course of a training there; its table stands once, at the end."""
    return node.get("$ref", "").endswith("Schedule")


def number(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def values(node):
    """The values of a key, in words."""
    if is_schedule(node):
        return "number, at least 0, or [schedule](#schedules)"
    node = resolve(node)
    choices = [str(each["const"]) for each in alternatives(node) if "const" in each] + node.get("enum", [])
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices if choice is not None)
    kinds = list(dict.fromkeys(values(each) for each in alternatives(node)))
    if kinds:
        return " or ".join(kinds)
    kind = node.get("type", "")
    kind = next(each for each in kind if each != "null") if isinstance(kind, list) else kind
    if kind in ("integer", "number"):
        low, high = node.get("minimum"), node.get("maximum")
        word = "whole number" if kind == "integer" else "number"
        if low is not None and high is not None:
            return f"{word}, {number(low)} to {number(high)}"
        return word if low is None else f"{word}, at least {number(low)}"
    return {"string": "text", "boolean": "`true`, `false`", "array": "list", "object": "table"}.get(kind, kind)


def default(value):
    if value in (None, {}):
        return ""
    if isinstance(value, float):
        return f"`{number(value)}`"
    return f"`{json.dumps(value)}`"


def about(node, shown=False):
    """The description in one line; without its last sentence where that says the default, which is shown elsewhere."""
    text = " ".join(node.get("description", resolve(node).get("description", "")).split())
    text = re.sub(r" Default [^()]*\.$", "", text) if shown else text
    return text.replace("|", "\\|")


def rows(properties, defaults):
    """A table of the keys that are neither tables with keys of their own nor tags."""
    lines = []
    for key, node in properties.items():
        if resolve(node).get("properties") or "const" in resolve(node):
            continue
        at = defaults.get(key, node.get("default"))
        if is_schedule(node) and (found := re.search(r" Default ([\d.]+)\.$", node.get("description", ""))):
            at = float(found[1])
        lines.append(f"| `{key}` | {values(node)} | {default(at)} | {about(node, bool(default(at)))} |\n")
    return "| key | values | default | |\n|---|---|---|---|\n" + "".join(lines) if lines else ""


def table(path, node):
    """The section of a table, and of the tables in it."""
    own, node = node, resolve(node)
    defaults = node.get("default") or {}
    text = f"\n### `[{path}]`\n\n{about(own)}\n"
    inside = dict(node.get("properties", {}))
    kinds = [each for each in alternatives(node) if "properties" in each]
    # Keys that mean the same whatever the kind stand once.
    shared = {
        key: value
        for key, value in (kinds[0]["properties"].items() if len(kinds) > 1 else ())
        if all(each["properties"].get(key) == value for each in kinds)
    }
    text += "\n" + rows(shared, defaults) if rows(shared, defaults) else ""
    for each in kinds:
        tag, word = next((key, value["const"]) for key, value in each["properties"].items() if "const" in value)
        mine = defaults if defaults.get(tag) == word else {}
        chosen = " This is the default." if mine else ""
        # What a kind is may stand at the table or at its tag.
        described = each if "description" in each else each["properties"][tag]
        text += f"\n**`{tag} = \"{word}\"`** {about(described)}{chosen}\n"
        inner = rows({key: value for key, value in each["properties"].items() if key not in shared}, mine)
        text += "\n" + inner if inner else ""
        inside.update(each["properties"])
    if not kinds:
        inner = rows(node.get("properties", {}), defaults)
        text += "\n" + inner if inner else ""
    for key, child in inside.items():
        if is_schedule(child):
            continue
        if resolve(child).get("properties"):
            text += table(f"{path.strip('[]')}.{key}", {**child, "default": defaults.get(key)})
        elif either := beside_values(resolve(child)):
            text += table(f"{path}.{key}", {**either[0], "description": about(child)})
        elif is_table(resolve(child).get("items", {})):
            text += table(f"[{path}.{key}]", resolve(child)["items"])
    return text


def beside_values(node):
    """The tables that may stand where a plain value may stand too."""
    offers = alternatives(node)
    tables = [each for each in offers if "properties" in each]
    return tables if len(tables) < len(offers) else []


def is_table(node):
    node = resolve(node)
    return "properties" in node or any("properties" in each for each in alternatives(node))


# The order of `gedanken config`, as far as this page knows it; what it does not know follows.
ORDER = (
    "name seed runs device precision pixels actions from env data encoder proprioception predictor prediction target loss train planner "
    "eval collect phase sweep"
).split()
top = schema["properties"]
keys = sorted(top, key=lambda key: ORDER.index(key) if key in ORDER else len(ORDER))
text = "\n## Reference\n\nAt the top of the file:\n\n"
text += rows({key: top[key] for key in keys if not is_table(top[key])}, {})
for key in keys:
    if is_table(top[key]):
        text += table(key, top[key])
ramp = next(each for each in alternatives(schema["$defs"]["Schedule"]) if "properties" in each)
text += "\n### Schedules\n\nA number that changes with the updates: `{ from = 1.0, to = 0.1, steps = 2000 }`.\n\n" + rows(ramp["properties"], {})

old = PAGE.read_text(encoding="utf-8")
head = old.split(MARK)[0]
new = head + MARK + text
if "--check" not in sys.argv:
    PAGE.write_text(new, encoding="utf-8")
elif new != old:
    sys.exit("docs/configuration.md is not what `gedanken schema` says; run: gedanken schema | python3 docs/configuration.py")
