"""Streams a frozen data set as a zip that `ml.images.data.read_collection` reads, without any identity.

Nothing is compressed (the views are PNG), so the length is known before the first byte; the hashes are computed while
the images pass, which is why the manifest comes last.
"""

from collections.abc import Iterator

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from zipstream import ZipStream

from accounts.models import Action, User
from accounts.refusals import WrongState
from cases.disclosure import note_shown
from cases.labelled_export import DIGEST_PLACE, hashed_contents, line_of
from learning.datasets.build import record_of_sites, require_dataset_right
from learning.datasets.images import COLUMNS, FrozenImage, frozen_images, no_longer_frozen
from learning.datasets.listing import hidden_in
from learning.datasets.write_folder import MANIFEST
from learning.models import Dataset


def export_dataset(*, dataset: Dataset, user: User | None) -> ZipStream:
    """An event for each site says who took it. `user` is empty on the command line.

    Everything is looked up at once, so that no database connection is held while the file goes out.
    """
    sites = list(dataset.sites.all())
    require_dataset_right(user, sites)
    _require_nothing_hidden(dataset, user)
    images = list(frozen_images(dataset))
    archive = ZipStream(sized=True)
    for image in images:
        image.sha256 = DIGEST_PLACE
        archive.add(hashed_contents(image), image.file, size=_size(dataset, image))
    archive.add(_manifest(images), MANIFEST, size=sum(len(line) for line in _manifest(images)))
    record_of_sites(Action.DATASET_EXPORTED, dataset, sites, user)
    return archive


def _require_nothing_hidden(dataset: Dataset, user: User | None) -> None:
    """A part of a data set would not be the data set, so whoever reads blinded decides first or asks a colleague."""
    if user is None:
        return
    if hidden := hidden_in(dataset, user):
        scans = ngettext("%(number)s scan", "%(number)s scans", hidden) % {"number": hidden}
        raise WrongState(
            _(
                "%(dataset)s concerns %(scans)s that you have to decide on before you see a label; decide on "
                "them, or let a manager who does not read there export it."
            )
            % {"dataset": dataset, "scans": scans}
        )
    note_shown(user, dataset.scans.exclude(scan=None).order_by().values_list("scan", flat=True))


def _size(dataset: Dataset, image: FrozenImage) -> int:
    try:
        return default_storage.size(image.stored)
    except OSError:
        raise no_longer_frozen(dataset, image.name) from None


def _manifest(images: list[FrozenImage]) -> Iterator[bytes]:
    yield line_of(COLUMNS).encode()
    for image in images:
        yield line_of(image.line()).encode()
