"""A local server that speaks the endpoints of a Hugging Face hub that pushing and loading a model use."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub(ThreadingHTTPServer):
    """Repositories by name, each a list of commits: their hash and all files.

    Attributes:
        repositories: what was committed.
        requests: method and path of every request.
        cut: whether downloads end after half of their bytes.
        status: answered to every request instead, if it is not 0.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.requests: list[str] = []
        self.cut = False
        self.status = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def commit(self, name: str, lines: bytes) -> str:
        """Add the files of a commit, lines of JSON with contents in base 64, and return its hash."""
        files = dict(self.repositories[name][-1][1]) if self.repositories[name] else {}
        for line in map(json.loads, lines.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        digest = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.repositories[name].append((digest, files))
        return digest


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._refused():
            return
        if self.path == "/api/repos/create":
            name = "/".join(filter(None, (json.loads(body).get("organization"), json.loads(body)["name"])))
            self.server.repositories.setdefault(name, [])
            self._json({"url": f"{self.server.address}/{name}"})
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [each["path"] for each in json.loads(body)["files"]]
            self._json({"files": [{"path": each, "uploadMode": "regular", "shouldIgnore": False} for each in files]})
        else:
            name = self.path.removeprefix("/api/models/").partition("/commit/")[0]
            digest = self.server.commit(name, body)
            self._json({"commitOid": digest, "commitUrl": f"{self.server.address}/{name}/commit/{digest}"})

    def do_HEAD(self) -> None:
        self._file(with_content=False)

    def do_GET(self) -> None:
        self._file(with_content=True)

    def _file(self, *, with_content: bool) -> None:
        if self._refused():
            return
        name, _, rest = self.path.removeprefix("/").partition("/resolve/")
        revision, _, path = rest.partition("/")
        commits = dict(self.server.repositories.get(name, []))
        if revision not in commits or path not in commits[revision]:
            missing = "RepoNotFound" if name not in self.server.repositories else "RevisionNotFound"
            self._answer(404, b"", {"X-Error-Code": missing})
            return
        content = commits[revision][path]
        headers = {"X-Repo-Commit": revision, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        if with_content and self.server.cut:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self._answer(200, content, headers, with_content=with_content)

    def _refused(self) -> bool:
        self.server.requests.append(f"{self.command} {self.path}")
        if self.server.status:
            self._answer(self.server.status, b"", {})
        return bool(self.server.status)

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, content: bytes, headers: dict[str, str], *, with_content: bool = True) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(key, value)
        self.end_headers()
        if with_content and self.command != "HEAD":
            self.wfile.write(content)
