"""The command `serve`: pages of campaigns in the browser."""

from typing import Annotated

import typer

from interphase_flows.cli.application import RESULTS_PANEL, Root, app, settings_of, write_line


@app.command(rich_help_panel=RESULTS_PANEL)
def serve(
    root: Root = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default can be reached from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 chooses a free one.")] = 8321,
) -> None:
    """Show campaigns in the browser while they run: jobs, loss curves, uncertainty, rejected labels, latest figures.

    The pages are read-only and take no lock. Ctrl-C ends the server. From another machine, forward the port:
    ssh -L 8321:127.0.0.1:8321 MACHINE
    """
    from interphase_flows.live_view.application import is_loopback, serve

    settings = settings_of(root)
    if not is_loopback(host):
        write_line(
            f"warning: everyone who can reach {host} can read the campaigns; ssh -L with the default host is safer",
            to_stderr=True,
        )
    serve(settings, host, port, lambda address: write_line(f"{address} (Ctrl-C to stop)"))
