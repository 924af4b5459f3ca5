"""The change that the demo's reviewers review: the last commit of the current repository, or a small example."""

from __future__ import annotations

import os

from llm_gateway.git import GitError, open_repository

MAX_BYTES = 50_000
_SHOW = ("show", "--format=%h %s", "--first-parent", "-m", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD")
_TIMEOUT_S = 10.0

_SAMPLE = """\
diff --git a/basket.py b/basket.py
--- a/basket.py
+++ b/basket.py
@@ -4,9 +4,13 @@ class Basket:
     def __init__(self):
         self.items = []

-    def total(self):
-        return sum(item.price for item in self.items)
+    def total(self, discount=0):
+        total = 0
+        for item in self.items:
+            total += item.price * item.count
+        return total - total * discount / 100

-    def add(self, item):
-        self.items.append(item)
+    def add(self, item, seen=[]):
+        if item.id not in seen:
+            seen.append(item.id)
+            self.items.append(item)
"""


def change_to_review() -> tuple[str, str]:
    """Return a title and a diff of at most 50 kB. Blocking."""
    try:
        with open_repository(os.getcwd()) as repository:
            shown, _ = repository.run_cut(_SHOW, most_bytes=4 * MAX_BYTES, timeout_s=_TIMEOUT_S)
    except (OSError, GitError):
        shown = b""
    title, _, diff = shown.replace(b"\0", b"").decode("utf-8", "replace").partition("\n")
    if not diff.strip():
        return "a small change as an example", _SAMPLE
    return title, _bounded(diff.lstrip("\n"))


def _bounded(diff: str) -> str:
    data = diff.encode()
    if len(data) <= MAX_BYTES:
        return diff
    kept = data[:MAX_BYTES].decode("utf-8", "ignore").rpartition("\n")[0]
    return f"{kept}\n[cut here: {len(data) - len(kept.encode()):,} more bytes]\n"
