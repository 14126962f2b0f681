"""How numbers are written: with their standard error, or with the words that there is none."""

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def with_error(
    value: float | None, error: float | None, n: int, unit: str = "", what: str = "replicas"
) -> str:
    """Write a value with its standard error, rounded to two digits of the error.

    Parameters
    ----------
    value
        The number; None is written as a dash.
    error
        Standard error; None or nan when there is none.
    n
        How many independent values stand behind it.
    unit
        Written after the number.
    what
        What `n` counts.
    """
    if value is None or not math.isfinite(value):
        return "–"
    unit = f" {unit}" if unit else ""
    if n < 2 or error is None or not math.isfinite(error):
        return f"{rounded(value)}{unit} (n = {n}, no interval)"
    if error == 0:
        return f"{rounded(value)} ± 0{unit} (n = {n} {what})"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{minus(f'{value:.{digits}f}')} ± {error:.{digits}f}{unit} (n = {n} {what})"


def rounded(value: float | None, digits: int = 3) -> str:
    """Write a value to so many significant digits, a dash for None."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return minus(f"{value:,.{decimals}f}")


def with_interval(value: float | None, lower: float | None, upper: float | None, digits: int = 3) -> str:
    """Write a value with its interval, small and large ones with one power of ten for all: 9.3 [7.4, 11.1] × 10⁻⁶."""
    if value is None or not math.isfinite(value):
        return "–"
    known = lower is not None and upper is not None and math.isfinite(lower) and math.isfinite(upper)
    largest = max(abs(x) for x in (value, lower, upper) if x is not None and math.isfinite(x))
    power = math.floor(math.log10(abs(value) or largest)) if largest > 0 else 0
    shown, power = ("", 0) if -2 <= power < 5 else (f" × 10{str(power).translate(_SUPERSCRIPTS)}", power)
    scale = 10.0**-power
    if lower is None or upper is None or not known:
        return f"{rounded(value * scale, digits)}{shown} (no interval)"
    return f"{rounded(value * scale, digits)} [{rounded(lower * scale, digits)}, {rounded(upper * scale, digits)}]{shown}"


def minus(text: str) -> str:
    """Write a true minus sign."""
    return text.replace("-", "−", 1) if text.startswith("-") else text


def duration(seconds: float) -> str:
    """Write a time span in the units a reader would use."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
