"""Streams zips to take away; the length comes first, so that the browser shows progress, and nothing is cached."""

from django.http import StreamingHttpResponse
from zipstream import ZipStream


def zip_download(archive: ZipStream, *, name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(iter(archive), content_type="application/zip")
    response["Content-Length"] = str(len(archive))
    response["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    response["Cache-Control"] = "private, no-store"
    response["X-Accel-Buffering"] = "no"
    return response
