"""The table of docs/explanation/threat-model.md says what there is."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "docs/explanation/threat-model.md").read_text(encoding="utf-8")
# The plan's rows; those that wait for what is not there yet are named below the table.
SECTIONS = {"A": 11, "B": 14, "C": 5, "D": 4, "F": 7, "S": 7, "X": 9}
ROWS = {f"{letter}{number}" for letter, most in SECTIONS.items() for number in range(1, most + 1)}


def by_row() -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (match := re.match(r"test_([A-Z]\d+)_", node.name)):
                found.setdefault(match[1], Counter())[str(path.relative_to(ROOT / "tests"))] += 1
    return found


def test_every_row_has_the_tests_that_the_table_names() -> None:
    lines = [line.split(" | ") for line in MODEL.splitlines() if re.match(r"\| [A-Z]\d+ \|", line)]
    table = {cells[0].strip("| "): cells[3] for cells in lines}
    tests = by_row()
    assert set(table) == set(tests)
    for row, files in tests.items():
        assert table[row] == ", ".join(f"{name} ({number})" for name, number in sorted(files.items())), row


def test_every_row_of_the_plan_is_there_or_left_out_by_name() -> None:
    left_out = set(
        re.findall(r"\b[A-Z]\d+\b", MODEL.partition("Rows without a test:")[2].partition("\n\n")[0])
    )
    assert set(by_row()) | left_out == ROWS
    assert not set(by_row()) & left_out
