"""asyncio's streams with HTTP/1.1 by hand: a head, then pieces of 16 KB, each drained. See clients.ts.

TRICKLE is a POST of small pieces, one after another.
"""
import asyncio
import hashlib
import os
import sys
from urllib.parse import urlsplit

connections = {}


async def body_of(reader, head):
    fields = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        while size := int(await reader.readline(), 16):
            yield await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return
    left = int(fields[b"content-length"])
    while left:
        part = await reader.read(min(left, 1 << 16))
        if not part:
            raise EOFError(f"{left} bytes are missing")
        left -= len(part)
        yield part


async def send(writer, method, parts, pad, path):
    head = f"{'GET' if method == 'GET' else 'POST'} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    if pad:
        head += f"X-Pad: {'p' * pad}\r\n"
    if method != "GET":
        head += f"Content-Length: {os.path.getsize(path)}\r\n"
    writer.write(f"{head}\r\n".encode())
    if method != "GET":
        with open(path, "rb") as file:
            while part := file.read(1 << 14 if method == "POST" else 1 << 12):
                writer.write(part)
                await writer.drain()
                if method == "TRICKLE":
                    await asyncio.sleep(0.0005)


async def exchange(method, url, pad, path, want):
    parts = urlsplit(url)
    if parts.netloc not in connections:
        connections[parts.netloc] = await asyncio.open_connection(parts.hostname, parts.port or 80)
    reader, writer = connections[parts.netloc]
    await send(writer, method, parts, pad, path)
    head = await reader.readuntil(b"\r\n\r\n")
    digest = hashlib.sha256()
    text = b""
    async for part in body_of(reader, head):
        digest.update(part)
        text = (text + part)[:64]
    found = digest.hexdigest() if method == "GET" else text.decode("latin1")
    if b"\r\nconnection: close" in head.lower():
        writer.close()
        del connections[parts.netloc]
    return "ok" if head[9:12] == b"200" and found == want else repr(head[:64] + text)


async def main():
    while line := await asyncio.to_thread(sys.stdin.readline):
        method, url, pad, path, want = line.split()
        try:
            said = await asyncio.wait_for(exchange(method, url, int(pad), path, want), 600)
        except Exception as error:
            connections.clear()
            said = repr(error)
        print(said, flush=True)


asyncio.run(main())
