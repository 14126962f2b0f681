"""The block of a campaign file that names a reference method and its settings."""

from typing import Annotated, Any, Union

from pydantic import BeforeValidator, Field, SerializeAsAny, TypeAdapter

from interphase_flows.reference.registry import method_specs
from interphase_flows.reference.spec import MethodSpec


def _reference_spec(value: Any) -> Any:
    """Validate the block of a registered method; ``reference: gpaw`` is short for ``reference: {method: gpaw}``."""
    if isinstance(value, MethodSpec):
        return value
    if isinstance(value, str):
        value = {"method": value}
    elif isinstance(value, dict):
        value = {"method": "chgnet", **value}
    registered: Any = Union[tuple(method_specs().values())]  # noqa: UP007 - members known at run time only
    adapter: TypeAdapter[MethodSpec] = TypeAdapter(Annotated[registered, Field(discriminator="method")])
    return adapter.validate_python(value)


ReferenceSpec = Annotated[SerializeAsAny[MethodSpec], BeforeValidator(_reference_spec)]
"""Reference method: the name of a registered method, or a block with its settings."""
