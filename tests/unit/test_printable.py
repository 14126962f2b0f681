"""Text of documents is printed without characters that a terminal obeys."""

import io
import json

import pytest
from rich.table import Table

from interphase_flows.cli import progress_display
from interphase_flows.cli.application import PlainConsole, write_line
from interphase_flows.printable import printable, printable_lines
from interphase_flows.runtime.progress import emit
from interphase_flows.storage.queries import to_csv, to_json, to_table

HOSTILE = "a\x1b[2J\x9b31mb\u202ec\r\x07\u2028\udc80[bold][/x]:smile:"
SHOWN = r"a\x1b[2J\x9b31mb\u202ec\r\x07\u2028\udc80[bold][/x]:smile:"


def test_control_characters_and_marks_of_direction_are_escaped():
    assert printable(HOSTILE) == SHOWN
    assert printable("x\n\ty") == r"x\n\ty"
    assert printable_lines("x\n\ty\x00") == "x\n\ty\\x00"


def test_text_of_science_is_unchanged():
    text = "Li₇P₃S₁₁ 3 Å² ± 0.1 meV/Å³, 1\u2009000\u00a0K, 李 − µ …"
    assert printable(text) == text


def test_lines_tables_and_progress_show_the_escaped_text(capsys):
    write_line(HOSTILE)
    console = PlainConsole()
    table = Table(HOSTILE, box=None)
    table.add_row(HOSTILE)
    console.print(table, width=300)
    console.print(HOSTILE, width=300)
    with progress_display.shown_progress(PlainConsole(stderr=True)):
        emit(HOSTILE, 1, 2, HOSTILE)
    shown = capsys.readouterr()
    assert shown.out.count(SHOWN) == 4
    assert shown.err.count(SHOWN) == 2


def test_bars_show_the_escaped_text():
    console = PlainConsole()
    console.file, console._force_terminal = io.StringIO(), True
    with progress_display._bars(console):
        emit(HOSTILE, 1, 2, HOSTILE)
        emit(progress_display.ITERATION, 1, 2, HOSTILE)
    text = console.file.getvalue()
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert r"a\x1b" in text


@pytest.mark.parametrize("write", [to_table, to_json, to_csv])
def test_results_of_queries_are_printed_without_control_characters(write, capsys):
    write_line(write([{"name": HOSTILE, "nested": {"x": HOSTILE}}]))
    shown = capsys.readouterr().out
    assert printable_lines(shown) == shown


def test_csv_and_json_keep_the_values_of_texts():
    assert '"x\ny\x1b"' in to_csv([{"name": "x\ny\x1b"}])
    assert json.loads(to_json([{"name": HOSTILE}])) == [{"name": HOSTILE}]
