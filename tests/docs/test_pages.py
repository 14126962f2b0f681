"""Consistency of README and docs with the code: commands, options, links, files, import rules, version."""

import ast
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
from interphase_flows.cli import app
from interphase_flows.settings import MongodbSettings, Settings

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
QUICKSTART = REPOSITORY / "workflows" / "li_li7p3s11_quickstart.yaml"
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "launchers/README.md")),
    *sorted(DOCS.glob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
# at the start of a line of a block, or right after a backtick; not a placeholder in <>
COMMAND = re.compile(r"(?:^|`)interphase ([a-z][a-z_-]*)", re.MULTILINE)
LOCAL_PATH = re.compile(r"(?<![\w.])/(?:work|tmp|home|root)/")


def commands() -> dict[str, Any]:
    return typer.main.get_command(app).commands  # type: ignore[attr-defined]


def pyproject() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def relative_name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def code_of(page: Path) -> str:
    return "\n".join(CODE.findall(page.read_text(encoding="utf-8")))


def test_readme_names_every_command() -> None:
    assert set(commands()) <= set(COMMAND.findall(code_of(REPOSITORY / "README.md")))


@pytest.mark.parametrize("page", PAGES, ids=relative_name)
def test_commands_named_on_a_page_exist(page: Path) -> None:
    assert set(COMMAND.findall(code_of(page))) <= set(commands())


@pytest.mark.parametrize("page", PAGES, ids=relative_name)
def test_options_named_on_a_page_exist(page: Path) -> None:
    """Check the options that follow a command in a block or in backticks."""
    for line in code_of(page).splitlines():
        for match in COMMAND.finditer(line):
            rest = line[match.end() :].split("#")[0]
            known = {name for option in _parameters(commands()[match[1]], rest) for name in option.opts} | {"--help"}
            assert set(re.findall(r"(?<= )--[a-z][a-z-]*", rest)) <= known, line


def _parameters(command: Any, arguments: str) -> list[Any]:
    """Return the parameters of a command, or those of the subcommand that the arguments begin with."""
    subcommand = getattr(command, "commands", {}).get(next(iter(arguments.split()), ""))
    return (subcommand or command).params


def test_gallery_shows_every_image_and_links_to_a_page_that_has_it() -> None:
    gallery = (DOCS / "gallery.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"\[!\[[^]]+\]\((images/[^)]+)\)\]\(([a-z_]+\.md)", gallery))
    assert set(shown) == {f"images/{path.name}" for path in (DOCS / "images").iterdir()}
    in_readme = {"images/report.png"}
    for image in shown.keys() - in_readme:
        assert image in (DOCS / shown[image]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=relative_name)
def test_relative_links_and_images_exist(page: Path) -> None:
    targets = [target.split("#")[0] for target in LINK.findall(page.read_text(encoding="utf-8"))]
    missing = [t for t in targets if t and "://" not in t and not (page.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=relative_name)
def test_files_named_on_a_page_exist(page: Path) -> None:
    """Check paths in backticks that begin with a folder of the repository or of the package."""
    subpackages = [path.name for path in (REPOSITORY / "interphase_flows").iterdir() if path.is_dir()]
    tops = ("interphase_flows", "docs", "tests", "workflows", "launchers", "benchmarks")
    for path in re.findall(r"`([a-z_]+/[A-Za-z0-9_./-]*)`", page.read_text(encoding="utf-8")):
        if path.split("/")[0] in tops:
            assert (REPOSITORY / path).exists(), path
        elif path.split("/")[0] in subpackages:
            assert (REPOSITORY / "interphase_flows" / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=relative_name)
def test_pages_contain_no_local_paths(page: Path) -> None:
    assert not LOCAL_PATH.search(page.read_text(encoding="utf-8"))


def test_index_links_to_every_page() -> None:
    linked = set(LINK.findall((DOCS / "index.md").read_text(encoding="utf-8")))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"index.md"}


def test_campaign_reference_is_up_to_date() -> None:
    """If this fails, run `make docs`."""
    generator = runpy.run_path(str(DOCS / "generate_campaign_reference.py"))
    assert generator["PAGE"].read_text(encoding="utf-8") == generator["page"]()


def test_template_of_init_equals_quickstart_campaign() -> None:
    template = resources.files("interphase_flows.campaign") / "templates" / "campaign.yaml"
    assert template.read_text(encoding="utf-8") == QUICKSTART.read_text(encoding="utf-8")


def test_python_quickstart_equals_yaml_quickstart_and_is_short() -> None:
    script = QUICKSTART.with_suffix(".py")
    assert runpy.run_path(str(script))["campaign"] == Campaign.from_file(QUICKSTART)
    assert len(script.read_text(encoding="utf-8").splitlines()) < 40


def test_architecture_page_shows_the_layers_of_the_import_contract() -> None:
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    drawn = re.search(r"```text\n(cli\n.*?)```", (DOCS / "architecture.md").read_text(encoding="utf-8"), re.DOTALL)
    assert drawn is not None
    subpackages = [sorted(line.split(" | ")) for line in drawn[1].splitlines()]
    assert subpackages == [sorted(layer.replace("interphase_flows.", "").split(" | ")) for layer in layers]


def test_architecture_page_names_every_subpackage() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    folders = [path.parent.name for path in (REPOSITORY / "interphase_flows").glob("*/__init__.py")]
    assert [name for name in folders if f"`{name}`" not in text] == []


def test_every_package_docstring_states_its_contents() -> None:
    files = sorted((REPOSITORY / "interphase_flows").rglob("__init__.py"))
    undocumented = [path for path in files if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None]
    assert not undocumented


def test_settings_on_the_query_page_are_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "query.md").read_text(encoding="utf-8"), re.DOTALL)
    settings = Settings.model_validate(YAML(typ="safe").load(block))
    assert isinstance(settings.store, MongodbSettings)
    assert settings.store.client_options["tls"] is True


def test_version_of_pyproject_package_and_citation_agree() -> None:
    cited = YAML(typ="safe").load(REPOSITORY / "CITATION.cff")["version"]
    assert pyproject()["project"]["version"] == __version__ == cited


@pytest.mark.parametrize("name", [".pre-commit-config.yaml", "my_fworker.yaml.example", "CITATION.cff"])
def test_top_level_yaml_files_are_mappings(name: str) -> None:
    assert isinstance(YAML(typ="safe").load(REPOSITORY / name), dict)


def test_precommit_hooks_are_local() -> None:
    repos = YAML(typ="safe").load(REPOSITORY / ".pre-commit-config.yaml")["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    assert {hook["language"] for hook in repos[0]["hooks"]} == {"system"}
