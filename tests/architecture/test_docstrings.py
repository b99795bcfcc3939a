"""Every docstring can be read alone: its first sentence has a verb, and none uses the words of a private vocabulary."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("accounts", "cases", "inference", "learning", "monitoring", "ctportal", "ml", "tests")
# Words that puzzle a reader who is new here: write what happens instead.
BANNED = re.compile(
    r"\b(told|stands?(?![ -](?:for|ins?)\b)|stood|, of which|lies|for good|by itself|in the way|on the way|for who)\b",
    re.I,
)
HELPERS = "is are was were be been has have had do does did can cannot could may might must will would should shall"
# Verbs with which a sentence may begin. One that is missing is added here.
IMPERATIVES = """
    add apply ask augment break bring build calibrate change check choose clear compare compute convert copy count cut
    de-identify decide decode delete describe divide do draw drop empty end enlarge enter extract fail fill find finish
    fit fold follow get give go grow hide hold import join judge keep lay leave let list load log look make map mark
    measure merge mirror move name open pass pick pool prepare print put quantise queue raise read record reduce
    register remember remove repeat replace rescale return run say scale see send serve set share show shrink sort
    split start stop store sum take test train tune turn unpack use wait wake walk watch write yield
"""
# Verbs of the third person that a sentence here has had.
VERBS = """
    accepts acknowledges acts adds agrees allows announces answers applies asks augments automates balances bears
    becomes begins belongs blurs brings builds calibrates calls cares carries changes checks chooses claims clears
    closes collects colours compares compiles complains compresses computes concerns connects contains continues
    contradicts converts copies costs counts covers crosses cuts decides decodes defines deletes depends describes
    differs discards dismisses distinguishes divides does doubles drags drains draws drives drops edits ends
    enlarges ensures enters exceeds excludes exists expects expires explains exports extends fails falls fetches
    fills filters finds finishes fits fixes flags folds follows forbids forgets formats freezes gathers gets gives
    goes grows guards handles happens has hashes hears helps hides holds identifies imports includes informs invents
    joins judges keeps kills knows lacks lasts leads learns leaves lends lets lights limits links listens lists
    lives loads locks logs looks loses lowers mails makes manages maps marks matches matters means measures meets
    merges mirrors misses mixes moves names needs normalises notes notices notifies numbers obeys offers opens
    orders outlives outranks owns pages paints parses passes picks places plays polls prepares presses prevents
    prints processes promotes proves provides publishes puts quantises queues raises ranks reaches reads rebuilds
    recognises records recovers refers refuses registers rejects releases reloads remembers removes renders renews
    repeats replaces replies reports requires rescales resembles resets respects restarts restores returns reviews
    revokes rolls rounds routes runs says scans scatters searches sees selects sends separates serves sets settles
    shares shifts ships shows shuts signs sits skips solves sorts spares speaks spends splits spreads starts stays
    steps stops stores suggests suits sums surrounds survives sweeps takes talks tells tests ticks ties touches
    traces trains translates travels tries trusts tunes turns types unlocks unpacks updates uploads uses validates
    varies verifies visits waits wakes walks wants warns watches weighs widens wins withdraws works wraps writes
    yields
"""
KNOWN = frozenset(f"{HELPERS} {VERBS}".split())
FIRST = frozenset(IMPERATIVES.split())


def modules() -> list[Path]:
    return [
        path
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if "migrations" not in path.parts and "__pycache__" not in path.parts
    ]


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yields each docstring of a module with the place where it is written."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'name', '')}", text


def comments(path: Path) -> Iterator[tuple[str, str]]:
    with tokenize.open(path) as source:
        for token in tokenize.generate_tokens(source.readline):
            if token.type == tokenize.COMMENT:
                yield f"{path.relative_to(ROOT)}:{token.start[0]}", token.string


def has_verb(text: str) -> bool:
    sentence = re.split(r"[.!?](?=\s|$)|\n\n", text)[0]
    words = re.findall(r"[a-z'-]+", re.sub(r"`[^`]*`", "", sentence).lower())
    return bool(words) and (words[0] in FIRST or not KNOWN.isdisjoint(words))


@pytest.mark.parametrize("room", ROOMS)
def test_the_first_sentence_of_every_docstring_has_a_verb(room: str) -> None:
    found = [
        f"{place} {text.splitlines()[0]}"
        for path in modules()
        if path.relative_to(ROOT).parts[0] == room
        for place, text in docstrings(path)
        if not has_verb(text)
    ]
    assert found == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_docstring_or_comment_uses_a_banned_word(room: str) -> None:
    found = [
        f"{place} “{word.group()}”: {text}"
        for path in modules()
        if path.relative_to(ROOT).parts[0] == room and path != Path(__file__)
        for place, text in [*docstrings(path), *comments(path)]
        if (word := BANNED.search(text))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["The queue of waiting cases.", "Of the readers.", "A scan, and its slices"])
def test_a_fragment_is_noticed(text: str) -> None:
    assert not has_verb(text)
