"""A provider's contract.toml is read, and a wrong one says what is wrong."""

from __future__ import annotations

import pytest

from llm_gateway import BrokenVersions
from llm_gateway_provider_kit.contract import BadContract, parse_contract

_WHOLE = """
package = "@vendor/cli"
seen = ["1.2.0", "1.4.0"]
install = "npm install -g {package}@{newest}"
[login]
command = "cli login"
argv = ["login", "status"]
since = "1.1.0"
[login.env]
CLI_OFFLINE = "1"
[[broken]]
below = "1.1.0"
breaks = "it has no --json"
"""


def test_a_contract_gives_the_facts_of_a_provider() -> None:
    assert parse_contract(_WHOLE, "contract.toml").facts() == {
        "versions_seen": ("1.2.0", "1.4.0"),
        "versions_broken": (BrokenVersions(below="1.1.0", breaks="it has no --json"),),
        "install": "npm install -g @vendor/cli@1.4.0",
        "login": "cli login",
        "login_argv": ("login", "status"),
        "login_since": "1.1.0",
        "login_env": {"CLI_OFFLINE": "1"},
    }


def test_an_empty_contract_knows_nothing() -> None:
    contract = parse_contract("", "contract.toml")
    assert (contract.seen, contract.newest, contract.login_argv, contract.broken) == (None, "", (), ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('sen = ["1", "2"]', "sen is not a key"),
        ('seen = ["1"]', "two versions"),
        ('seen = "1"', "seen must be a list"),
        ("install = 1", "install must be a string"),
        ("login = 1", r"\[login\] must be a table"),
        ('[login]\nargs = ["status"]', "login.args is not a key"),
        ('[[broken]]\nbreaks = "x"', "`since` or `below`"),
        ("seen = [", "contract.toml: "),
    ],
)
def test_a_wrong_contract_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(BadContract, match=reason):
        parse_contract(text, "contract.toml")
