"""A server that speaks OpenAI's `/v1/embeddings`, over real HTTP, for tests of the client."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aios.memory.hashing import Hashing


class Embeddings:
    """What it answers; `asked` keeps the requests."""

    def __init__(self, *, dimensions=384, status=200, answer=None):
        self.dimensions, self.status, self.answer = dimensions, status, answer
        self.asked = []

    def reply(self, body):
        self.asked.append(body)
        if self.answer is not None:
            return self.answer
        length = body.get("dimensions") or self.dimensions
        vectors = [(vector * 12)[:length] for vector in Hashing().embed(body["input"])]
        listed = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        return {"object": "list", "model": body["model"], "data": listed[::-1]}


@contextmanager
def serving(embeddings):
    """Its URL, `/v1` included."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body["authorization"] = self.headers.get("authorization")
            data = json.dumps(embeddings.reply(body)).encode()
            self.send_response(embeddings.status if self.path == "/v1/embeddings" else 404)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
