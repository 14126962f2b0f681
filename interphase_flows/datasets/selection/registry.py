"""Registry of selection strategies: built-in ones, and those that other packages add by an entry point."""

from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name

from interphase_flows.datasets.selection.strategy import SelectionStrategy
from interphase_flows.exceptions import InputError

ENTRY_POINT_GROUP = "interphase_flows.selection_strategies"
"""Entry points of other packages: the name of a strategy to its function, ``newest = "my_package.newest:select"``."""

DEFAULT_STRATEGY = "random"
"""The simplest: none of the others needs measurably fewer labels (docs/add_a_selection_strategy.md)."""
_PACKAGE = "interphase_flows.datasets.selection"
BUILT_IN_STRATEGIES = {
    DEFAULT_STRATEGY: f"{_PACKAGE}.random_choice:select",
    "uncertainty_diverse": f"{_PACKAGE}.uncertainty_diverse:select",
    "uncertainty": f"{_PACKAGE}.uncertainty:select",
    "farthest_point": f"{_PACKAGE}.farthest_point:select",
    "feature_farthest_point": f"{_PACKAGE}.feature_farthest_point:select",
    "largest_cluster": f"{_PACKAGE}.largest_cluster:select",
    "environment_coverage": f"{_PACKAGE}.environment_coverage:select",
}

STRATEGIES_OF_ALL_FRAMES = (DEFAULT_STRATEGY,)
"""Strategies that select among all stored frames of the exploration, not only those above the selection level."""

STRATEGIES_WITHOUT_FEATURES = (DEFAULT_STRATEGY, "uncertainty_diverse", "uncertainty", "farthest_point")
"""Strategies whose selection does not depend on the committee that gives the features."""


def strategy_names() -> tuple[str, ...]:
    """Return the names of all selection strategies."""
    return (*BUILT_IN_STRATEGIES, *(name for name in _external() if name not in BUILT_IN_STRATEGIES))


def selection_strategy(name: str) -> SelectionStrategy:
    """Return the selection strategy of a name; its module is imported only now.

    Raises
    ------
    InputError
        There is no such strategy, or its entry point cannot be loaded.
    """
    if name in BUILT_IN_STRATEGIES:
        built_in: SelectionStrategy = resolve_name(BUILT_IN_STRATEGIES[name])
        return built_in
    external = _external()
    if name not in external:
        raise InputError(f"unknown selection strategy {name!r}. Hint: choose one of {', '.join(strategy_names())}")
    try:
        strategy: SelectionStrategy = external[name].load()
    except Exception as error:  # third-party code at import
        raise InputError(
            f"entry point {name} = {external[name].value!r} of {ENTRY_POINT_GROUP} cannot be loaded: "
            f"{type(error).__name__}: {error}. Hint: repair or uninstall that package"
        ) from error
    return strategy


def _external() -> dict[str, EntryPoint]:
    return {entry_point.name: entry_point for entry_point in entry_points(group=ENTRY_POINT_GROUP)}
