"""The settings of a training run in words."""

from typing import Any

SETTING_WORDS = {
    "seed": ("Seed of chance", "The same number gives the same model again."),
    "replay": (
        "Learn from base sets too",
        "So that it does not forget what it knew. Without, it learns from your own cases alone.",
    ),
    "epochs": (
        "Passes at most",
        "How often it sees all training images; it stops by itself when it no longer gets better.",
    ),
    "rate": ("Learning rate", "How big its steps are: too big and it forgets, too small and it takes long."),
    "batch": ("Images in a step", "Fewer need less memory."),
    "architecture": ("Network", "ResNet-18 is small and quick, ResNet-50 larger and slower."),
    "stages": ("Stages", "3 is quicker, 4 sees more."),
    "filters": ("Filters", "How broad the network is: fewer are quicker and see less."),
    "height": ("Height of the images", "In pixels, a multiple of 32."),
    "width": ("Width of the images", "In pixels, a multiple of 32."),
    "weights": ("Begins with", "What the network knows of pictures before it sees a scan."),
}
VALUE_WORDS = {True: "Yes", False: "No", "none": "Nothing", "imagenet": "Everyday pictures (ImageNet)"}


def setting_lines(settings: dict[str, Any]) -> list[tuple[str, Any]]:
    """As pairs of name and value, in the order of the words above; what has no words yet comes last."""
    ordered = [*(name for name in SETTING_WORDS if name in settings), *sorted(set(settings) - set(SETTING_WORDS))]
    return [(words_for_setting(name), said(settings[name])) for name in ordered]


def words_for_setting(name: str) -> str:
    return SETTING_WORDS[name][0] if name in SETTING_WORDS else name.replace("_", " ").capitalize()


def said(value: Any) -> Any:
    return VALUE_WORDS[value] if isinstance(value, bool | str) and value in VALUE_WORDS else value
