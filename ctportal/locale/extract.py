"""Collects every text that is to be translated: from Python, templates and scripts.

Pure Python, so that it runs wherever the tests run. Sentences of the modules in `PLAIN` are collected whole, without a
mark: these run without Django or are stored in English, and `accounts.stored_words` says them again when they are read.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation.template import templatize

ROOMS = ("accounts", "cases", "inference", "learning", "monitoring", "ctportal")
LEFT_OUT = re.compile(r"/(migrations|management|demo|standalone|locale)/|/admin\.py$|/checks\.py$")
PLAIN = ("cases/intake/refusals.py", "cases/intake/series.py", "learning/comparison/gate.py")
REFUSALS = ("cases/intake", "ml/images")  # the sentences of their ImageErrors
FUNCTIONS = {
    "_": (),
    "gettext": (),
    "gettext_lazy": (),
    "gettext_noop": (),
    "pgettext": ("context",),
    "pgettext_lazy": ("context",),
    "ngettext": ("plural",),
    "ngettext_lazy": ("plural",),
}
_LITERAL = r"""u?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_IN_TEMPLATE = re.compile(rf"\b(gettext|ngettext|pgettext|npgettext|_)\(\s*({_LITERAL}(?:\s*,\s*{_LITERAL})*)")
_IN_SCRIPT = re.compile(r'\b(n?gettext)\(\s*("(?:[^"\\]|\\.)*")(?:\s*,\s*("(?:[^"\\]|\\.)*"))?')


@dataclass(frozen=True, order=True)
class Text:
    """One text of a catalogue; `plural` and `context` are empty where it has none."""

    singular: str
    plural: str = ""
    context: str = ""


@dataclass(frozen=True)
class Found:
    text: Text
    place: str


def pages_and_messages(root: Path) -> Iterator[Found]:
    """Returns the texts of the domain `django`."""
    for path in _files(root, "*.py"):
        yield from _in_python(path, path.relative_to(root).as_posix())
    for path in (root / "ctportal").rglob("*"):
        if path.suffix in (".html", ".txt") and "templates" in path.parts:
            yield from _in_template(path, path.relative_to(root).as_posix())
    for name in PLAIN:
        yield from _plain(root / name, name)
    for folder in REFUSALS:
        for path in sorted((root / folder).glob("*.py")):
            yield from _refusals(path, path.relative_to(root).as_posix())


def scripts(root: Path) -> Iterator[Found]:
    """Returns the texts of the domain `djangojs`."""
    for path in sorted((root / "ctportal" / "static" / "js").rglob("*.js")):
        for found in _IN_SCRIPT.finditer(path.read_text()):
            strings = [ast.literal_eval(part) for part in found.groups()[1:] if part]
            yield Found(Text(*strings), path.relative_to(root).as_posix())


def _files(root: Path, pattern: str) -> Iterator[Path]:
    for room in ROOMS:
        for path in sorted((root / room).rglob(pattern)):
            if not LEFT_OUT.search(path.as_posix()):
                yield path


def _in_python(path: Path, name: str) -> Iterator[Found]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            literals = [each.value for each in node.args if isinstance(each, ast.Constant)]
            strings = [text for text in literals if isinstance(text, str)]
            if called in FUNCTIONS and strings:
                yield Found(_text(called, strings), f"{name}:{node.lineno}")


def _text(called: str, strings: list[str]) -> Text:
    extra = FUNCTIONS.get(called, ())
    if "context" in extra:
        return Text(strings[1], context=strings[0])
    return Text(strings[0], strings[1]) if "plural" in extra else Text(strings[0])


def _in_template(path: Path, name: str) -> Iterator[Found]:
    for found in _IN_TEMPLATE.finditer(templatize(path.read_text(), origin=name)):
        strings = [ast.literal_eval(part) for part in re.findall(_LITERAL, found[2])]
        yield Found(_text(found[1], strings), name)


def _plain(path: Path, name: str) -> Iterator[Found]:
    """Returns all literals that read as words, but for documentation and the parts of a formatted one."""
    tree = ast.parse(path.read_text())
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inside = {id(part) for whole in formatted for part in ast.walk(whole) if part is not whole}
    inside |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        words = _template_of(node) if id(node) not in inside else ""
        if re.search(r"[a-z]{2,} [a-z(%]|%\(\w+\)s [a-zA-Z]|^[A-Z][a-z]+$|^[Aa]n? [\w-]+", words):
            yield Found(Text(words), f"{name}:{getattr(node, 'lineno', 0)}")


def _refusals(path: Path, name: str) -> Iterator[Found]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ImageError":
            for words in map(_template_of, node.args[1:]):
                if words:
                    yield Found(Text(words), f"{name}:{node.lineno}")


def _template_of(node: ast.AST) -> str:
    """The sentence of a literal; what a formatted one fills in becomes a numbered place."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return ""
    pieces, number = [], 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            pieces.append(str(part.value).replace("%", "%%"))
        else:
            number += 1
            pieces.append(f"%(v{number})s")
    return "".join(pieces)
