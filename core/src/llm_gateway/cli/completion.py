"""`llm-gateway completion`: print a script that completes commands, verbs and options in a shell.

The script contains all words, so that completing a word starts no process. A shell evaluates it once, when it starts.
"""

from __future__ import annotations

import sys

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.parser import Subparsers
from llm_gateway.cli.plugin_commands import every_command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    import argparse

_BASH = """\
_llm_gateway() {{
    local words="" word path=""
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$path $word" in
            {cases}) path="$path $word" ;;
        esac
    done
    case "$path" in
{words}
    esac
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _llm_gateway llm-gateway
"""
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    words = words_of(every_command())
    sys.stdout.write(_fish(words) if arguments.shell == "fish" else _bash(words, zsh=arguments.shell == "zsh"))
    return Exit.OK


def words_of(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], list[str]]:
    """Return the words that may follow each path of command and verb: verbs and options."""
    found: dict[tuple[str, ...], list[str]] = {path: []}
    for action in parser._actions:
        found[path] += [option for option in action.option_strings if option.startswith("--")]
        if isinstance(action, Subparsers):
            found[path] += action.choices
            for name, inner in action.choices.items():
                found |= words_of(inner, (*path, name))
        elif action.choices and not action.option_strings:
            found[path] += map(str, action.choices)
    return found


def _bash(words: dict[tuple[str, ...], list[str]], *, zsh: bool) -> str:
    paths = ["".join(f" {word}" for word in path) for path in words]
    cases = "|".join(f'"{path}"' for path in paths if path)
    lines = [
        f'        "{path}") words="{" ".join(known)}" ;;' for path, known in zip(paths, words.values(), strict=True)
    ]
    return (_ZSH if zsh else "") + _BASH.format(cases=cases, words="\n".join(lines))


def _fish(words: dict[tuple[str, ...], list[str]]) -> str:
    lines = []
    for path, known in words.items():
        if path:
            others = [word for word in known if not word.startswith("-")]
            condition = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in path)
            if others:
                condition += f"; and not __fish_seen_subcommand_from {' '.join(others)}"
        else:
            condition = "__fish_use_subcommand"
        for word in known:
            if word.startswith("--"):
                lines.append(f"complete -c llm-gateway -n '{condition}' -l {word[2:]}")
            else:
                lines.append(f"complete -c llm-gateway -f -n '{condition}' -a {word}")
    return "".join(f"{line}\n" for line in lines)
