"""The server of `zoo explore`, for this machine only."""

from __future__ import annotations

import socket
from typing import Any

from zoo.errors import ConfigError

HOST = "127.0.0.1"


def make_server(app: Any, port: int) -> Any:
    """Return a server of a Dash application on 127.0.0.1, with `port`, `serve_forever` and `shutdown`.

    Args:
        app: from `page`.
        port: 0 takes a free one.

    Raises:
        ConfigError: if the port is taken or not allowed.
    """
    from werkzeug import serving  # comes with Dash

    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise ConfigError(f"Cannot listen on port {port}: {error.strerror}; give another one, or --port 0.") from None
    with listening:
        return serving.make_server(
            HOST, port, app.server, threaded=True, fd=listening.fileno(), request_handler=_quiet()
        )


def _quiet() -> Any:
    """Return a request handler that logs nothing."""
    from werkzeug.serving import WSGIRequestHandler

    class Quiet(WSGIRequestHandler):  # type: ignore[misc, unused-ignore]  # Any without werkzeug
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    return Quiet
