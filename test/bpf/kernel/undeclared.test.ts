/** A server on 0.0.0.0 or [::] answers at every address of its host: also at those that no workload declares. */
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { SUBJECT } from './generated-policies.ts'
import { enforced, oneRule, until } from './one-rule.ts'
import { whyNoPython } from './python-server.ts'

const skip = whyNoPython() ?? false
const STRANGE4 = '192.0.2.7'
const STRANGE6 = '2001:db8::7'

/** Serves the wildcard address in a network of its own, and asks itself for /shut by each address given. */
const HOST = `
import socket, subprocess, sys, threading
for address in ('${STRANGE4}/32', '${STRANGE6}/128'):
    subprocess.run(['ip', 'addr', 'add', address, 'dev', 'lo'], check=True)
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
listener = socket.socket(socket.AF_INET6)
listener.bind(('::', 0))
listener.listen(64)
def serve():
    while True:
        connection, _ = listener.accept()
        def answer(c):
            if c.recv(1000): c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n')
        threading.Thread(target=answer, args=(connection,), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
for address in sys.argv[1:]:
    s = socket.create_connection((address, listener.getsockname()[1]))
    s.sendall(b'GET /shut HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')
    print(address, s.recv(100).decode()[9:12], flush=True)
    s.close()
`

const LOOPBACK = ['127.0.0.1', '127.0.0.9', '::1']
const cases = [
  { declared: '127.0.0.1', says: 'all of loopback is judged as the workload on it', answers: '403' },
  { declared: '::1', says: 'all of loopback is judged as the workload on it', answers: '403' },
  { declared: '203.0.113.1', says: 'loopback is open where no workload is declared on it', answers: '200' },
]

for (const { declared, says, answers } of cases)
  test(`${declared} declared: ${says}`, { skip }, async (t) => {
    const { fixture } = await enforced(t, oneRule(), { ...SUBJECT, addresses: [declared] })
    const child = fixture.spawnManaged('unshare', ['--net', 'python3', '-c', HOST, ...LOOPBACK])
    const said: string[] = []
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => said.push(line))
    await until(() => said.length === LOOPBACK.length)
    assert.deepEqual(
      said,
      LOOPBACK.map((address) => `${address} ${answers}`),
    )
  })

for (const strange of [STRANGE4, STRANGE6])
  test(`${strange}, which no workload declares, lets nobody in`, { skip }, async (t) => {
    const { fixture } = await enforced(t, oneRule(), { ...SUBJECT, addresses: ['127.0.0.1'] })
    const child = fixture.spawnManaged('unshare', ['--net', 'python3', '-c', HOST, strange])
    const said: string[] = []
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => said.push(line))
    await until(() => said.length > 0 || (fixture.counters().UNDECLARED ?? 0) > 1)
    assert.deepEqual(said, [])
  })
