"""How far the readers of a scan agree, in words."""

from django.utils.translation import gettext_lazy as _

from cases.labels import Agreement

AGREEMENTS = {
    Agreement.NONE.value: _("Unreviewed"),
    Agreement.SINGLE.value: _("Single reader"),
    Agreement.CONSENSUS.value: _("Consensus"),
    Agreement.DISAGREEMENT.value: _("Disagreement"),
}


def words_for_agreement(agreement: str) -> str:
    """A dash where what colleagues decided is hidden."""
    return str(AGREEMENTS.get(str(agreement), "–")) if agreement else "–"
