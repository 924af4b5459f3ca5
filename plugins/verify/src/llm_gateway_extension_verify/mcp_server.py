"""The MCP server that a verified program is given: one tool, over stdio. It notes each method in the file of its argument.

It uses the standard library only and is run by its path.
"""

from __future__ import annotations

import json
import os
import sys

TOOL = "verify_word"
WORD = "VERIFY_WORD"  #: the variable that it must be given


def main() -> None:
    """Answer until the client is done."""
    with open(sys.argv[1], "a", encoding="utf-8") as notes:
        notes.write(f"word {os.environ.get(WORD)}\n")
        for line in sys.stdin:
            asked = json.loads(line)
            notes.write(f"{asked.get('method')}\n")
            notes.flush()
            if "id" in asked:
                print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer(asked)}), flush=True)


def answer(asked: dict[str, object]) -> dict[str, object]:
    """Return the result of a request, or an error."""
    method, params = asked.get("method"), asked.get("params")
    if method == "initialize":
        version = params.get("protocolVersion") if isinstance(params, dict) else None
        server = {"name": "verify", "version": "1"}
        return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}}
    if method == "tools/list":
        schema = {"type": "object", "properties": {}}
        return {"result": {"tools": [{"name": TOOL, "description": "Say the word.", "inputSchema": schema}]}}
    if method == "tools/call":
        return {"result": {"content": [{"type": "text", "text": os.environ.get(WORD, "")}]}}
    if method == "ping":
        return {"result": {}}
    return {"error": {"code": -32601, "message": "unknown method"}}


if __name__ == "__main__":
    main()
