"""The configuration on the page of jobflow-remote: it parses, and its stores are those that jobs need."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from jobflow import JobStore
from ruamel.yaml import YAML

PAGE = Path(__file__).parents[2] / "docs" / "jobflow_remote.md"


@pytest.fixture
def project():
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    return YAML(typ="safe").load(text)


def test_configuration_has_the_store_of_large_outputs(project):
    assert set(JobStore.from_dict_spec(project["jobstore"]).additional_stores) == {"data"}


@pytest.mark.skipif(find_spec("jobflow_remote") is None, reason="jobflow-remote is not installed")
def test_configuration_is_valid_for_jobflow_remote(project):
    from jobflow_remote.config.base import Project

    assert Project.model_validate(project).workers["here"].scheduler_type == "shell"
