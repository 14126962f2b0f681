"""Registry of reference methods: built-in specs, and those that other packages add by an entry point."""

from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name

from interphase_flows.exceptions import InputError
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.reference.spec import ChgnetSpec, GpawSpec, MethodSpec, VaspSpec
from interphase_flows.settings import Settings, load_settings

ENTRY_POINT_GROUP = "interphase_flows.reference_methods"
"""Entry points of other packages: the name of a method to its spec, ``emt = "my_package.emt:EMTSpec"``."""

BUILT_IN_SPECS: dict[str, type[MethodSpec]] = {"chgnet": ChgnetSpec, "gpaw": GpawSpec, "vasp": VaspSpec}


def method_specs() -> dict[str, type[MethodSpec]]:
    """Return the spec class of every reference method, by name.

    Raises
    ------
    InputError
        An entry point cannot be loaded, is not a `MethodSpec`, or takes a name that is in use.
    """
    specs = dict(BUILT_IN_SPECS)
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        if entry_point.name in specs:
            raise InputError(
                f"{_origin(entry_point)}: a reference method {entry_point.name!r} exists already. "
                "Hint: rename it in that package, or uninstall the package"
            )
        specs[entry_point.name] = _load(entry_point)
    return specs


def method_spec(name: str) -> MethodSpec:
    """Return the spec of a method with its default settings; an unknown name is an InputError."""
    specs = method_specs()
    if name not in specs:
        raise InputError(f"reference.method: {name!r} is unknown. Hint: choose one of {', '.join(specs)}")
    return specs[name](method=name)


def reference_method(spec: MethodSpec | str, settings: Settings | None = None) -> ReferenceMethod:
    """Create the reference method of a spec, or of a name with default settings; its module is imported only now.

    Raises
    ------
    InputError
        No method has this name.
    SettingsError
        This machine lacks what the method needs.
    """
    spec = method_spec(spec) if isinstance(spec, str) else spec
    method: ReferenceMethod = resolve_name(spec.implementation)(spec, load_settings() if settings is None else settings)
    return method


def _load(entry_point: EntryPoint) -> type[MethodSpec]:
    try:
        spec = entry_point.load()
    except Exception as error:  # third-party code at import
        raise InputError(
            f"{_origin(entry_point)}: cannot be loaded: {type(error).__name__}: {error}. "
            "Hint: repair or uninstall that package"
        ) from error
    if not (isinstance(spec, type) and issubclass(spec, MethodSpec)):
        raise InputError(f"{_origin(entry_point)}: is not a subclass of interphase_flows.reference.spec.MethodSpec")
    return spec


def _origin(entry_point: EntryPoint) -> str:
    package = "" if entry_point.dist is None else f" of the package {entry_point.dist.name}"
    return f"entry point {entry_point.name} = {entry_point.value!r}{package}"
