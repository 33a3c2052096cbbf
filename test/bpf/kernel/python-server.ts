/**
 * What Node can't do with a socket: choose its protocol and buffers, and send a
 * packet header by header. Python's standard library can.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { type KernelFixture, RecordingServer, whyNoKernel } from './kernel-fixture.ts'

export function whyNoPython(): string | undefined {
  return whyNoKernel() ?? (spawnSync('python3', ['--version']).error ? 'needs python3' : undefined)
}

/** Says the same to everything that it reads; prints what it read, as recording-server.ts does. */
const SERVER = `
import base64, json, socket, sys, threading
protocol, reply = int(sys.argv[1]), sys.argv[2].encode('latin1')
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
listener.bind(('127.0.0.1', 0))
listener.listen(64)
print(json.dumps({'port': listener.getsockname()[1]}), flush=True)
def serve(connection, port):
    read = b''
    while True:
        try:
            part = connection.recv(1 << 20)
            if not part: break
            read += part
            connection.sendall(reply)
        except BlockingIOError: pass
        except OSError: break
    print(json.dumps({'port': port, 'bytes': base64.b64encode(read).decode()}), flush=True)
    connection.close()
while True:
    connection, peer = listener.accept()
    threading.Thread(target=serve, args=(connection, peer[1]), daemon=True).start()
`

export async function pythonServer(
  fixture: KernelFixture,
  reply: string,
  protocol = 0,
): Promise<RecordingServer> {
  const child = fixture.spawnManaged('python3', ['-c', SERVER, String(protocol), reply])
  return RecordingServer.of(child)
}

/** Runs a script outside the managed cgroup and returns what it printed. */
export function python(script: string, ...args: (string | number)[]): string {
  return execFileSync('python3', ['-c', script, ...args.map(String)], { encoding: 'utf8' })
}
