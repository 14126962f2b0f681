"""From a campaign's spec, or a bare name, to a reference method on this machine."""

from interphase_flows.exceptions import InputError
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.reference.spec import METHOD_SPECS, MethodSpec
from interphase_flows.settings import Settings, load_settings


def method_spec(name: str) -> MethodSpec:
    """Return the spec of a method with its defaults.

    Raises
    ------
    InputError
        There is no such method.
    """
    specs = {cls.model_fields["method"].default: cls for cls in METHOD_SPECS}
    if name not in specs:
        raise InputError(f"reference.method: {name!r} is not known; choose one of {', '.join(specs)}")
    return specs[name](method=name)


def reference_method(spec: MethodSpec | str, settings: Settings | None = None) -> ReferenceMethod:
    """Return a reference method.

    Parameters
    ----------
    spec
        Its block of the campaign file, or its name (with defaults for the rest).
    settings
        Of this machine; read if None.

    Raises
    ------
    InputError
        There is no such method, or this machine lacks what it needs.
    """
    spec = method_spec(spec) if isinstance(spec, str) else spec
    return spec.build(load_settings() if settings is None else settings)
