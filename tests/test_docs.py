"""Every command and code block in README and docs is executed; shown output is compared."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tropixc.frontends.onnx import operator_table

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples/models/README.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_blocks_are_of_known_kinds(page: Path) -> None:
    kinds = {kind for kind, _ in BLOCK.findall(page.read_text())}
    assert kinds <= ({"sh", "console", "python"} if page.name == "README.md" else {"console", "python"})


def test_the_readme_has_exactly_two_set_up_commands() -> None:
    commands = [line for text in blocks(ROOT / "README.md", "sh") for line in text.splitlines() if line]
    assert len(commands) == 2
    assert "tropix compile" in commands[0]
    assert commands[1].endswith("-m pytest")


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_python_blocks_run(page: Path, workplace: Path) -> None:
    script = "\n".join(blocks(page, "python"))
    result = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for expected in re.findall(r"print\(.*\) +# (.*)", script):
        assert expected in result.stdout


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "console")], ids=lambda p: p.name)
def test_commands_print_what_is_shown(page: Path, workplace: Path) -> None:
    for text in blocks(page, "console"):
        for session in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, expected = session.partition("\n")
            assert command.startswith("tropix ")
            line = f'"{sys.executable}" -m tropixc.cli {command.removeprefix("tropix ")}'
            result = subprocess.run(line, shell=True, capture_output=True, text=True)
            assert result.returncode == 0, result.stderr
            shown = "\n".join(part.rstrip() for part in result.stdout.splitlines()) + "\n"
            assert doctest.OutputChecker().check_output(expected, shown, FLAGS), f"$ {command}\n{shown}"


def test_the_picture_is_drawn_by_its_script(workplace: Path) -> None:
    target = workplace / "iris.png"
    subprocess.run([sys.executable, "examples/draw_iris.py", target], check=True, capture_output=True)
    assert target.read_bytes().startswith(b"\x89PNG")
    assert target.stat().st_size > 50_000


def test_the_table_of_operators_is_the_registry() -> None:
    """Made with: tropix operators --markdown"""
    assert f"\n{operator_table()}\n" in (ROOT / "docs/onnx.md").read_text()


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", BLOCK.sub("", page.read_text())):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
