"""Draws the picture of the floors in docs/architecture.md from the imports: `python -m docs.floors` writes it anew.

An arrow leads from a room to one whose modules it imports. Arrows that follow from others are left out.
"""

from collections import defaultdict
from pathlib import Path

import grimp

DOCUMENT = Path(__file__).with_name("architecture.md")
ROOTS = ("ctportal", "monitoring", "learning", "inference", "cases", "accounts", "ml")
# Rooms inside these packages; what is beside them there is drawn as the package itself.
INNER = {
    "ctportal": ("pages", "api", "demo", "standalone"),
    "ml": ("training", "evaluation", "model", "images"),
}
# The settings, addresses and processes of the project know every room, so their arrows would say nothing.
LEFT_OUT = {"ctportal", "ml"}
BEGIN, END = "<!-- floors: drawn by docs/floors.py -->\n", "<!-- end of floors -->\n"


def room_of(module: str) -> str:
    package, _, rest = module.partition(".")
    inner = rest.partition(".")[0]
    return f"{package}.{inner}" if inner in INNER.get(package, ()) else package


def imports() -> dict[str, set[str]]:
    """Returns the rooms that each room imports."""
    graph = grimp.build_graph(*ROOTS, cache_dir=None)
    found: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            if room_of(module) != room_of(imported) and LEFT_OUT.isdisjoint({room_of(module), room_of(imported)}):
                found[room_of(module)].add(room_of(imported))
    return found


def below(room: str, arrows: dict[str, set[str]]) -> set[str]:
    """Returns every room that can be reached from this one."""
    reached: set[str] = set()
    waiting = list(arrows.get(room, ()))
    while waiting:
        other = waiting.pop()
        if other not in reached:
            reached.add(other)
            waiting += arrows.get(other, ())
    return reached


def needed(arrows: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Returns the arrows that do not follow from others."""
    return sorted(
        (room, other)
        for room, others in arrows.items()
        for other in others
        if not any(other in below(third, arrows) for third in others - {other})
    )


def node(room: str) -> str:
    """Names a room as Mermaid can."""
    return room.replace(".", "_")


def picture() -> str:
    """Writes the floors as a Mermaid drawing."""
    lines = ["```mermaid", "flowchart TB"]
    for package, rooms in INNER.items():
        lines.append(f"    subgraph {package}")
        lines += [f"        {node(f'{package}.{room}')}[{room}]" for room in rooms]
        lines.append("    end")
    lines += [f"    {node(room)} --> {node(other)}" for room, other in needed(imports())]
    return "\n".join([*lines, "```", ""])


def main() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}{picture()}{END}{after}")


if __name__ == "__main__":
    main()
