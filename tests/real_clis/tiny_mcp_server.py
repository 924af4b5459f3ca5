"""The smallest MCP server: one tool, over stdio, that tells how long its secret is."""

from __future__ import annotations

import json
import os
import sys

TOOL = {"name": "whoami", "description": "Tell about the secret.", "inputSchema": {"type": "object", "properties": {}}}

for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    method, answer = asked.get("method"), {"jsonrpc": "2.0", "id": asked["id"]}
    if method == "initialize":
        version = asked["params"]["protocolVersion"]
        answer["result"] = {
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "tiny", "version": "1"},
        }
    elif method == "tools/list":
        answer["result"] = {"tools": [TOOL]}
    elif method == "tools/call":
        words = f"the secret has {len(os.environ['TINY_SECRET'])} letters"
        answer["result"] = {"content": [{"type": "text", "text": words}]}
    else:
        answer["error"] = {"code": -32601, "message": "unknown method"}
    print(json.dumps(answer), flush=True)
