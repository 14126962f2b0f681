"""Write command_line.md, the reference of all commands, from the help of the command line."""

import re
from pathlib import Path

from typer import Context
from typer.cli import get_docs_for_click
from typer.main import get_command

from interphase_flows.cli import app

PAGE = Path(__file__).parent / "command_line.md"


def page() -> str:
    """Return the page as Markdown."""
    command = get_command(app)
    text = get_docs_for_click(obj=command, ctx=Context(command), name="interphase", title="Command line")
    text = re.sub(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n", "", text)  # a list of shortened descriptions
    return re.sub(r"\[/?bold\]", "`", text).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
