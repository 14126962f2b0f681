"""The specification of a campaign from its document in the ledger."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import InputError


def stored_specification(state: Mapping[str, Any]) -> Campaign:
    """Return the specification in the document of a campaign.

    Raises
    ------
    InputError
        It is damaged, or has keys that this version of the package does not know.
    """
    try:
        return Campaign.model_validate(state.get("spec"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "spec"
        raise InputError(
            f"campaign {state.get('key')}: its stored specification is damaged, or of another version: {key}: "
            f"{first['msg']}. Hint: interphase run FILE --accept-changes stores that of its campaign file"
        ) from error
