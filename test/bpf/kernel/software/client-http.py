"""Python's http.client: one connection, opened anew when the server closed it. See clients.ts.

SLOW is a GET whose body is not read for a while.
"""
import hashlib
import http.client
import sys
import time
from urllib.parse import urlsplit

STALL = 1.5
connections = {}


def exchange(method, url, pad, path, want):
    parts = urlsplit(url)
    connection = connections.setdefault(parts.netloc, http.client.HTTPConnection(parts.netloc, timeout=60))
    headers = {"X-Pad": "p" * pad} if pad else {}
    body = open(path, "rb") if method == "POST" else None
    if body:
        body.seek(0, 2)
        headers["Content-Length"] = str(body.tell())
        body.seek(0)
    connection.request("POST" if body else "GET", parts.path, body, headers)
    response = connection.getresponse()
    if method == "SLOW":
        time.sleep(STALL)
    digest = hashlib.sha256()
    text = b""
    while part := response.read(1 << 16):
        digest.update(part)
        text = (text + part)[:64]
    found = text.decode("latin1") if body else digest.hexdigest()
    return "ok" if response.status == 200 and found == want else f"{response.status} {text[:64]!r}"


for line in sys.stdin:
    method, url, pad, path, want = line.split()
    try:
        said = exchange(method, url, int(pad), path, want)
    except Exception as error:
        connections.clear()
        said = repr(error)
    print(said, flush=True)
