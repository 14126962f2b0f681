"""The Jinja environment of all pages and sections."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from interphase_flows.analysis.interfaces.detection import NO_INTERFACE
from interphase_flows.analysis.results import Unavailable
from interphase_flows.printable import printable_lines
from interphase_flows.report.text.numbers import (
    duration,
    interval,
    lifetime,
    minus,
    percent,
    quantity,
    rounded,
    short,
)


def _visible(value: object) -> object:
    """Escape control characters and marks of text direction, which hide or reorder text of documents."""
    return printable_lines(value) if type(value) is str else value  # not Markup, whose parts have been escaped


@cache
def section_environment() -> Environment:
    """Return the environment: templates of this folder, filters for numbers, tests for results.

    A result that is `Unavailable` passes the test ``unavailable``, and ``without_interface`` if that is because no
    interface can be followed.
    """
    environment = Environment(
        loader=PackageLoader("interphase_flows.report", "sections"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=duration,
        interval=interval,
        lifetime=lifetime,
        minus=minus,
        percent=percent,
        quantity=quantity,
        rounded=rounded,
        short=short,
        spaced=lambda name: name.replace("_", " "),
        # capitalize would turn Li2S into Li2s
        sentence=lambda text: text[:1].upper() + text[1:],
    )
    environment.tests.update(
        unavailable=lambda result: isinstance(result, Unavailable),
        without_interface=lambda result: isinstance(result, Unavailable) and result.reason == NO_INTERFACE,
    )
    return environment
