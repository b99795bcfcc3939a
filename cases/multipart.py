"""The parts of an upload's request: each file goes into a spool, and none is lost because of its name."""

import html
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import QueryDict
from django.http.multipartparser import ChunkIter, InterBoundaryIter, LazyStream, MultiPartParserError
from django.utils.datastructures import MultiValueDict
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _

MOST_HEADER_BYTES: Final = 4096
_BEYOND_ASCII: Final = re.compile(rb"[\x80-\xff]+")
_COMMON_HANZI: Final = range(0xB0, 0xD8)
NO_NAME: Final = "(no name)"

Headers = dict[str, tuple[str, dict[str, str]]]
KeepFile = Callable[[str, str, LazyStream], Any]


class PartsReader:
    """Reads one multipart/form-data body (RFC 7578).

    Django's own parser passes over a part whose name is not UTF-8 or is empty once it is cleaned, and over what is
    left of a body that breaks off. Here every part is a file, a field, or a reason to refuse the whole request.
    `keep_file` is given a file's name, its media type and its bytes.
    """

    def __init__(self, stream: Any, boundary: bytes, *, encoding: str, chunk_size: int, keep_file: KeepFile) -> None:
        self._input, self._separator = stream, b"--" + boundary
        self._encoding, self._chunk_size, self._keep_file = encoding, chunk_size, keep_file
        self.fields = QueryDict(mutable=True, encoding=encoding)
        self.files: MultiValueDict[str, Any] = MultiValueDict()
        self._bytes_of_fields = self._field_count = self._file_count = 0

    def read(self) -> tuple[QueryDict, MultiValueDict[str, Any]]:
        """Raise MultiPartParserError for a body that breaks off or has a part without a name."""
        is_whole = False
        parts = InterBoundaryIter(LazyStream(ChunkIter(self._input, self._chunk_size)), self._separator)
        for number, part in enumerate(parts):
            if number == 0:  # what comes before the first boundary
                _pass_over(part)
            elif self._is_end(part):
                is_whole = True
                _pass_over(part)
            else:
                self._take(part)
        if not is_whole:
            raise MultiPartParserError(_("The request breaks off before its last boundary."))
        _pass_over(ChunkIter(self._input, self._chunk_size))
        self.fields._mutable = False
        return self.fields, self.files

    def _is_end(self, part: LazyStream) -> bool:
        head = part.read(2)
        part.unget(head)
        return bool(head == b"--")

    def _take(self, part: LazyStream) -> None:
        headers = _headers(part)
        _kind, disposition = headers.get("content-disposition", ("", {}))
        name = disposition.get("name", "").strip()
        if not name:
            raise MultiPartParserError(_("A part of the request has no field name."))
        if headers.get("content-transfer-encoding", ("", {}))[0].strip().lower() in ("base64", "quoted-printable"):
            raise MultiPartParserError(_("A part of the request has a transfer encoding; send its bytes as they are."))
        if "filename" in disposition:
            self._take_file(name, disposition["filename"], headers.get("content-type", ("", {}))[0].strip(), part)
        else:
            self._take_field(name, part)

    def _take_file(self, field: str, name: str, media_type: str, part: LazyStream) -> None:
        first = part.read(1)
        if not name and not first:  # a form's file field in which nothing was chosen
            return
        part.unget(first)
        self._file_count += 1
        most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        if most is not None and self._file_count > most:
            raise TooManyFilesSent(_("More than %(most)s files.") % {"most": most})
        self.files.appendlist(field, self._keep_file(plain_name(name), media_type, part))

    def _take_field(self, name: str, part: LazyStream) -> None:
        self._field_count += 1
        if self._field_count > (settings.DATA_UPLOAD_MAX_NUMBER_FIELDS or self._field_count):
            raise TooManyFieldsSent(_("Too many fields."))
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        data = part.read(None if most is None else most - self._bytes_of_fields + 1)
        self._bytes_of_fields += len(data) + len(name) + 2
        if most is not None and self._bytes_of_fields > most:
            raise RequestDataTooBig(_("The fields are too large."))
        self.fields.appendlist(name, data.decode(self._encoding, errors="replace"))


def _pass_over(stream: Iterable[bytes]) -> None:
    for _piece in stream:
        pass


def _headers(part: LazyStream) -> Headers:
    chunk = part.read(MOST_HEADER_BYTES)
    end = chunk.find(b"\r\n\r\n")
    if end < 0:
        raise MultiPartParserError(_("A part of the request has no end of its header."))
    part.unget(chunk[end + 4 :])
    headers: Headers = {}
    for line in chunk[:end].split(b"\r\n"):
        try:
            main, parameters = parse_header_parameters(readable(line))
        except ValueError as error:
            raise MultiPartParserError(_("A part of the request has a header that cannot be read.")) from error
        name, colon, value = main.partition(":")
        if colon:
            headers[name.strip().lower()] = value, parameters
    return headers


def readable(data: bytes) -> str:
    """Text whose encoding nobody names: UTF-8, else what old systems in China or in the West write."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    runs = _BEYOND_ASCII.findall(data)
    if all(len(run) % 2 == 0 and all(lead in _COMMON_HANZI for lead in run[::2]) for run in runs):
        try:
            return data.decode("gbk")
        except UnicodeDecodeError:
            pass
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def plain_name(name: str) -> str:
    """The last part of a path that names something; what cannot be printed is dropped."""
    parts = re.split(r"[/\\]", html.unescape(name))
    plain = ["".join(c for c in part if c.isprintable()).strip() for part in parts]
    return next((part for part in reversed(plain) if part not in ("", ".", "..")), NO_NAME)
