"""Files sent into a case: what becomes of them, and what is refused and why."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.refusals import LONGEST_REASON
from accounts.rights import Right
from accounts.stored_words import said_again
from cases.intake import Refusal
from cases.locks import one_of_few_uploads
from cases.models import Case
from cases.upload_handlers import files_on_disk, sent_files
from cases.uploads import receive_upload
from ctportal.api.fields import StrictSerializer
from ctportal.api.idempotency import Receipt, once
from ctportal.api.permissions import UPLOAD
from ctportal.api.problems import UPLOAD_REFUSED, Problem
from ctportal.api.resource import Resource, caller
from ctportal.api.scans import SCANS, ScanSerializer, shown_scans


class SentFiles(StrictSerializer):
    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True),
        allow_empty=False,
        help_text="PNG, JPEG, TIFF, BMP, DICOM, or zips of them. Repeat the field for each file.",
    )
    as_one_scan = serializers.BooleanField(default=False, help_text="Loose images become one scan, not one each.")
    together = serializers.BooleanField(default=False, help_text="An older name of `as_one_scan`.")
    accept_any_modality = serializers.BooleanField(
        default=False, help_text="Take DICOM of another modality than CT, knowingly."
    )
    confirm_patient = serializers.BooleanField(
        default=False,
        help_text="The files are the case's patient's, although they name another, or are in another patient's case.",
    )
    confirm_reason = serializers.CharField(
        max_length=LONGEST_REASON, required=False, allow_blank=True, default="", help_text="Why; it stays on record."
    )


class SaidAgain(serializers.CharField):
    """A sentence of the intake, which is English, in the language of the answer."""

    def to_representation(self, value: str) -> str:
        return said_again(value)


class RefusalSerializer(serializers.Serializer):
    file = serializers.CharField(help_text="Its name as it was sent.")
    code = serializers.CharField()
    problem = SaidAgain()
    remedy = SaidAgain()


class UploadSerializer(serializers.Serializer):
    scans = ScanSerializer(many=True)
    refusals = RefusalSerializer(many=True)


EXAMPLE = OpenApiExample(
    "Two pictures, one of them broken",
    description="The good one is stored and queued; the other is refused and says why.",
    value={
        "scans": [{"id": 93, "case": 57, "status": "ready", "slice_count": 1, "prediction": {"status": "queued"}}],
        "refusals": [
            {
                "file": "slice-2.png",
                "code": "truncated",
                "problem": "The file ends before its picture does.",
                "remedy": "Send it again from where it is whole.",
            }
        ],
    },
    response_only=True,
    status_codes=["201"],
)


class CaseScanViews(Resource):
    queryset = Case.objects.select_related("patient__site")
    serializer_class = UploadSerializer
    parser_classes = [MultiPartParser]
    pagination_class = None
    scopes = {"create": UPLOAD}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with files_on_disk(request):
            return super().dispatch(request, *args, **kwargs)

    @extend_schema(
        operation_id="cases_scans_create",
        tags=["scans"],
        summary="Upload files to a case",
        description="Answers 201 as soon as anything is stored: `scans` holds what was, each queued for the model, "
        "and `refusals` says of every other file what is wrong and what to do. If nothing could be stored, the "
        "answer is 422 and `errors` holds the refusals. If files name another patient than the case's, or are already "
        "in another patient's case, nothing is stored and the answer is 409 `patient-mismatch`. Poll `/scans/{id}/` "
        "for the model's answer.",
        request={"multipart/form-data": SentFiles},
        responses={201: UploadSerializer},
        examples=[EXAMPLE],
    )
    def create(self, request: Request, pk: int) -> Response:
        self.fetch(right=Right.UPLOAD)  # before the files are read
        with one_of_few_uploads(caller(request)):
            return once(request, work=self._receive, answer=self._receive_response, atomic=False)

    def _receive(self) -> Receipt:
        case = self.fetch(right=Right.UPLOAD)
        case.require_not_closed()
        sent = SentFiles(data=self.request.data)
        sent.is_valid(raise_exception=True)
        facts = sent.validated_data
        files = sent_files(self.request._request)
        upload = receive_upload(
            case=case,
            user=caller(self.request),
            files=files,
            together=facts["as_one_scan"] or facts["together"],
            accept_any_modality=facts["accept_any_modality"],
            confirmation=facts["confirm_reason"] if facts["confirm_patient"] else None,
        )
        if not upload.scans:
            raise Problem(
                UPLOAD_REFUSED,
                _("Nothing was stored; “errors” says of each file what is wrong and what to do."),
                errors=[_error_item(refusal) for refusal in upload.refusals],
            )
        self.refusals = upload.refusals
        names = [file.name for file in files]
        return {
            "scans": [scan.pk for scan in upload.scans],
            "refusals": [_kept(refusal, names) for refusal in upload.refusals],
        }

    def _receive_response(self, receipt: Receipt) -> Response:
        self.fetch()  # a replay shows only what may still be seen
        scans = list(SCANS.filter(pk__in=receipt["scans"]).order_by("pk"))
        fresh: list[Refusal] | None = getattr(self, "refusals", None)
        refusals = fresh if fresh is not None else self._remembered(receipt)
        body = {
            "scans": shown_scans(scans, self.request),
            "refusals": RefusalSerializer(refusals, many=True).data,
        }
        return Response(body, status=201)

    def receipt(self, data: Any) -> Any:
        """Describes what became of the upload; the refusals speak of the caller's own files."""
        return {"scans": [{"id": scan["id"]} for scan in data["scans"]], "refusals": data["refusals"]}

    def _remembered(self, receipt: Receipt) -> list[Refusal]:
        """Names are not kept: the request that is repeated brings them again."""
        names = [file.name or "" for file in self.request.FILES.getlist("files")]
        return [Refusal(**kept | {"file": names[kept["file"]]}) for kept in receipt["refusals"]]


def _error_item(refusal: Refusal) -> dict[str, Any]:
    return {
        "pointer": "#/files",
        "file": refusal.file,
        "code": refusal.code,
        "detail": f"{said_again(refusal.problem)} {said_again(refusal.remedy)}",
    }


def _kept(refusal: Refusal, names: list[str]) -> dict[str, Any]:
    """Which of the sent files it was, by number; what lay in an archive is remembered as the archive."""
    number = next((n for n, name in enumerate(names) if name and refusal.file.startswith(name)), 0)
    return {"file": number, "code": refusal.code, "problem": refusal.problem, "remedy": refusal.remedy}
