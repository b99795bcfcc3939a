"""Makes a data set of one scan, without the work of building one."""

from cases.models import Scan
from learning.models import Dataset, DatasetScan, PatientSplit


def freeze(scan: Scan, *, split: str = "train", content: str = "1") -> Dataset:
    """The scan in a data set of its site, as `build_dataset` leaves it."""
    patient, _ = PatientSplit.objects.get_or_create(
        patient_key=f"patient:{scan.case.patient.pseudonym}", defaults={"split": split}
    )
    counts = {"scans": 1, "images": 1, "patients": 1, "by_split": [], "by_source": []}
    dataset = Dataset.objects.create(content_hash=content * 64, counts=counts)
    dataset.sites.add(scan.site)
    reviews = list(scan.reviews.current().values_list("pk", flat=True))
    DatasetScan.objects.create(
        dataset=dataset,
        scan=scan,
        name=f"scan-{scan.pk:06}",
        patient=patient,
        label=scan.final_label or "covid",
        source=scan.site.slug,
        agreement="single",
        review_ids=reviews,
        image_ids=list(scan.slices.values_list("pk", flat=True)),
        content_key=scan.content_key,
    )
    return dataset
