"""Puts the settings of a training run into words."""

from typing import Any

SETTING_WORDS = {
    "seed": ("Random seed", "The same number gives the same model again."),
    "replay": (
        "Train on base sets too",
        "Keeps what the model already does well. Without them it is trained on your own cases alone.",
    ),
    "epochs": (
        "Maximum epochs",
        "How often training goes through all images at most; it stops early when the model no longer improves.",
    ),
    "rate": ("Learning rate", "The step size: too large and training becomes unstable, too small and it takes long."),
    "batch": ("Batch size", "Images in one step; fewer need less memory."),
    "architecture": ("Network", "ResNet-18 is smaller and faster, ResNet-50 larger and slower."),
    "stages": ("Stages", "3 is faster, 4 is deeper."),
    "filters": ("Filters", "The width of the network: fewer are faster."),
    "height": ("Image height", "In pixels, a multiple of 32."),
    "width": ("Image width", "In pixels, a multiple of 32."),
    "weights": ("Initial weights", "What the network was trained on before."),
}
VALUE_WORDS = {True: "Yes", False: "No", "none": "None (random)", "imagenet": "ImageNet photographs"}


def setting_lines(settings: dict[str, Any]) -> list[tuple[str, Any]]:
    """As pairs of name and value, in the order of the words above; what has no words yet comes last."""
    ordered = [*(name for name in SETTING_WORDS if name in settings), *sorted(set(settings) - set(SETTING_WORDS))]
    return [(words_for_setting(name), said(settings[name])) for name in ordered]


def words_for_setting(name: str) -> str:
    return SETTING_WORDS[name][0] if name in SETTING_WORDS else name.replace("_", " ").capitalize()


def said(value: Any) -> Any:
    return VALUE_WORDS[value] if isinstance(value, bool | str) and value in VALUE_WORDS else value
