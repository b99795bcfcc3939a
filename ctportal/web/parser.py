"""Where a request ends must be beyond doubt: a proxy in front that saw it elsewhere would hand on a hidden one."""

from waitress.parser import HTTPRequestParser, ParsingError, get_header_lines

LENGTH, CODING = b"content-length", b"transfer-encoding"


class StrictParser(HTTPRequestParser):
    """Refuses a request whose length is given in two ways, twice, or in a way that its version does not know."""

    def parse_header(self, header_plus: bytes) -> None:
        first, _, rest = header_plus.partition(b"\r\n")
        fields = [(name.lower(), value.strip()) for name, _, value in map(_parted, get_header_lines(rest))]
        codings = [value for name, value in fields if name == CODING]
        lengths = [value for name, value in fields if name == LENGTH]
        if len(codings) + len(lengths) > 1:
            raise ParsingError("The length of the body is given more than once")
        if codings and (codings[0].lower() != b"chunked" or not first.rstrip().endswith(b"HTTP/1.1")):
            raise ParsingError("The body comes in a way that is not supported")
        super().parse_header(header_plus)


def _parted(line: bytes) -> tuple[bytes, bytes, bytes]:
    return line.partition(b":")
