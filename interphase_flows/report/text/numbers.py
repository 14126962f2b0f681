"""Format numbers, with their standard error or interval where there is one."""

import math

from interphase_flows.analysis.statistics.estimate import Estimate

_UNITS = {
    "angstrom2_per_ps": "Å²/ps",
    "angstrom_per_ps": "Å/ps",
    "angstrom": "Å",
    "per_ps": "1/ps",
    "ps": "ps",
}
"""Unit by the suffix of a name, longer suffixes first."""
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def with_error(value: float | None, error: float | None, n: float, unit: str = "", what: str = "replicas") -> str:
    """Format a value with its standard error, rounded to two digits of the error.

    Parameters
    ----------
    value
        The number; a dash for None.
    error
        Standard error; None or nan when there is none.
    n
        Number of independent values.
    unit
        Follows the number.
    what
        What `n` counts.
    """
    if value is None or not math.isfinite(value):
        return "–"
    unit = f" {unit}" if unit else ""
    if n < 2 or error is None or not math.isfinite(error):
        return f"{rounded(value)}{unit} (n = {n:g}, no interval)"
    if error == 0:
        return f"{rounded(value)} ± 0{unit} (n = {n:g} {what})"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{minus(f'{value:.{digits}f}')} ± {error:.{digits}f}{unit} (n = {n:g} {what})"


def rounded(value: float | None, digits: int = 3) -> str:
    """Format a value to some significant digits; a dash for None and NaN."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return minus(f"{value:,.{decimals}f}")


def interval(estimate: Estimate, digits: int = 3) -> str:
    """Format an estimate with its interval, with one power of ten if it is small or large: 9.3 [7.4, 11.1] × 10⁻⁶.

    An interval that includes zero resolves only the digits of its larger end: 0.008 [−0.345, 0.360].
    """
    value, lower, upper = (float(x) for x in (estimate.value, estimate.lower, estimate.upper))
    if not math.isfinite(value):
        return "–"
    largest = max(abs(x) for x in (value, lower, upper) if math.isfinite(x))
    includes_zero = lower < 0 < upper
    power = math.floor(math.log10(largest if includes_zero or value == 0 else abs(value))) if largest > 0 else 0
    shown, power = ("", 0) if -2 <= power < 5 else (f" × 10{str(power).translate(_SUPERSCRIPTS)}", power)
    scale = 10.0**-power
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return f"{rounded(value * scale, digits)}{shown} (no interval)"
    numbers = [x * scale for x in (value, lower, upper)]
    if includes_zero:
        decimals = max(0, digits - 1 - math.floor(math.log10(largest * scale)))
        texts = [minus(f"{x:,.{decimals}f}") if round(x, decimals) else "0" for x in numbers]
    else:
        texts = [rounded(x, digits) for x in numbers]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]{shown}"


def percent(estimate: Estimate) -> str:
    """Format a fraction in per cent, with its interval where there is one."""
    value, lower, upper = (100 * float(x) for x in (estimate.value, estimate.lower, estimate.upper))
    if not math.isfinite(value):
        return "–"
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return f"{rounded(value, 2)} %"
    return f"{rounded(value, 2)} % [{rounded(lower, 2)}, {rounded(upper, 2)}]"


def lifetime(estimate: Estimate) -> str:
    """Format a median lifetime in ps, whose value or upper end may lie beyond the run."""
    value, lower, upper = (float(x) for x in (estimate.value, estimate.lower, estimate.upper))
    if not math.isfinite(value):
        least = f", at least {rounded(lower, 2)} ps" if math.isfinite(lower) else ""
        return f"longer than the run{least}"
    end = rounded(upper, 2) if math.isfinite(upper) else "longer than the run"
    return f"{rounded(value, 2)} ps [{rounded(lower, 2)}, {end}]"


def quantity(name: str) -> str:
    """Return the name of a parameter with its unit: ``rate_angstrom_per_ps`` is 'rate (Å/ps)'."""
    for suffix, unit in _UNITS.items():
        if name.endswith(f"_{suffix}"):
            return f"{name.removesuffix(f'_{suffix}').replace('_', ' ')} ({unit})"
    return name.replace("_", " ")


def minus(text: str) -> str:
    """Replace a leading hyphen by a minus sign."""
    return text.replace("-", "−", 1) if text.startswith("-") else text


def duration(seconds: float) -> str:
    """Format a time span in seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def short(value: float | None, digits: int = 2) -> str:
    """Format a number of any size with few digits: 0.012, 3.4e-9; ∞ if it is missing or infinite."""
    if value is None or not math.isfinite(value):
        return "∞"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        return rounded(value, digits)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{minus(mantissa)}e{minus(str(int(exponent)))}"
