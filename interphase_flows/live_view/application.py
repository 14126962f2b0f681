"""The Flask application of `interphase serve`, and its server."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from jinja2 import PackageLoader
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from interphase_flows.commands.status import campaign_status
from interphase_flows.exceptions import InputError, InterphaseError
from interphase_flows.live_view.collect import campaign_rows, learning_figures, rejected_labels, report_files
from interphase_flows.report import REPORT_NAME
from interphase_flows.report.sections.environment import section_environment
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import campaign_names

LOOPBACK = "127.0.0.1"
REFRESH_S = 30
REPORT_TYPES = {
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".gif": "image/gif",
    ".csv": "text/csv",
    ".json": "application/json",
    ".yaml": "text/plain",
}
"""Media types of the files of a report, by suffix; others are not served."""
CONTENT = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
"""What browsers may load: nothing from elsewhere, and no script but those within a report."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class _Handler(WSGIRequestHandler):
    """Handle requests without a line for each of them on the terminal."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing; errors are logged."""


def live_view(settings: Settings, host: str = LOOPBACK) -> Flask:
    """Return the application. All its routes answer GET and HEAD only, and write nothing.

    Requests with another ``Host`` header than this machine's are rejected, so that no page of the internet can read a
    campaign through a name that it resolves to this machine (DNS rebinding).

    Parameters
    ----------
    settings
        Location of the campaigns.
    host
        Address or name of the interface that the server listens on.
    """
    app = Flask(__name__, static_folder=None)
    pages = section_environment().overlay(loader=PackageLoader("interphase_flows.live_view", "templates"))

    def page(template: str, **content: Any) -> str:
        return pages.get_template(template).render(refresh_s=REFRESH_S, **content)

    def existing(name: str) -> str:
        if name not in campaign_names(settings):
            abort(404)
        return name

    @app.before_request
    def check_host() -> None:
        if not is_own_host(request.host, host):
            abort(400, f"{request.host} is not an address of this server. Hint: open it as it was printed at the start")

    @app.get("/")
    def campaigns() -> str:
        return page("campaigns.html", rows=campaign_rows(settings))

    @app.get("/campaigns/<name>/")
    def campaign(name: str) -> str:
        existing(name)
        _, report_figures = report_files(settings, name)
        return page(
            "campaign.html",
            status=campaign_status(settings, name),
            figures=learning_figures(settings, name),
            rejected=rejected_labels(settings, name),
            report_figures=report_figures,
            report_name=REPORT_NAME,
        )

    @app.get("/campaigns/<name>/report/<path:file>")
    def report(name: str, file: str) -> Response:
        folder, _ = report_files(settings, existing(name))
        try:
            path = (folder / file).resolve()
            # a link or ".." must not lead out of the folder
            is_inside = path.is_relative_to(folder.resolve())
            content = path.read_bytes() if is_inside and path.suffix in REPORT_TYPES else None
        except (OSError, ValueError, RuntimeError):  # missing, no file, too long, with NUL, a circle of links
            content = None
        if content is None:
            abort(404)
        return Response(content, mimetype=REPORT_TYPES[path.suffix])

    @app.errorhandler(InterphaseError)
    def problem(error: InterphaseError) -> tuple[str, int]:
        return page("problem.html", message=str(error)), 503

    @app.after_request
    def add_headers(response: Response) -> Response:
        scripts = "; script-src 'unsafe-inline'" if request.endpoint == "report" else ""
        response.headers.update(HEADERS | {"Content-Security-Policy": CONTENT + scripts})
        return response

    return app


def is_own_host(header: str, host: str) -> bool:
    """Whether a ``Host`` header is of a server on ``host``; any address is, if that is not the loopback one.

    A page of the internet that uses DNS rebinding sends the host name of that site, never an address.
    """
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:  # unbalanced brackets
        return False
    if is_loopback(name):
        return True
    return not is_loopback(host) and (
        name in {each.lower() for each in (host, socket.gethostname(), socket.getfqdn())} or _is_address(name)
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    if host == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def live_view_server(settings: Settings, host: str, port: int) -> BaseWSGIServer:
    """Return a server that listens already; port 0 chooses a free one.

    Raises
    ------
    InputError
        The port is in use, or the address is not that of this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family):  # werkzeug would end the process
            pass
        return make_server(host, port, live_view(settings, host), threaded=True, request_handler=_Handler)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--host {host} --port {port}: {error}. Hint: choose an address of this machine, and another port or 0 for "
            "a free one"
        ) from error


def serve(settings: Settings, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve the pages until Ctrl-C; ``started`` receives the address.

    Raises
    ------
    InputError
        The port is in use, or the address is not that of this machine.
    """
    server = live_view_server(settings, host, port)
    shown = f"[{host}]" if ":" in host else host
    started(f"http://{shown}:{server.server_port}/")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
