"""A model hub on this machine: it speaks the hub's HTTP to the client that users have.

What it does as the hub does: model information of a revision, files through `resolve` with the
headers that the client reads (X-Repo-Commit, ETag, X-Linked-*), large files by a redirect to
other addresses that take ranges, old names by a redirect, and refusals with X-Error-Code. One
thing it does on purpose: cut a connection in the middle of a file.
"""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

LARGE = 100_000  # bytes from which a file comes from another address, as LFS files do
SMALL_PIECE = 65_536


@dataclass
class Model:
    """folder: its files. gated: only for `readers`, tokens that have been granted access. licence:
    as its card states it."""

    folder: Path
    gated: bool = False
    private: bool = False
    readers: tuple[str, ...] = ()
    revisions: dict[str, str] = field(default_factory=dict)
    licence: str | None = None

    @property
    def commit(self):
        total = hashlib.sha1()
        for path in self.files():
            total.update(path.name.encode() + path.read_bytes())
        return total.hexdigest()

    def files(self):
        return [path for path in sorted(self.folder.iterdir()) if path.is_file()]


class Hub:
    """models by id; renamed: old id to new. requests: (method, path, range) of all so far.
    cuts: file name to the number of bytes after which its next transfers break off."""

    def __init__(self):
        self.models, self.renamed, self.requests = {}, {}, []
        self.cuts = {}
        self.tokens = ("good-token", "other-token")
        self.authorized = []  # paths that were asked for with a token
        self.url = self.elsewhere = None

    def add(self, name, folder, **options):
        self.models[name] = Model(Path(folder), **options)

    def commit(self, name, revision):
        model = self.models[name]
        known = {"main": model.commit, model.commit: model.commit} | model.revisions
        return known.get(revision)

    def paths(self, method="GET"):
        return [path for verb, path, _ in self.requests if verb == method]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = unquote(self.path.partition("?")[0])
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.hub.authorized += [path] if token else []
        if token and token not in self.hub.tokens:
            self.refuse(401, "", "Invalid credentials in Authorization header")
        elif found := re.fullmatch(r"/api/models/(.+?)(?:/(revision)/([^/]+))?", path):
            self.information(found[1], found[3] or "main", token)
        elif found := re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path):
            self.resolve(found[1], found[2], found[3], token)
        elif found := re.fullmatch(r"/cdn/([0-9a-f]{64})/(.+)", path):
            self.content(found[1])
        else:
            self.refuse(404, "", "no such address")

    def known(self, name, revision, token):
        """The model and its commit; None where a refusal has been sent."""
        hub = self.hub
        if name in hub.renamed:
            self.redirect(307, self.path.replace(name, hub.renamed[name], 1))
            return None
        model = hub.models.get(name)
        if model is None or (model.private and token not in model.readers):
            # To a stranger, what is not there and what is private look the same.
            self.refuse(404 if token else 401, "RepoNotFound", "Repository not found")
            return None
        commit = hub.commit(name, revision)
        if commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return model, commit

    def information(self, name, revision, token):
        found = self.known(name, revision, token)
        if found is None:
            return
        model, commit = found
        siblings = [{"rfilename": path.name, "size": path.stat().st_size} for path in model.files()]
        facts = {"id": name, "modelId": name, "sha": commit, "private": model.private}
        facts |= {"gated": "manual" if model.gated else False, "siblings": siblings, "tags": []}
        if model.licence:
            facts["cardData"] = {"license": model.licence}
        self.send(200, json.dumps(facts).encode(), {"Content-Type": "application/json"})

    def resolve(self, name, revision, file, token):
        found = self.known(name, revision, token)
        if found is None:
            return
        model, commit = found
        if model.gated and token not in model.readers:
            self.refuse(403 if token else 401, "GatedRepo", "Access to model is restricted")
            return
        path = model.folder / file
        if not path.is_file():
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if len(data) < LARGE:
            self.send(200, data, headers | {"ETag": f'"{digest[:40]}"'})
            return
        headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data))}
        self.redirect(302, f"{self.hub.elsewhere}/cdn/{digest}/{file}", headers)

    def content(self, digest):
        for model in self.hub.models.values():
            for path in model.files():
                if path.stat().st_size >= LARGE:
                    data = path.read_bytes()
                    if hashlib.sha256(data).hexdigest() == digest:
                        self.ranged(path.name, data, digest)
                        return
        self.refuse(404, "", "no such content")

    def ranged(self, name, data, digest):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked else 0
        headers = {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send(206 if asked else 200, data[start:], headers, self.hub.cuts.get(name, []))

    def send(self, status, data, headers, cuts=()):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if cuts and cuts[0] < len(data):
            self.wfile.write(data[: cuts.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            return
        for start in range(0, len(data), SMALL_PIECE):
            self.wfile.write(data[start : start + SMALL_PIECE])

    def redirect(self, status, location, headers=None):
        self.send(status, b"", {"Location": location} | (headers or {}))

    def refuse(self, status, code, message):
        named = {"X-Error-Code": code} if code else {}
        body = json.dumps({"error": message}).encode()
        self.send(status, body, named | {"X-Error-Message": message})


@contextmanager
def serving():
    """A hub for the length of the block, at an address of its own on this machine."""
    hub = Hub()
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    port = server.server_address[1]
    # The same server under two names: large files come from another host than the hub.
    hub.url, hub.elsewhere = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
