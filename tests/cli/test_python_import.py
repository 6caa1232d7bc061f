"""`import voxcli` is light, and offers what it says."""

import ast
from pathlib import Path

import pytest
from processes import IMPORTS, modules_after, processor_seconds

import voxcli


def test_importing_voxcli_loads_nothing_heavy():
    loaded = modules_after("import voxcli")
    assert "voxcli" in loaded and not {"torch", "numpy", "scipy", "trimesh", "PIL", "yaml", "typer"} & loaded


def test_importing_voxcli_takes_half_as_long_as_a_few_modules_of_the_standard_library():
    def shares():
        for _ in range(10):  # the best counts: other work goes on beside it
            bare, light, yardstick = (processor_seconds("-c", code) for code in ("pass", "import voxcli", IMPORTS))
            yield (light - bare) / (yardstick - bare)

    assert any(share < 0.5 for share in shares())


def test_every_offered_name_is_there():
    assert all(getattr(voxcli, name) is not None for name in voxcli.__all__)
    assert set(voxcli.__all__) <= set(dir(voxcli))
    with pytest.raises(AttributeError):
        voxcli.nothing  # noqa: B018


def test_the_types_are_said():
    assert (Path(voxcli.__file__).parent / "py.typed").is_file()


def imported(path):
    """Every module, and everything out of a module, that a file imports anywhere; and what it may import by a name in a string."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_nothing_below_the_command_line_imports_it():
    package = Path(voxcli.__file__).parent
    outside = [path for path in package.rglob("*.py") if "cli" not in path.relative_to(package).parts and path.name != "__main__.py"]
    assert len(outside) > 100
    assert [(str(path), name) for path in outside for name in imported(path) if name.startswith("voxcli.cli")] == []
