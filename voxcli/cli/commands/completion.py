"""Completion scripts for bash, zsh and fish: plain text made from the commands' own options, so that completing starts no Python.

`completions/` holds what this prints; a test compares the two.
"""

from __future__ import annotations

import enum
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperOption

from voxcli.atomic import atomic_write_bytes
from voxcli.cli.framework import options
from voxcli.cli.framework.help_texts import help_of
from voxcli.cli.framework.output import out
from voxcli.errors import UsageError
from voxcli.version import __version__

if TYPE_CHECKING:
    from typer._click.core import Command


class Page(str, enum.Enum):
    """What can be printed: a script, or the manual page."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"
    man = "man"
    install = "install"


SHELLS = (Page.bash, Page.zsh, Page.fish)
"""Shells with a completion script."""

PLACES = {
    "bash": ("XDG_DATA_HOME", "~/.local/share", "bash-completion/completions/voxcli", "It works in new shells with bash-completion."),
    "zsh": ("ZDOTDIR", "~", ".zfunc/_voxcli", "In .zshrc, before compinit: fpath+=(${ZDOTDIR:-~}/.zfunc)"),
    "fish": ("XDG_CONFIG_HOME", "~/.config", "fish/completions/voxcli.fish", "It works in new shells."),
    "man": ("XDG_DATA_HOME", "~/.local/share", "man/man1/voxcli.1", "man voxcli shows it."),
}
"""Shell -> (variable of a folder, what it is without one, the file in it, what to do then)."""


def completion(
    what: Annotated[Page, typer.Argument(metavar="SHELL", show_default=False, help="bash, zsh, fish, man (the manual page), or install.")],
    shell: Annotated[
        Page | None,
        typer.Argument(metavar="[WHAT]", show_default=False, help="With install: which of the first four is put in its usual place."),
    ] = None,
) -> None:
    """Print the completion script of a shell or the manual page, or install one for this user.

    Examples:
        voxcli completion bash > voxcli.bash
        voxcli completion man > voxcli.1
        voxcli completion install fish
    """
    if what is not Page.install and shell is None:
        return out.data(_page(what))
    if what is not Page.install or shell in (None, Page.install):
        raise UsageError("What is to be installed?", expected="voxcli completion install bash, zsh, fish or man")
    assert shell is not None
    variable, usual, name, then = PLACES[shell.value]
    folder = os.environ.get(variable, "")
    folder = folder if os.path.isabs(folder) else os.path.expanduser(usual)  # XDG: a relative path is ignored
    if folder.startswith("~") or not os.environ.get("HOME", "~"):
        raise UsageError("There is no home folder to install in.", hint=f"Print it with: voxcli completion {shell.value}")
    path = Path(folder) / name
    text = _page(shell)
    if path.is_file() and MADE not in path.read_text(encoding="utf-8", errors="replace"):
        raise UsageError(f"{path} exists and is not of voxcli.", hint=f"Print it with: voxcli completion {shell.value}")
    atomic_write_bytes(path, text.encode(), overwrite=True)
    return out.note(f"{path} written. {then}")


MADE = "made by `voxcli completion"
"""In the first lines of all that this command writes."""


def _page(what: Page) -> str:
    return manual() if what is Page.man else script(what)


def manual() -> str:
    """The manual page in troff, from the help texts."""
    from voxcli.cli import app

    def escaped(text: str) -> str:
        lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
        return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in lines)

    out_lines = [f'.\\" {MADE} man`', f'.TH VOXCLI 1 "" "voxcli {__version__}"']
    out_lines += [".SH NAME", "voxcli \\- images to labelled 3D, and a score"]
    out_lines += [".SH SYNOPSIS", ".B voxcli", "COMMAND [OPTIONS] [INPUT ...]", ".SH DESCRIPTION", escaped(app.ABOUT), ".SH COMMANDS"]
    verbs = {verb.words: verb for verb in _verbs()}
    for entry in app.COMMANDS:
        if entry.exists and not entry.hidden:
            text, examples = help_of(entry.load(), entry.help)
            paragraphs = [" ".join(each.split()) for each in text.strip().split("\n\n")]
            out_lines += [f".SS voxcli {escaped(entry.words)}", *(line for each in paragraphs for line in (escaped(each), ".PP"))]
            for flag in verbs[entry.words].flags:
                out_lines += [".TP", f".B {escaped(', '.join(flag.names))}", escaped(flag.help) or "\\&"]
            out_lines += [".PP", "Examples:", ".nf", *(escaped(line.strip()) for line in examples.strip().splitlines()), ".fi"]
    return "\n".join(out_lines) + "\n"


@dataclass(frozen=True)
class Flag:
    """One option: its spellings, whether a value follows, the choices for it (none: a file name), one line of help."""

    names: tuple[str, ...]
    takes_value: bool
    choices: tuple[str, ...]
    help: str


@dataclass(frozen=True)
class Verb:
    """One command, or a group (`children`: next words with their help)."""

    words: str
    flags: tuple[Flag, ...]
    children: tuple[tuple[str, str], ...]
    choices: tuple[str, ...]


def script(shell: Page) -> str:
    """The completion script of a shell (one of SHELLS), for all commands that exist."""
    writers = {Page.bash: _bash, Page.zsh: _zsh, Page.fish: _fish}
    return writers[shell](list(_verbs()))


def _verbs() -> Iterator[Verb]:
    from voxcli.cli import app

    groups = ["", *(name + " " for name in app.GROUPS)]
    for prefix in groups:
        group = app.build_group(prefix=prefix)
        children = tuple(group.children().items())
        if children:
            yield Verb(prefix.strip(), _flags(group, None), children, ())
    for entry in app.COMMANDS:
        if entry.exists and not entry.hidden:
            function = options.standing(entry.load())
            positional = [c for p in inspect.signature(function).parameters for c in _choices_if_positional(function, p)]
            yield Verb(entry.words, _flags(app.build_command(entry), function), (), tuple(positional))


def _flags(command: Command, function: Callable[..., None] | None) -> tuple[Flag, ...]:
    flags = []
    for parameter in command.params:
        if not isinstance(parameter, TyperOption) or parameter.hidden:
            continue
        names = tuple(sorted((*parameter.opts, *parameter.secondary_opts), key=lambda name: (not name.startswith("--"), name)))
        takes_value = not (parameter.is_flag or parameter.count)
        choices = _choices(function, str(parameter.name)) if function is not None and takes_value else ()
        flags.append(Flag(names, takes_value, choices, " ".join((parameter.help or "").split())))
    flags.append(Flag(("--help", "-h"), False, (), "Show the help and stop."))
    return tuple(flags)


def _choices(function: Callable[..., None], name: str) -> tuple[str, ...]:
    """Choices of a parameter: the members of its Enum or Literal, or what its own completion offers."""
    hint = typing.get_type_hints(function, include_extras=True).get(name)
    if hint is None:
        return ()
    if typing.get_origin(hint) is Annotated:
        base, *extras = typing.get_args(hint)
        for extra in extras:
            if getattr(extra, "autocompletion", None):
                return tuple(extra.autocompletion(""))
        hint = base
    if typing.get_origin(hint) in (typing.Union, types.UnionType, list, tuple):
        return tuple(choice for part in typing.get_args(hint) for choice in _choices_of(part))
    return _choices_of(hint)


def _choices_of(hint: type) -> tuple[str, ...]:
    if typing.get_origin(hint) is typing.Literal:
        return tuple(map(str, typing.get_args(hint)))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return tuple(str(member.value) for member in hint)
    return ()


def _choices_if_positional(function: Callable[..., None], name: str) -> tuple[str, ...]:
    hint = typing.get_type_hints(function, include_extras=True).get(name)
    is_argument = any(type(extra).__name__ == "ArgumentInfo" for extra in typing.get_args(hint)[1:])
    return _choices(function, name) if is_argument else ()


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _header(shell: str, install: str) -> str:
    return f"# {shell} completion of voxcli, made by `voxcli completion {shell}`. {install}\n"


def _bash(verbs: list[Verb]) -> str:
    lines = [_header("bash", "Source it, or put it into ~/.local/share/bash-completion/completions/voxcli.")]
    lines += [
        "_voxcli() {",
        '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" verb="" word',
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '        case "$verb $word" in',
    ]
    known = [verb.words for verb in verbs if verb.words]
    lines.append("            " + "|".join(_quote(_spaced(words)) for words in known) + ') verb="${verb:+$verb }$word" ;;')
    lines += ["        esac", "    done", '    case "$verb:$previous" in']
    answers: dict[str, dict[str, str]] = {}  # flag -> command -> what is said to its value
    for verb in verbs:
        for flag in verb.flags:
            said = f'($(compgen -W {_quote(" ".join(flag.choices))} -- "$current")); return' if flag.choices else "(); return"
            for name in flag.names:
                answers.setdefault(name, {})[verb.words] = said if flag.takes_value else ""
    patterns: dict[str, list[str]] = {}  # what is said -> where
    for name, found in answers.items():
        everywhere = len(set(found.values())) == 1
        for words, said in [("*", next(iter(found.values())))] if everywhere else found.items():
            if said:
                patterns.setdefault(said, []).append(f"{words}:{name}" if everywhere else _quote(f"{words}:{name}"))
    lines += [f"        {'|'.join(where)}) COMPREPLY={said} ;;" for said, where in patterns.items()]
    spelt = {verb.words: [name for flag in verb.flags for name in flag.names] for verb in verbs}
    shared = [name for name in spelt[verbs[-1].words] if all(name in spelt[verb.words] for verb in verbs if not verb.children)]
    lines += ["    esac", f'    local common="{" ".join(shared)}"', '    case "$verb:$current" in']
    for verb in verbs:
        own = [name for name in spelt[verb.words] if verb.children or name not in shared]
        names = " ".join(own if verb.children else [*own, "$common"])
        lines.append(f'        {_quote(verb.words + ":-")}*) COMPREPLY=($(compgen -W "{names}" -- "$current")) ;;')
        words = " ".join([*(name for name, _ in verb.children), *verb.choices])
        if words:
            lines.append(f'        {_quote(verb.words + ":")}*) COMPREPLY=($(compgen -W {_quote(words)} -- "$current")) ;;')
    # -o default: file names wherever nothing else is offered
    lines += ["        *) COMPREPLY=() ;;", "    esac", "}", "complete -o default -F _voxcli voxcli"]
    return "\n".join(lines) + "\n"


def _spaced(words: str) -> str:
    """`verb word` as the loop of the bash script sees it: the words so far, a space, the next word."""
    before, _, last = words.rpartition(" ")
    return f"{before} {last}"


def _zsh_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _zsh(verbs: list[Verb]) -> str:
    named = {text: f"_vox{number}" for number, text in enumerate(_repeated(spec for verb in verbs for spec in _zsh_specs(verb)))}
    lines = ["#compdef voxcli", _header("zsh", "Put it into a folder of $fpath as _voxcli.")]
    lines += [f"typeset -g {name}={text}" for text, name in named.items()]
    for verb in verbs:
        lines.append(f"{_function(verb.words)}() {{")
        specs = [f"${named[spec]}" if spec in named else spec for spec in _zsh_specs(verb)]
        if verb.children:
            rows = " ".join(_quote(f"{name}:{text}") for name, text in verb.children)
            lines.append(f"    local -a words_here=({rows})")
            specs += ["'1:command:->command'", "'*::argument:->argument'"]
            lines.append("    local state line")
            lines.append("    _arguments -C " + " ".join(specs))
            lines.append("    case $state in")
            lines.append("        command) _describe command words_here ;;")
            lines.append("        argument)")
            lines.append("            case $line[1] in")
            for name, _ in verb.children:
                lines.append(f"                {name}) {_function((verb.words + ' ' + name).strip())} ;;")
            lines += ["            esac ;;", "    esac"]
        else:
            rest = f"({' '.join(verb.choices)})" if verb.choices else "_files"
            lines.append("    _arguments " + " ".join([*specs, _quote(f"*:input:{rest}")]))
        lines.append("}")
    lines += ['if [[ $funcstack[1] == _voxcli ]]; then _voxcli "$@"; else compdef _voxcli voxcli; fi']
    return "\n".join(lines) + "\n"


def _zsh_specs(verb: Verb) -> list[str]:
    """The arguments of zsh's _arguments for each flag, quoted."""
    values = [f":value:({' '.join(f.choices)})" if f.choices else ":value:_files" if f.takes_value else "" for f in verb.flags]
    pairs = list(zip(verb.flags, values, strict=True))
    return [_quote(f"*{name}[{_zsh_text(flag.help)}]{value}") for flag, value in pairs for name in flag.names]


def _repeated(texts: Iterable[str]) -> list[str]:
    """Those that occur more than once, in the order of their first."""
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    return [text for text, count in counts.items() if count > 1]


def _function(words: str) -> str:
    return "_voxcli" + "".join("_" + word.replace("-", "_") for word in words.split())


def _fish(verbs: list[Verb]) -> str:
    lines = [
        _header("fish", "Put it into ~/.config/fish/completions/voxcli.fish."),
        "function __voxcli_at  # whether the words of a command are on the line",
        "    for word in (string split ' ' -- $argv[1])",
        "        __fish_seen_subcommand_from $word; or return 1",
        "    end",
        "end",
        "function __voxcli_for  # complete, for each of the commands before --",
        "    set -l end (contains -i -- -- $argv)",
        "    for words in $argv[1..(math $end - 1)]",
        "        complete -c voxcli -n \"__voxcli_at '$words'\" $argv[(math $end + 1)..-1]",
        "    end",
        "end",
    ]
    options: dict[str, list[str]] = {}
    for verb in verbs:
        if verb.children:
            seen = f"; and __voxcli_at {_quote(verb.words)}" if verb.words else ""
            lines.append("set -l here " + _quote(f"not __fish_seen_subcommand_from {' '.join(name for name, _ in verb.children)}{seen}"))
            lines += [f"complete -c voxcli -n $here -f -a {name} -d {_quote(text)}" for name, text in verb.children]
            lines += [f"complete -c voxcli -n $here {_fish_option(flag)}" for flag in verb.flags]
            continue
        if verb.choices:
            lines.append(f"__voxcli_for {_quote(verb.words)} -- -f -a {_quote(' '.join(verb.choices))}")
        for flag in verb.flags:
            options.setdefault(_fish_option(flag), []).append(_quote(verb.words))
    named = {words: f"_vox{number}" for number, words in enumerate(_repeated(" ".join(words) for words in options.values()))}
    lines += [f"set -l {name} {words}" for words, name in named.items()]
    for option, words in options.items():
        those = " ".join(words)
        lines.append(f"__voxcli_for {'$' + named[those] if those in named else those} -- {option}")
    return "\n".join(lines) + "\n"


def _fish_option(flag: Flag) -> str:
    """The arguments of fish's complete for a flag."""
    spelt = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names)
    value = f" -x -a {_quote(' '.join(flag.choices))}" if flag.choices else " -r" if flag.takes_value else ""
    return f"{spelt}{value} -d {_quote(flag.help)}"
