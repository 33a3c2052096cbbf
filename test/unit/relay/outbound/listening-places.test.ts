import assert from 'node:assert/strict'
import { closeSync } from 'node:fs'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type ListenOptions, type Server } from 'node:net'
import { describe, test } from 'node:test'
import { duplicate } from '../../../../agent/relay/outbound/duplicate.ts'
import { listeningPlaces } from '../../../../agent/relay/outbound/listening-places.ts'

async function listening(place: ListenOptions | { fd: number }): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.end('served')).listen(place)
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

async function closed(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}

/** A listening socket as a supervisor hands it over: a number, with nobody in this process who reads it. */
async function inherited(): Promise<{ fd: number; port: number }> {
  const { server, port } = await listening({ host: '127.0.0.1', port: 0 })
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  const kept = duplicate(fd)
  await closed(server)
  return { fd: kept, port }
}

async function answer(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  let text = ''
  for await (const part of socket) text += part
  return text
}

describe('places to listen at', () => {
  test('an inherited socket can be listened at again by the same process, and keeps who came meanwhile', async () => {
    const { fd, port } = await inherited()
    try {
      for (let round = 0; round < 3; round++) {
        const early = answer(port)
        const [place] = await listeningPlaces([fd])
        const { server, port: found } = await listening(place as ListenOptions)
        assert.equal(found, port)
        assert.equal(await early, 'served')
        await closed(server)
      }
    } finally {
      closeSync(fd)
    }
  })
  test('without an inherited one there is one port for all loopbacks', async () => {
    const places = await listeningPlaces([])
    assert.ok(places.length > 0)
    assert.equal(new Set(places.map((place) => ('port' in place ? place.port : undefined))).size, 1)
    assert.ok(places.every((place) => 'host' in place))
  })
  test('more than one inherited keeps its order', async () => {
    const both = [await inherited(), await inherited()]
    try {
      const ports = []
      for (const place of await listeningPlaces(both.map(({ fd }) => fd))) {
        const { server, port } = await listening(place)
        ports.push(port)
        await closed(server)
      }
      assert.deepEqual(
        ports,
        both.map(({ port }) => port),
      )
    } finally {
      for (const { fd } of both) closeSync(fd)
    }
  })
})
