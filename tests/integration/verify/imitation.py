"""An imitation of an agent's program, of which single promises can be broken. The plugin for it is in plugin.py.

    imitation [--mode=MODE] [--resume=ID] [--model=MODEL] [--servers=FILE] < prompt

It asks a service of the Messages protocol at $IMITATION_URL with the key $IMITATION_KEY, keeps conversations in ~/.imitation, and
prints lines of JSON.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

BROKEN = frozenset()  #: replaced by the test: ids of checks that must fail
RETRIES = 1
HELP = "usage: imitation [--help] [--version] [--mode] [--resume] [--model] [--servers]"
NEST = pathlib.Path.home() / ".imitation"


def broken(name):
    return name in BROKEN


def say(**fact):
    print(json.dumps(fact), flush=True)


def fail(kind, **more):
    kind = "other" if broken(f"failure:{more.pop('check', kind)}") else kind
    say(type="error", kind=kind, **more)
    sys.exit(1)


def request(messages, model, tools):
    key = os.environ.get("IMITATION_KEY")
    if not key:
        fail("auth", check="no-key")
    body = json.dumps({"model": model, "messages": messages, "tools": tools, "max_tokens": 100}).encode()
    headers = {"content-type": "application/json", "x-api-key": key}
    called = urllib.request.Request(os.environ["IMITATION_URL"] + "/v1/messages", body, headers)
    for attempt in range(RETRIES + 1):
        try:
            with urllib.request.urlopen(called, timeout=50) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                wait = error.headers.get("retry-after", "")
                if error.code == 401:
                    fail("auth", check="bad-key")
                if error.code == 404:
                    fail("model", check="bad-model")
                if error.code == 429:
                    fail("quota", check="429-long" if wait.isdigit() and int(wait) > 60 else "429", wait=wait)
                if attempt == RETRIES:
                    fail("server", check="500")
        except urllib.error.URLError:
            fail("unreachable", check="refused")
        except OSError:
            fail("unreachable", check="dropped")
    return None


def may(mode, path):
    """Whether a file may be written."""
    inside = pathlib.Path(path).resolve().is_relative_to(pathlib.Path.cwd())
    if mode == "all" or broken("posture") or broken(f"posture-{mode}"):
        return True
    return inside and mode in ("edit", "work") and not broken("posture-less")


def use(tool, given, mode):
    if tool == "write":
        if may(mode, given["path"]):
            pathlib.Path(given["path"]).write_text(given["text"])
            return "done"
        return "not permitted"
    if tool == "run":
        inside = str(pathlib.Path.cwd()) in given["command"]
        if mode == "all" or (mode == "work" and inside):
            return subprocess.run(given["command"], shell=True, capture_output=True, text=True, check=False).stdout
        return "not permitted"
    return "no such tool"


class Server:
    """An MCP server over stdio."""

    def __init__(self, entry):
        self.process = subprocess.Popen(
            [entry["command"], *entry["args"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **entry["env"]},
        )  # fmt: skip
        self.number = 0

    def call(self, method, **params):
        self.number += 1
        line = json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["result"]

    def tools(self):
        client = {"name": "imitation", "version": "1"}
        self.call("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
        return self.call("tools/list")["tools"]


def servers_of(path):
    if not path or broken("mcp"):
        return {}, []
    entries = json.loads(pathlib.Path(path).read_text())
    servers = {name: Server(entry) for name, entry in entries.items()}
    tools = [{"name": f"{name}__{tool['name']}"} for name, server in servers.items() for tool in server.tools()]
    return servers, tools


def prompt_of():
    text = sys.stdin.read()
    if broken("prompt-as-text"):
        return "own command" if text.startswith("/") else text
    if broken("prompt-reads-files"):
        names = re.findall(r"@(\S+)", text)
        return text + "".join(pathlib.Path(name).read_text() for name in names if pathlib.Path(name).exists())
    instructions = pathlib.Path("AGENTS.md")
    if instructions.exists() and not broken("instructions"):
        return instructions.read_text() + "\n" + text
    return text


def history(session):
    """The messages so far; a new conversation's id is None."""
    if session is None:
        return str(uuid.uuid4()), []
    memory = NEST / session
    if not memory.exists():
        if broken("resume-unknown"):
            return session, []
        print(f"imitation: no conversation {session}", file=sys.stderr)
        sys.exit(1)
    return session, [] if broken("resume") else json.loads(memory.read_text())


def run_project_hooks():
    hooks = pathlib.Path(".imitation/hooks.json")
    if broken("user-settings"):
        hooks = NEST / "hooks.json"
    elif not broken("hostile-project"):
        return
    if hooks.exists():
        subprocess.run([json.loads(hooks.read_text())["hooks"]["SessionStart"][0]["hooks"][0]["command"]], check=False)


def options(words):
    given = {}
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        given[name] = value
    return given


def main():
    given = options(sys.argv[1:])
    if "version" in given:
        if broken("probes-quiet"):
            proxy = os.environ["http_proxy"].removeprefix("http://").split(":")
            import socket

            with socket.create_connection((proxy[0], int(proxy[1])), 5) as line:
                line.sendall(b"GET http://updates.example/ HTTP/1.1\r\n\r\n")
                line.recv(100)
        print("imitation" if broken("starts") else "imitation 1.2.0")
        return
    if "help" in given:
        print(HELP.replace("[--resume] ", "") if broken("flags") else HELP)
        return
    if broken("signals"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    NEST.mkdir(exist_ok=True)
    run_project_hooks()
    session, messages = history(given.get("resume"))
    say(type="session", id=session)
    servers, tools = servers_of(given.get("servers"))
    messages.append({"role": "user", "content": prompt_of()})
    spent = {"in": 0, "read": 0, "out": 0}
    while True:
        answer = request(messages, given.get("model", "some-model"), tools)
        usage = answer["usage"]
        spent["in"] += usage["input_tokens"] + usage["cache_creation_input_tokens"]
        spent["read"] += usage["cache_read_input_tokens"]
        spent["out"] += usage["output_tokens"]
        messages.append({"role": "assistant", "content": answer["content"]})
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        if not calls:
            break
        results = [
            {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": use(call["name"], call["input"], given["mode"]),
            }
            for call in calls
        ]
        messages.append({"role": "user", "content": results})
    text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
    (NEST / session).write_text(json.dumps(messages))
    spent["out"] += 1 if broken("usage") else 0
    said = {"words" if broken("shape") else "text": text[:-1] if broken("answer") else text}
    say(type="result", **said, tokens=spent, at=time.time())
    for server in servers.values():
        server.process.stdin.close()
        server.process.wait(10)


main()
