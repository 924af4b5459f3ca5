"""How the agents' programs take a command line apart: a model of their own parsers, made from what they were seen to do.

It knows nothing of how the gateway builds a command. Where a parser is kinder than the model, the model is the stricter one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class Misread(Exception):
    """The program would end with a usage error, or take the words for something else than was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The options of one program."""

    switches: frozenset[str] = frozenset()  #: take no value
    single: frozenset[str] = frozenset()  #: take one value, and the next element if none is in their own
    greedy: frozenset[str] = frozenset()  #: take their value, and swallow the words behind it
    maybe: frozenset[str] = frozenset()  #: take the next element if it does not begin with a dash
    split_at_commas: frozenset[str] = frozenset()  #: a value is a list
    abbreviates: bool = False  #: a beginning of a name stands for the name
    words: frozenset[str] = frozenset()  #: subcommands that a word in their place is taken for


@dataclass(slots=True)
class Understood:
    """What the program understands."""

    options: list[tuple[str, str | None]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """All values of one option, in their order."""
        return [value or "" for option, value in self.options if option == name]


def understand(grammar: Grammar, argv: Sequence[str]) -> Understood:
    """Take a command line apart, without the program itself. Raises Misread."""
    found, rest, swallows = Understood(), list(argv), None
    while rest:
        element = rest.pop(0)
        if "\0" in element:
            raise Misread("no command line can hold a NUL byte")
        if element == "--":
            found.words += rest
            break
        if element == "-" or not element.startswith("-"):
            if swallows is not None:
                found.options.append((swallows, element))
            else:
                found.words.append(element)
            continue
        name, equals, value = element.partition("=")
        name, swallows = _named(grammar, name), None
        if name in grammar.switches:
            if equals:
                raise Misread(f"{name} takes no value")
            found.options.append((name, None))
            continue
        if not equals:
            if name in grammar.maybe and (not rest or rest[0].startswith("-")):
                found.options.append((name, None))
                continue
            if not rest:
                raise Misread(f"{name} needs a value")
            value = rest.pop(0)
        if name in grammar.greedy:
            swallows = name
        parts = value.split(",") if name in grammar.split_at_commas else [value]
        found.options += [(name, part) for part in parts]
    return found


def _named(grammar: Grammar, name: str) -> str:
    known = grammar.switches | grammar.single | grammar.greedy | grammar.maybe
    if name in known:
        return name
    longer = [other for other in known if name.startswith("--") and other.startswith(name)]
    if grammar.abbreviates and len(longer) == 1:
        return longer[0]
    raise Misread(f"unknown option {name}")


def _options(words: str) -> frozenset[str]:
    return frozenset(words.split())


GRAMMARS: Mapping[str, Grammar] = {
    "claude": Grammar(
        switches=_options(
            "-p --print --verbose --strict-mcp-config --restricted --include-partial-messages --bare --continue -c"
            " --dangerously-skip-permissions --allow-dangerously-skip-permissions --fork-session --replay-user-messages"
            " --no-session-persistence --disable-slash-commands --ide --help -h --version -v"
        ),
        single=_options(
            "--output-format --input-format --permission-prompts --setting-sources --session-id --permission-mode --settings"
            " --model --fallback-model --max-turns --max-budget-usd --effort --json-schema --append-system-prompt-file"
            " --append-system-prompt --system-prompt --system-prompt-file --system-prompt-snapshot --agents --agent --plugin-dir"
            " --permission-prompt-tool"
        ),
        greedy=_options("--allowedTools --disallowedTools --tools --mcp-config --add-dir --betas --file"),
        maybe=_options("--resume -r --debug --worktree"),
    ),
    "codex": Grammar(
        switches=_options(
            "--json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox --ignore-user-config --ignore-rules"
            " --approve-for-me --ephemeral --oss --trust --worktree --strict-config --last --all --help -h --version -V"
        ),
        single=_options(
            "-c --config --model -m --output-schema --output-last-message -o --sandbox -s --add-dir --cd -C --profile -p"
            " --enable --disable --color --local-provider"
        ),
        greedy=_options("--image -i"),
        words=_options("resume review fork help"),
    ),
    "gemini": Grammar(
        switches=_options(
            "--skip-trust --yolo -y --sandbox -s --debug -d --list-sessions --acp --experimental-acp --raw-output"
            " --accept-raw-output-risk --screen-reader --list-extensions -l --help -h --version -v"
        ),
        single=_options(
            "--output-format -o --approval-mode --session-id --resume -r --model -m --prompt -p --prompt-interactive -i"
            " --session-file --delete-session --worktree -w"
        ),
        greedy=_options(
            "--policy --admin-policy --allowed-tools --allowed-mcp-server-names --include-directories --extensions -e"
        ),
        split_at_commas=_options(
            "--policy --admin-policy --allowed-tools --allowed-mcp-server-names --include-directories"
        ),
    ),
    "agy": Grammar(
        switches=_options("--disable-slash-commands --dangerously-skip-permissions --help -h --version"),
        single=_options(
            "--input-format --output-format --print-timeout --conversation --model --effort --json-schema --add-dir --mode"
            " --print -p --prompt"
        ),
    ),
    "grok": Grammar(
        switches=_options(
            "--verbatim --always-approve --yolo --dangerously-skip-permissions --continue -c --fork-session --no-plan"
            " --disable-web-search --no-subagents --debug --restore-code --trust --no-auto-update --no-memory"
            " --experimental-memory --no-ask-user --no-wait-for-background --include-partial-messages --help -h --version -V"
        ),
        single=_options(
            "--prompt-file --prompt-json --single -p --print --output-format --model -m --reasoning-effort --effort"
            " --permission-mode --allow --deny --allowedTools --disallowedTools --tools --disallowed-tools --max-turns --sandbox"
            " --cwd --session-id -s --json-schema --system-prompt-override --system-prompt --rules --append-system-prompt"
            " --agent --agents --leader-socket --debug-file --background-wait-timeout --worktree-ref --ref"
        ),
        maybe=_options("--resume -r --load --worktree -w"),
        split_at_commas=_options("--tools --disallowed-tools"),
    ),
    "mistral": Grammar(
        switches=_options(
            "--auto-approve --yolo --smart-approve --continue -c --trust --check-upgrade --setup --help -h --version -v"
        ),
        single=_options(
            "--prompt-file --output --output-dir --agent --enabled-tools --disabled-tools --workdir --add-dir --max-turns"
            " --max-tokens --max-price --time-limit"
        ),
        maybe=_options("--prompt -p --resume --worktree"),
        abbreviates=True,
        words=_options("mcp config"),
    ),
}
