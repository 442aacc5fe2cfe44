"""docs/catalogue.md: everything that can be named, generated from the code and the built-in files."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.app import built_in, make_catalogue
from chaos.domain.files import Files
from chaos.entries import KINDS, Entry, ParameterEntry, entries

TARGET = "k9s"
HEAD = f"""# The catalogue

Everything that can be named, as `mlchaos list` and `mlchaos show NAME` tell it. This page is generated
(`make catalogue`); a test compares it with the code. Layers are those of `{TARGET}`, the reference stack.
"""
TITLES = {
    "scenarios": "Scenarios",
    "faults": "Faults",
    "layers": "Layers",
    "probes": "Probes",
    "targets": "Targets",
}


def page() -> str:
    """The page's text: built-in scenarios, targets, faults and probes, and no others."""
    files = Files([built_in("scenarios")], [built_in("targets")])
    spec, _ = files.target(TARGET)
    scenarios = [files.scenario(str(found.path))[0] for found in files.scenarios()]
    targets = [files.target(found.name)[0] for found in files.targets()]
    lines = [HEAD]
    for kind in KINDS:
        lines += [f"## {TITLES[kind]}", ""]
        for entry in entries(kind, make_catalogue(), spec, scenarios, targets):
            lines += _entry(entry)
    return "\n".join(lines).rstrip() + "\n"


def _entry(entry: Entry) -> Iterator[str]:
    yield from (f"### `{entry.name}`", "", _escaped(entry.sentence), "")
    if entry.text:
        yield from (entry.text, "")
    for name, says in entry.facts:
        yield f"- {name}: {_escaped(says)}"
    if entry.facts:
        yield ""
    if entry.parameters:
        yield "| parameter | unit | range | default | |"
        yield "|---|---|---|---|---|"
        for parameter in entry.parameters:
            yield _parameter(parameter)
        yield ""


def _parameter(parameter: ParameterEntry) -> str:
    default = "required" if parameter.default is None else parameter.default
    cells = (parameter.unit, parameter.range, default, parameter.says)
    return f"| `{parameter.name}` | " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
