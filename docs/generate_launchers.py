"""Write the files of launchers/ and my_fworker.yaml.example: `python docs/generate_launchers.py`.

They are what `interphase init --site` writes for a fictitious site.
"""

from pathlib import Path

from interphase_flows.runners.site_check.site_files import EXAMPLE, site_files

REPOSITORY = Path(__file__).parents[1]
SETTINGS_PATH = "/shared/interphase/settings.yaml"
EXAMPLES = {
    "settings.yaml": "launchers/settings.yaml.example",
    "my_launchpad.yaml": "launchers/my_launchpad.yaml.example",
    "FW_config.yaml": "launchers/FW_config.yaml",
    "qadapter_cpu.yaml": "launchers/qadapter_cpu.yaml",
    "qadapter_gpu.yaml": "launchers/qadapter_gpu.yaml",
    "qadapter_shared.yaml": "launchers/qadapter_shared.yaml",
    "my_fworker_gpu.yaml": "my_fworker.yaml.example",
}
"""Name of a file that the command writes -> its path in the repository."""


def examples() -> dict[Path, str]:
    """Return the text of every file by its path."""
    files = site_files(EXAMPLE, SETTINGS_PATH)
    return {REPOSITORY / path: files[name] for name, path in EXAMPLES.items()}


if __name__ == "__main__":
    for path, text in examples().items():
        path.write_text(text, encoding="utf-8")
