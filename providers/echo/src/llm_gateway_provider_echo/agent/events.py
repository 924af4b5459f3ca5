"""The program's output: one JSON object a line, written without a buffer."""

import json
import os

Facts = dict[str, object]


class Failed(Exception):
    """The turn ends with an error event."""

    def __init__(self, kind: str, message: str, *, exit_code: int = 1, **facts: object) -> None:
        super().__init__(message)
        self.event: Facts = {"type": "error", "kind": kind, "message": message, **facts}
        self.exit_code = exit_code


class Output:
    """The program's stdout."""

    def __init__(self) -> None:
        self.held: bytearray | None = None  #: if set, output is kept here until `release`

    def emit(self, kind: str, **facts: object) -> None:
        """Print one event."""
        self.write(line({"type": kind, **facts}))

    def text(self, text: str, piece: int = 65536) -> None:
        """Print a text as events of moderate size."""
        for start in range(0, len(text), piece):
            self.emit("text", text=text[start : start + piece])

    def write(self, data: bytes) -> None:
        """Write bytes unchanged."""
        if self.held is None:
            write_all(1, data)
        else:
            self.held += data

    def release(self, *sizes: int) -> None:
        """Write the kept output; with `sizes`, in pieces of these sizes in turn."""
        data, self.held = memoryview(bytes(self.held or b"")), None
        start = turn = 0
        while start < len(data):
            size = sizes[turn % len(sizes)] if sizes else len(data)
            write_all(1, data[start : start + size])
            start, turn = start + size, turn + 1


def line(event: Facts) -> bytes:
    """Return an event as one line. A lone surrogate in a prompt must not end the program."""
    return (json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything, even if the reader accepts only a part at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
