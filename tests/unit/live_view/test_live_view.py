"""Pages of `interphase serve`: content, read-only routes, rejected hosts and paths, no locks."""

import re
import threading
from urllib.request import urlopen

import pytest
from werkzeug.exceptions import SecurityError

from interphase_flows.exceptions import InputError
from interphase_flows.live_view.application import is_loopback, live_view, live_view_server
from interphase_flows.storage.lock import lock_holder
from interphase_flows.storage.workspace import open_workspace
from loop_documents import rejected_label


@pytest.fixture
def client(settings):
    return live_view(settings).test_client()


@pytest.fixture
def with_report(started):
    """A campaign with a rejected label and a report, whose folder has a link out of it."""
    started.ledger.put("labels", "bad", rejected_label("bad", "max_force", "31 eV/Å on <b>S</b>"))
    figures = started.report_folder / "figures"
    figures.mkdir(parents=True)
    (started.report_folder / "report.html").write_text("<p>the report</p>")
    (figures / "answer.svg").write_text("<svg/>")
    (started.root / "secret.json").write_text("{}")
    (figures / "link.json").symlink_to(started.root / "secret.json")
    (figures / "circle.svg").symlink_to(figures / "circle.svg")
    return started


def test_first_page_lists_campaigns_with_their_status(client, with_report):
    page = client.get("/").text
    row = re.search("<tr><td><a.*?</tr>", page)[0]
    assert re.findall(">([^<>]+)<", row) == ["unit", "running", "2026-01-01T00:00:00+00:00", "2", "1", "1", "0"]


def test_campaign_that_cannot_be_read_does_not_hide_the_others(client, with_report, settings):
    broken = settings.root / "broken"
    broken.mkdir()
    (broken / "ledger.sqlite").write_bytes(b"no database" * 100)
    page = client.get("/").text
    assert "cannot be read" in page
    assert '<a href="campaigns/unit/">' in page


def test_no_campaign_is_no_error(client):
    assert "There is no campaign yet" in client.get("/").text


def test_page_shows_learning_rejections_and_the_report(client, with_report):
    page = client.get("/campaigns/unit/").text
    assert 'id="figure-learning_curve"' in page
    assert "<td>max force</td>" in page
    assert "31 eV/Å on &lt;b&gt;S&lt;/b&gt;" in page
    assert 'src="report/figures/answer.svg"' in page
    assert client.get("/campaigns/unit/report/report.html").text == "<p>the report</p>"
    assert client.get("/campaigns/unit/report/figures/answer.svg").mimetype == "image/svg+xml"


def test_routes_only_read(client, with_report):
    for path in ("/", "/campaigns/unit/", "/campaigns/unit/report/report.html"):
        for method in ("post", "put", "patch", "delete"):
            assert getattr(client, method)(path).status_code == 405
    assert {rule.endpoint for rule in client.application.url_map.iter_rules()} == {"campaigns", "campaign", "report"}


@pytest.mark.parametrize(
    "path",
    [
        "/campaigns/other/",
        "/campaigns/../",
        "/campaigns/unit/report/../ledger.sqlite",
        "/campaigns/unit/report/%2e%2e/secret.json",
        "/campaigns/unit/report/%2fetc%2fpasswd",
        "/campaigns/unit/report/figures/link.json",
        "/campaigns/unit/report/figures/circle.svg",
        "/campaigns/unit/report/a%00.html",
        f"/campaigns/unit/report/{'a' * 300}.html",
        "/campaigns/unit/report/figures",
    ],
)
def test_other_files_are_not_found(client, with_report, path):
    assert client.get(path, follow_redirects=True).status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::1", "127.0.0.1@evil.example", "node7"]
)
def test_other_hosts_are_rejected(client, with_report, host):
    """A page of the internet cannot read campaigns through a name that resolves to this machine."""
    assert client.get("/", headers={"Host": host}).status_code == SecurityError.code


@pytest.mark.parametrize(
    ("host", "header"),
    [
        ("127.0.0.1", "127.0.0.1:8321"),
        ("127.0.0.1", "localhost:9000"),
        ("::1", "[::1]:8321"),
        ("127.0.0.2", "127.0.0.2:8321"),
        ("Node7", "node7:8321"),
        ("0.0.0.0", "10.1.2.3:8321"),
        ("fe80::1", "[fe80::1]:8321"),
    ],
)
def test_pages_open_at_the_addresses_of_the_server(settings, started, host, header):
    assert live_view(settings, host).test_client().get("/", headers={"Host": header}).status_code == 200


def test_names_of_other_sites_are_rejected_on_the_network_too(settings, started):
    client = live_view(settings, "0.0.0.0").test_client()
    assert client.get("/", headers={"Host": "evil.example"}).status_code == SecurityError.code


def test_pages_load_nothing_from_elsewhere_and_have_no_scripts(client, with_report):
    policy = client.get("/campaigns/unit/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert (
        "script-src 'unsafe-inline'"
        in client.get("/campaigns/unit/report/report.html").headers["Content-Security-Policy"]
    )


def test_pages_hold_no_lock(settings, started):
    client = live_view(settings).test_client()
    assert client.get("/campaigns/unit/").status_code == 200
    started.__exit__(None, None, None)  # the campaign ends
    assert "interrupted" in client.get("/").text
    client.get("/campaigns/unit/")
    assert lock_holder(started.root) is None
    with open_workspace(settings, "unit"):  # another process may run it
        assert ">running<" in client.get("/").text


def test_server_is_reachable_on_the_loopback_address(settings, started):
    with closing_server(settings) as server:
        with urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=30) as answer:
            assert answer.status == 200
        with pytest.raises(InputError, match=f"--port {server.server_port}.*in use"):
            live_view_server(settings, "127.0.0.1", server.server_port)


class closing_server:
    """Serve in a thread until the end of the block."""

    def __init__(self, settings):
        self.server = live_view_server(settings, "127.0.0.1", 0)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self.server

    def __exit__(self, *exception):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("node7", False)],
)
def test_loopback_addresses_are_recognised(host, expected):
    assert is_loopback(host) is expected
