"""Settings are read from one file and the environment; errors list all mistakes and no secrets."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from interphase_flows.exceptions import SettingsError
from interphase_flows.settings import EmbeddedSettings, MongodbSettings, load_settings


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Provide a machine without settings: an empty home and working folder, no environment variables."""
    for name in [name for name in os.environ if name.startswith("INTERPHASE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_defaults_suit_a_laptop(machine):
    settings = load_settings()
    assert settings.root == machine / "here" / "runs"
    assert settings.store == EmbeddedSettings()
    assert settings.device == "cpu"
    assert settings.n_threads == 1
    assert settings.artifacts_url is None


def test_the_first_existing_settings_file_is_read(machine, monkeypatch):
    """The named one, else that of the working folder, else that of the user."""
    places = [
        machine / "home/.config/interphase/settings.yaml",
        machine / "here/interphase.yaml",
        machine / "named.yaml",
    ]
    for n, place in enumerate(places, start=1):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"n_threads: {n}\n")
        if place.name == "named.yaml":
            monkeypatch.setenv("INTERPHASE_SETTINGS_FILE", str(place))
        assert load_settings().n_threads == n


def test_arguments_take_precedence_over_the_environment_and_the_file(machine, monkeypatch):
    """Key by key, also inside the store."""
    Path("interphase.yaml").write_text("n_threads: 1\nstore: {type: mongodb, host: a, database: d}\n")
    monkeypatch.setenv("INTERPHASE_STORE__HOST", "b")
    monkeypatch.setenv("INTERPHASE_ROOT", "~/r")
    settings = load_settings(n_threads=3)
    assert settings.n_threads == 3
    assert (settings.store.host, settings.store.database) == ("b", "d")
    assert settings.root == machine / "home" / "r"


def test_one_error_lists_all_mistakes(monkeypatch):
    """With file, key, nearest key and allowed keys."""
    Path("interphase.yaml").write_text("rot: x\nn_threads: 0\nstore: {type: mongodb, hots: a, port: 99999}\n")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    text = str(raised.value)
    assert text.startswith("settings from interphase.yaml or the environment")
    assert "rot: unknown key; did you mean 'root'? allowed: artifacts_url" in text
    assert "n_threads: Input should be greater than or equal to 1" in text
    assert "store.hots: unknown key; did you mean 'host'?" in text
    assert "store.port: Input should be less than 65536" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("root: [", r"interphase\.yaml:\d: not YAML"),
        ("- a\n", "must be a mapping"),
        ("store: {type: sqlite}\n", "store.*embedded.*mongodb"),
        ("store: embedded\n", "store"),
    ],
)
def test_an_invalid_settings_file_raises(content, message):
    Path("interphase.yaml").write_text(content)
    with pytest.raises(SettingsError, match=message):
        load_settings()


def test_a_missing_named_file_raises(monkeypatch):
    """A typing error must not silently give the defaults."""
    monkeypatch.setenv("INTERPHASE_SETTINGS_FILE", "absent.yaml")
    with pytest.raises(SettingsError, match=r"INTERPHASE_SETTINGS_FILE=absent\.yaml: no such file"):
        load_settings()


def test_invalid_json_in_the_environment_raises_without_secrets(monkeypatch):
    monkeypatch.setenv("INTERPHASE_STORE", "{type: mongodb, password: geheim")
    with pytest.raises(SettingsError, match="store") as raised:
        load_settings()
    assert "geheim" not in str(raised.value)


def test_the_password_is_read_from_settings_file_or_environment(tmp_path, monkeypatch):
    """In this order."""
    file = tmp_path / "password"
    file.write_text("from file\n")
    file.chmod(0o600)
    monkeypatch.setenv("INTERPHASE_MONGODB_PASSWORD", "from environment")
    given = MongodbSettings(type="mongodb", password="given", password_file=file)
    assert given.resolve_password().get_secret_value() == "given"
    from_file = MongodbSettings(type="mongodb", password_file=file)
    assert from_file.resolve_password().get_secret_value() == "from file"
    assert MongodbSettings(type="mongodb").resolve_password().get_secret_value() == "from environment"
    monkeypatch.delenv("INTERPHASE_MONGODB_PASSWORD")
    assert MongodbSettings(type="mongodb").resolve_password() is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_password_file_readable_by_others_raises(tmp_path, mode):
    """The message contains the command that fixes it."""
    file = tmp_path / "password"
    file.write_text("geheim")
    file.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600") as raised:
        MongodbSettings(type="mongodb", password_file=file).resolve_password()
    assert "geheim" not in str(raised.value)
    with pytest.raises(SettingsError, match="no such file"):
        MongodbSettings(type="mongodb", password_file=tmp_path / "absent").resolve_password()


@pytest.mark.parametrize(
    "store", ["password: geheim", "uri: 'mongodb://u:geheim@h/d'", "uri: mongodb+srv://u:geheim@h"]
)
def test_a_settings_file_with_a_password_readable_by_others_raises(store):
    """An address without a user is not a secret."""
    file = Path("interphase.yaml")
    file.write_text(f"store: {{type: mongodb, {store}}}\n")
    file.chmod(0o640)
    with pytest.raises(SettingsError, match=r"interphase\.yaml: contains store\..*chmod 600") as raised:
        load_settings()
    assert "geheim" not in str(raised.value)
    file.chmod(0o600)
    assert load_settings().store.type == "mongodb"
    file.chmod(0o644)
    file.write_text("store: {type: mongodb, uri: 'mongodb://h:27017/d'}\n")
    assert load_settings().store.type == "mongodb"


@pytest.mark.parametrize("host", ["mongodb://u:geheim@h", "u:geheim@h", "h/geheim", ""])
def test_an_address_as_host_raises(host):
    """Messages show the host, and would show its password."""
    with pytest.raises(SettingsError, match=r"store\.host: .*alone\. Hint: write an address.*store\.uri") as raised:
        load_settings(store={"type": "mongodb", "host": host})
    assert "geheim" not in str(raised.value)


def test_an_artifacts_url_with_a_password_raises():
    """Messages show the URL."""
    with pytest.raises(SettingsError, match=r"artifacts_url: .*must not contain a user or password") as raised:
        load_settings(artifacts_url="ftp://u:geheim@h/artifacts")
    assert "geheim" not in str(raised.value)
    assert load_settings(artifacts_url="s3://bucket/a@b").artifacts_url == "s3://bucket/a@b"


def test_representations_dumps_and_errors_contain_no_secrets(capsys):
    """Neither the password nor an address that contains it."""
    Path("interphase.yaml").touch(mode=0o600)
    Path("interphase.yaml").write_text(
        "store: {type: mongodb, password: geheim, uri: 'mongodb://u:geheim@h/d', port: 1}\n"
    )
    settings = load_settings()
    assert isinstance(settings.store.password, SecretStr)
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "geheim" not in shown
    for broken in (
        "store: {type: mongodb, password: [geheim]}\n",
        "store: {type: mongodb, password: geheim, port: geheim}\n",
        "store: {type: mongodb, uri: {geheim: 1}}\n",
        "store: {type: mongodb, password: geheim: x}\n",
        "store:\n  password: 'geheim\n",
    ):
        Path("interphase.yaml").write_text(broken)
        with pytest.raises(SettingsError) as raised:
            load_settings()
        error = raised.value
        while error is not None:
            assert "geheim" not in str(error)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("INTERPHASE_ROOTS", "INTERPHASE_ROOT"),
        ("INTERPHASE_N_THREAD", "INTERPHASE_N_THREADS"),
        ("INTERPHASE_SETTING_FILE", "INTERPHASE_SETTINGS_FILE"),
        ("INTERPHASE_STOR__TYPE", "INTERPHASE_STORE"),
        ("INTERPHASE_MONGODB_PASWORD", "INTERPHASE_MONGODB_PASSWORD"),
    ],
)
def test_misspelt_variables_raise(variable, meant, monkeypatch):
    monkeypatch.setenv(variable, "geheim")
    with pytest.raises(SettingsError, match=f"did you mean {meant}") as raised:
        load_settings()
    assert "geheim" not in str(raised.value)


def test_other_variables_are_ignored(monkeypatch):
    for variable in ("INTERPHASE_KILL_SEED", "INTERPHASE_STORE__TYPE", "OTHER_ROOT"):
        monkeypatch.setenv(variable, "embedded")
    assert load_settings().store.type == "embedded"


@pytest.mark.parametrize(
    "content",
    [
        "a: &a [*a]\n",
        "a: &a [x, x, x]\n"
        + "".join(f"{n}: &{n} [{', '.join([f'*{m}'] * 30)}]\n" for m, n in ("ab", "bc", "cd", "de")),
        "root: " + "[" * 20000,
        "root: " + "[" * 100 + "]" * 100,
        "1: 2\n",
        "root: 2001-99-99\n",
        "root: x\0y\n",
        "n_threads: .inf\n",
        "n_threads: 100000000000\n",
        "walltime_s: .nan\n",
        "walltime_s: 1e-300\n",
        "root: " + "x" * 5000 + "\n",
        'root: "a\\0b"\n',
        "root: ~nosuchuser_of_tests/x\n",
    ],
)
def test_limits_of_settings_files(content):
    Path("interphase.yaml").write_text(content)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert len(str(raised.value)) < 3000


def test_settings_file_of_the_folder_that_another_user_may_have_written_is_not_used(machine, monkeypatch):
    """It contains commands; a variable that names it is the user's consent."""
    file = Path("interphase.yaml")
    file.write_text("n_threads: 3\n")
    file.chmod(0o646)
    with pytest.raises(SettingsError, match="may be written by every user"):
        load_settings()
    file.chmod(0o644)
    assert load_settings().n_threads == 3
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(SettingsError, match=r"interphase\.yaml: belongs to .*INTERPHASE_SETTINGS_FILE="):
        load_settings()
    monkeypatch.setenv("INTERPHASE_SETTINGS_FILE", str(file.absolute()))
    assert load_settings().n_threads == 3


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a.b", "$x", "a\nb", "a\x1b[31m", "a\u202eb", "x" * 64])
def test_name_that_is_no_database_is_rejected(name, machine):
    for change in ({"store": {"type": "mongodb", "database": name}}, {"cluster": {"launchpad_database": name}}):
        with pytest.raises(SettingsError, match="must be a name of at most"):
            load_settings(**change)
