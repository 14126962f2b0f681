"""Reader of YAML files, which reports all mistakes at once with their lines."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from interphase_flows.campaign.yaml_file import load_yaml_model
from interphase_flows.exceptions import CampaignFileError


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Item(Strict):
    k: int


class Dynamics(Strict):
    n_steps: int = Field(gt=0)
    temperature_K: float = Field(le=5000)
    items: list[Item] = []

    @model_validator(mode="after")
    def _even(self):
        if self.n_steps % 2:
            raise ValueError("n_steps must be even; use a multiple of 2")
        return self


class Vasp(Strict):
    type: Literal["vasp"]
    encut_eV: float


class Gpaw(Strict):
    type: Literal["gpaw"]
    ecut_eV: float


class Campaign(Strict):
    name: str
    dynamics: Dynamics
    method: Annotated[Vasp | Gpaw, Field(discriminator="type")] | None = None
    seed: int | Literal["random"] = 0
    table: dict[str, Item] = {}


def error_lines(tmp_path, text):
    """Return the lines of the error, without the path."""
    path = tmp_path / "campaign.yaml"
    path.write_text(text)
    with pytest.raises(CampaignFileError) as caught:
        load_yaml_model(path, Campaign)
    return [line.removeprefix(str(path)) for line in str(caught.value).splitlines()]


def test_valid_file_is_read_into_a_model(tmp_path):
    path = tmp_path / "campaign.yaml"
    path.write_text(
        "# comment\nname: x\ndynamics: {n_steps: 2, temperature_K: 3e2, items: [{k: 1}]}\n"
        "method:\n  type: gpaw\n  ecut_eV: 300\ntable: {a: {k: 1}}\n"
    )
    campaign = load_yaml_model(path, Campaign)
    assert campaign.dynamics.temperature_K == 300.0
    assert campaign.method == Gpaw(type="gpaw", ecut_eV=300)


def test_all_mistakes_are_reported_at_once_with_lines(tmp_path):
    lines = error_lines(
        tmp_path,
        "name: x\n"
        "dynamics:\n"
        "  n_steps: -3\n"
        "  tempreture_K: 300\n"
        "  items:\n"
        "  - {k: 1}\n"
        "  - k: foo\n"
        "    kk: 3\n"
        "method: {type: vsp, encut_eV: 3}\n"
        "name: y\n"
        "table:\n"
        "  row: {l: 1}\n",
    )
    assert lines == [
        ": 9 mistakes; nothing was started",
        ":2: dynamics.temperature_K: missing; add it",
        ":3: dynamics.n_steps: given -3 (integer); must be greater than 0",
        ":4: dynamics.tempreture_K: unknown key; did you mean 'temperature_K'? "
        "allowed keys: items, n_steps, temperature_K",
        ":7: dynamics.items.1.k: given 'foo' (text); must be a valid integer, unable to parse string as an integer",
        ":8: dynamics.items.1.kk: unknown key; did you mean 'k'? allowed keys: k",
        ":9: method: 'type' = 'vsp' is unknown; allowed: 'vasp', 'gpaw'",
        ":10: name: given twice, first on line 1; keep one",
        ":12: table.row.k: missing; add it",
        ":12: table.row.l: unknown key; allowed keys: k",
    ]


def test_allowed_keys_of_a_union_are_those_of_the_selected_member(tmp_path):
    lines = error_lines(
        tmp_path,
        "name: x\ndynamics: {n_steps: 2, temperature_K: 1}\nmethod:\n  type: gpaw\n  encut_eV: 3\n",
    )
    assert lines[1:] == [
        ":3: method.ecut_eV: missing; add it",
        ":5: method.encut_eV: unknown key; did you mean 'ecut_eV'? allowed keys: ecut_eV, type",
    ]


@pytest.mark.parametrize(
    ("dynamics", "message"),
    [
        (
            "{n_steps: 2, temperature_K: hot}",
            ":2: dynamics.temperature_K: given 'hot' (text); must be a valid number",
        ),
        ("{n_steps: 2, temperature_K: 1e9}", "must be less than or equal to 5000"),
        ("{n_steps: 2.5, temperature_K: 1}", "given 2.5 (number); must be a valid integer"),
        ("{n_steps: 3, temperature_K: 1}", ":2: dynamics: n_steps must be even; use a multiple of 2"),
        ("{n_steps: , temperature_K: 1}", "given nothing; must be a valid integer"),
        ("[1, 2]", ":2: dynamics: given a list of 2; must be"),
        ("{n_steps: 2, temperature_K: {a: 1}}", "given a mapping; must be a valid number"),
    ],
)
def test_wrong_types_and_ranges_are_reported_with_value_and_unit(tmp_path, dynamics, message):
    lines = error_lines(tmp_path, f"name: x\ndynamics: {dynamics}\n")
    assert message in lines[1]


def test_mistake_in_a_union_of_simple_types_names_the_key(tmp_path):
    lines = error_lines(tmp_path, "name: x\ndynamics: {n_steps: 2, temperature_K: 1}\nseed: [1]\n")
    assert all(line.startswith(":3: seed: given a list of 1; must be") for line in lines[1:])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: the file is empty"),
        ("# only this\n", ":1: the file is empty"),
        ("- a\n", ":1: the file contains a list; it must contain `key: value` lines"),
        ("text\n", ":1: the file contains a single value, 'text'"),
        (
            "name:\n\tx: 1\n",
            ":2: not YAML: found character '\\t' that cannot start any token. Hint: indent with spaces",
        ),
        ("name: [1,\nb: 2\n", ":3: not YAML"),
        ("name: x\n  b: 2\n", ":2: not YAML: mapping values are not allowed here"),
        ("name: *x\n", ":1: not YAML: found undefined alias"),
        ("name: !!python/object:os.system x\n", ":1: not YAML"),
    ],
)
def test_invalid_yaml_is_reported_with_its_line(tmp_path, text, message):
    """No Python object is ever constructed."""
    assert message in "\n".join(error_lines(tmp_path, text))


def test_missing_or_unreadable_file_is_reported(tmp_path):
    (tmp_path / "one.yaml").touch()
    with pytest.raises(CampaignFileError, match=r"two\.yaml: no such file\. Hint: files in this folder: one\.yaml"):
        load_yaml_model(tmp_path / "two.yaml", Campaign)
    with pytest.raises(CampaignFileError, match="cannot be read as text"):
        load_yaml_model(tmp_path, Campaign)
    (tmp_path / "one.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CampaignFileError, match="UTF-8"):
        load_yaml_model(tmp_path / "one.yaml", Campaign)


def test_yaml_anchors_and_merges_are_supported(tmp_path):
    path = tmp_path / "campaign.yaml"
    path.write_text("name: x\ntable:\n  a: &a {k: 1}\n  b: {<<: *a}\ndynamics: {n_steps: 2, temperature_K: 1}\n")
    assert load_yaml_model(path, Campaign).table["b"].k == 1


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{last}'] * 10)}]\n" for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{last}'] * 30)}]}}\n"
    for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "expand to more than 100,000 values"),
        (MERGES, "expand to more than 100,000 values"),
        ("name: &a [*a]\n", "the value contains itself"),
        ("name: &a {b: {c: *a}}\n", "the value contains itself"),
        ("&a name: x\ntable: &b {<<: *b}\n", "contains itself"),
        ("name: " + "[" * 20000, "not YAML|nested more than"),
        ("name: " + "[" * 200 + "]" * 200 + "\n", "nested more than 40 deep"),
        ("name: " + "{a: " * 60 + "}" * 60 + "\n", "nested more than 40 deep"),
        ("name: x\nseed: " + "9" * 5000 + "\n", "not YAML: Exceeds the limit|given"),
        ("name: 2001-99-99\n", "not YAML|given"),
        ("name: !!binary zzz=\n", "not YAML|given"),
        ("? [a, b]\n: 1\n", "not YAML|unknown|missing"),
        ('name: "\\0"\n1: 2\n', "missing"),
        ("name: x\0y\n", "not YAML"),
        ("#" * 2_000_000, "larger than 1,000,000 bytes"),
    ],
)
def test_references_nesting_and_odd_scalars_are_rejected(text, message, tmp_path):
    path = tmp_path / "campaign.yaml"
    path.write_text(text)
    with pytest.raises(CampaignFileError, match=message) as caught:
        load_yaml_model(path, Campaign)
    assert len(str(caught.value)) < 5000


def test_long_keys_and_values_are_shortened_in_messages(tmp_path):
    text = f'name: x\ndynamics: {{n_steps: {"x" * 9000}, temperature_K: 1}}\n{"k" * 900}: 1\n"c\\u001b[31m": 1\n'
    lines = error_lines(tmp_path, text)
    assert all(len(line) < 400 for line in lines)
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_impossible_paths_of_files_are_rejected(name):
    with pytest.raises(CampaignFileError, match=r"cannot be read|no such file"):
        load_yaml_model(name, Campaign)
