"""Puts the settings of a training run into words."""

from typing import Any

from django.utils.translation import gettext_lazy as _

SETTING_WORDS = {
    "seed": (_("Random seed"), _("The same number gives the same model again.")),
    "replay": (
        _("Train on base sets too"),
        _("Keeps what the model already does well. Without them it is trained on your own cases alone."),
    ),
    "epochs": (
        _("Maximum epochs"),
        _("How often training goes through all images at most; it stops early when the model no longer improves."),
    ),
    "rate": (
        _("Learning rate"),
        _("The step size: too large and training becomes unstable, too small and it takes long."),
    ),
    "batch": (_("Batch size"), _("Images in one step; fewer need less memory.")),
    "architecture": (_("Network"), _("ResNet-18 is smaller and faster, ResNet-50 larger and slower.")),
    "stages": (_("Stages"), _("3 is faster, 4 is deeper.")),
    "filters": (_("Filters"), _("The width of the network: fewer are faster.")),
    "height": (_("Image height"), _("In pixels, a multiple of 32.")),
    "width": (_("Image width"), _("In pixels, a multiple of 32.")),
    "weights": (_("Initial weights"), _("What the network was trained on before.")),
}
VALUE_WORDS = {True: _("Yes"), False: _("No"), "none": _("None (random)"), "imagenet": _("ImageNet photographs")}


def setting_lines(settings: dict[str, Any]) -> list[tuple[str, Any]]:
    """As pairs of name and value, in the order of the words above; what has no words yet comes last."""
    ordered = [*(name for name in SETTING_WORDS if name in settings), *sorted(set(settings) - set(SETTING_WORDS))]
    return [(words_for_setting(name), said(settings[name])) for name in ordered]


def words_for_setting(name: str) -> str:
    return str(SETTING_WORDS[name][0]) if name in SETTING_WORDS else name.replace("_", " ").capitalize()


def said(value: Any) -> Any:
    return str(VALUE_WORDS[value]) if isinstance(value, bool | str) and value in VALUE_WORDS else value
