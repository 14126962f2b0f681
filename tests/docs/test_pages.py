"""What README and docs say is so: commands, links, images, the reference of the campaign file, the floors."""

import re
import runpy
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from interphase_flows import __version__
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.yaml_file import load_yaml_model
from interphase_flows.cli import app
from interphase_flows.settings import MongodbSettings, Settings

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
QUICKSTART = REPOSITORY / "workflows" / "li_li7p3s11_quickstart.yaml"
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "launchers/README.md")),
    *sorted(DOCS.glob("*.md")),
]
NOT_YET: set[str] = set()
"""Commands that a page may name because it says that they are not there yet."""
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
# in a block at the start of a line, else right after the backtick; a placeholder in <> is no command
COMMAND = re.compile(r"(?:^|`)interphase ([a-z][a-z_-]*)", re.MULTILINE)
HOUSE = re.compile(r"(?<![\w.])/(?:work|tmp|home|root)/")


def commands() -> dict[str, Any]:
    return typer.main.get_command(app).commands  # type: ignore[attr-defined]


def pyproject() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def by_name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def code_of(page: Path) -> str:
    return "\n".join(CODE.findall(page.read_text(encoding="utf-8")))


def test_every_command_is_in_the_readme() -> None:
    """README names every command there is."""
    assert set(commands()) <= set(COMMAND.findall(code_of(REPOSITORY / "README.md")))


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    """`interphase <command>` is a command, or one that the page says is not there yet."""
    named = set(COMMAND.findall(code_of(page)))
    assert named <= set(commands()) | NOT_YET
    if named & NOT_YET:
        assert "not there yet" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    """Options behind a command in a block or in backticks belong to that command."""
    for line in code_of(page).splitlines():
        for match in COMMAND.finditer(line):
            if match[1] in NOT_YET:
                continue
            known = {name for option in commands()[match[1]].params for name in option.opts} | {"--help"}
            rest = line[match.end() :].split("#")[0]
            assert set(re.findall(r"(?<= )--[a-z][a-z-]*", rest)) <= known, line


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_relative_links_and_images_exist(page: Path) -> None:
    """A link without a scheme leads to a file of the repository."""
    targets = [target.split("#")[0] for target in LINK.findall(page.read_text(encoding="utf-8"))]
    missing = [t for t in targets if t and "://" not in t and not (page.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    """A path in backticks that begins with a folder of the repository or a room is there."""
    rooms = [path.name for path in (REPOSITORY / "interphase_flows").iterdir() if path.is_dir()]
    tops = ("interphase_flows", "docs", "tests", "workflows", "launchers", "benchmarks")
    for path in re.findall(r"`([a-z_]+/[A-Za-z0-9_./-]*)`", page.read_text(encoding="utf-8")):
        if path.split("/")[0] in tops:
            assert (REPOSITORY / path).exists(), path
        elif path.split("/")[0] in rooms:
            assert (REPOSITORY / "interphase_flows" / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_no_page_names_a_path_of_one_machine(page: Path) -> None:
    """Paths in the docs are relative, or those of the reader."""
    assert not HOUSE.search(page.read_text(encoding="utf-8"))


def test_every_page_is_in_the_index() -> None:
    """docs/index.md leads to every other page."""
    linked = set(LINK.findall((DOCS / "index.md").read_text(encoding="utf-8")))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"index.md"}


def test_the_campaign_reference_is_up_to_date() -> None:
    """docs/campaign_file.md is what its generator writes; else run `make docs`."""
    generator = runpy.run_path(str(DOCS / "generate_campaign_reference.py"))
    assert generator["PAGE"].read_text(encoding="utf-8") == generator["page"]()


def test_the_template_is_the_quickstart() -> None:
    """`interphase init` writes the campaign of workflows/."""
    template = resources.files("interphase_flows.campaign") / "templates" / "campaign.yaml"
    assert template.read_text(encoding="utf-8") == QUICKSTART.read_text(encoding="utf-8")


def test_the_python_quickstart_is_the_yaml_one() -> None:
    """Both files make the same campaign, and the Python one is short."""
    script = QUICKSTART.with_suffix(".py")
    assert runpy.run_path(str(script))["campaign"] == load_yaml_model(QUICKSTART, Campaign)
    assert len(script.read_text(encoding="utf-8").splitlines()) < 40


def test_the_architecture_page_draws_the_floors_that_are_held() -> None:
    """The list of rooms is the contract of import-linter."""
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    drawn = re.search(
        r"```text\n(cli\n.*?)```", (DOCS / "architecture.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert drawn is not None
    rooms = [sorted(line.split(" | ")) for line in drawn[1].splitlines()]
    assert rooms == [sorted(layer.replace("interphase_flows.", "").split(" | ")) for layer in layers]


def test_every_room_is_on_the_architecture_page() -> None:
    """No folder of the package is left out."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    folders = [path.parent.name for path in (REPOSITORY / "interphase_flows").glob("*/__init__.py")]
    assert [name for name in folders if f"`{name}`" not in text] == []


def test_the_settings_on_the_page_of_queries_can_be_read() -> None:
    """Every key of its block is one."""
    (block,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "query.md").read_text(encoding="utf-8"), re.DOTALL)
    settings = Settings.model_validate(YAML(typ="safe").load(block))
    assert isinstance(settings.store, MongodbSettings)
    assert settings.store.client_options["tls"] is True


def test_the_version_is_one() -> None:
    """pyproject.toml, the package and CITATION.cff agree."""
    cited = YAML(typ="safe").load(REPOSITORY / "CITATION.cff")["version"]
    assert pyproject()["project"]["version"] == __version__ == cited


@pytest.mark.parametrize("name", [".pre-commit-config.yaml", "my_fworker.yaml.example", "CITATION.cff"])
def test_yaml_files_at_the_top_can_be_read(name: str) -> None:
    """They are mappings."""
    assert isinstance(YAML(typ="safe").load(REPOSITORY / name), dict)


def test_hooks_download_nothing() -> None:
    """Every hook of pre-commit is local and of the system."""
    repos = YAML(typ="safe").load(REPOSITORY / ".pre-commit-config.yaml")["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    assert {hook["language"] for hook in repos[0]["hooks"]} == {"system"}
