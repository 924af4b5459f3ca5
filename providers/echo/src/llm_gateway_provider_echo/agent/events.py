"""What the program prints: one JSON object a line, written raw so that nothing waits in a buffer."""

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
        self.held: bytearray | None = None  #: set: keep everything until `release`

    def emit(self, kind: str, **facts: object) -> None:
        """Print one event."""
        self.write(line({"type": kind, **facts}))

    def text(self, words: str, piece: int = 65536) -> None:
        """Print words as text events of moderate size."""
        for start in range(0, len(words), piece):
            self.emit("text", text=words[start : start + piece])

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        if self.held is None:
            write_all(1, data)
        else:
            self.held += data

    def release(self, *sizes: int) -> None:
        """Write what was held; with sizes, in pieces of these sizes, round and round."""
        data, self.held = memoryview(bytes(self.held or b"")), None
        start = turn = 0
        while start < len(data):
            size = sizes[turn % len(sizes)] if sizes else len(data)
            write_all(1, data[start : start + size])
            start, turn = start + size, turn + 1


def line(event: Facts) -> bytes:
    """An event as it is printed. Half a surrogate pair in a prompt must not end the program."""
    return (json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything, however little the other side takes at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
