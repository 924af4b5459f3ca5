"""Run the server, for a bounded time."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

from .app import ModelServer


async def serve(port: int, seconds: float, until_eof: bool) -> None:
    """Serve until the time is over, or standard input ends."""
    server = await ModelServer().start(port)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.call_later(seconds, over.set)
    if until_eof:
        loop.add_reader(sys.stdin, lambda: None if os.read(sys.stdin.fileno(), 4096) else over.set())
    await over.wait()
    server.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="loopback")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--seconds", type=float, default=3600.0, help="how long to serve")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.seconds, given.until_eof))


if __name__ == "__main__":
    main()
