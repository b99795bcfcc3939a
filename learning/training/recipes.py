"""The settings of a training run: which there are, what they may be, and what they are unless somebody says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.formatting import shortest
from inference.models import ModelVersion
from learning.models import Method
from ml.model.topology import BLOCKS

WEIGHTS = ("none", "imagenet")


@dataclass(frozen=True)
class Option:
    """Describes one setting: a number within bounds, one of some words, or yes and no."""

    name: str
    default: Any
    low: float = -math.inf
    high: float = math.inf
    multiple_of: int = 1
    choices: tuple[Any, ...] = ()

    def refusal(self, value: Any) -> str | None:
        if isinstance(self.default, bool):
            return (
                None if isinstance(value, bool) else _("%(self)s is yes or no (true or false).") % {"self": self.name}
            )
        if self.choices:
            known = ", ".join(map(str, self.choices))
            return (
                None
                if value in self.choices
                else _("%(self)s is one of %(known)s.") % {"self": self.name, "known": known}
            )
        return (
            None
            if self._is_number(value)
            else self._bounds
            % {
                "self": self.name,
                "low": shortest(self.low),
                "high": shortest(self.high),
                "factor": self.multiple_of,
            }
        )

    def _is_number(self, value: Any) -> bool:
        kinds = (int,) if isinstance(self.default, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not self.low <= value <= self.high:
            return False
        return self.multiple_of == 1 or value % self.multiple_of == 0

    @property
    def _bounds(self) -> str:
        if self.multiple_of > 1:
            return _("%(self)s is a multiple of %(factor)s from %(low)s to %(high)s.")
        if isinstance(self.default, int):
            return _("%(self)s is a whole number from %(low)s to %(high)s.")
        return _("%(self)s is a number from %(low)s to %(high)s.")


# As `ml.training.retrain_settings` has them, which a web process cannot import.
EPOCHS, BATCH, RATE, SIDE = 12, 32, 5e-5, 224
RATE_OF_A_NEW_NETWORK = 1e-3
ALWAYS = (Option("seed", 0, 0, 2**31 - 1), Option("replay", True))
TUNING = (Option("epochs", EPOCHS, 1, 500), Option("batch", BATCH, 2, 512))
NETWORK = (
    Option("architecture", "resnet18", choices=tuple(sorted(BLOCKS))),
    Option("stages", 4, choices=(3, 4)),
    Option("filters", 64, 8, 64, multiple_of=8),
    Option("height", SIDE, 64, 1024, multiple_of=32),
    Option("width", SIDE, 64, 1024, multiple_of=32),
    Option("weights", "none", choices=WEIGHTS),
)


def options_of(*, method: str, parent: ModelVersion | None, weights: Any = "none") -> tuple[Option, ...]:
    """A model to start from brings its network; a last layer alone is not trained in epochs."""
    network = () if parent else NETWORK
    if method != Method.FINETUNE:
        return (*ALWAYS, *network)
    new = parent is None and weights == "none"
    rate = Option("rate", RATE_OF_A_NEW_NETWORK if new else RATE, 1e-7, 0.1)
    return (*ALWAYS, *TUNING, rate, *network)


def complete_settings(
    *, method: str, parent: ModelVersion | None, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Every setting of the run, defaults filled in, and what speaks against them."""
    if method not in Method.values:
        return dict(settings), [_("The method is one of %(values)s.") % {"values": ", ".join(Method.values)}]
    chosen = options_of(method=method, parent=parent, weights=settings.get("weights", "none"))
    options = {option.name: option for option in chosen}
    refusals = [_unknown(name, method, parent) for name in sorted(set(settings) - set(options))]
    complete = {name: settings.get(name, option.default) for name, option in options.items()}
    refusals += [words for name, option in options.items() if (words := option.refusal(complete[name]))]
    if not refusals and parent is None:
        refusals += _network_refusals(method, complete)
    return complete, refusals


def _unknown(name: str, method: str, parent: ModelVersion | None) -> str:
    if parent is not None and name in {option.name for option in NETWORK}:
        return _("%(name)s comes from model %(parent)s; leave it out, or train from scratch.") % {
            "name": name,
            "parent": parent,
        }
    if method == Method.HEAD and name in {"rate", *(option.name for option in TUNING)}:
        return _("%(name)s is for training the network itself; leave it out, or choose that method.") % {"name": name}
    return _("There is no setting %(name)s.") % {"name": name}


def _network_refusals(method: str, complete: Mapping[str, Any]) -> list[str]:
    published = (complete["architecture"], complete["filters"]) == ("resnet50", 64)
    if complete["weights"] == "imagenet" and not published:
        return [_("ImageNet weights exist for resnet50 with 64 filters only; choose it, or start without weights.")]
    if complete["weights"] == "none" and method == Method.HEAD:
        return [
            _(
                "A last layer on a network that has learnt nothing cannot tell anything: start from the "
                "model in service, or train the network itself."
            )
        ]
    return []
