/** All functions in one process: ports to this machine's adapters, a queue worked off, a reconciler. */
import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { openOnlineKeys, readOperators } from '../../functions/adapters/dev-keys.ts'
import { openFileStatuses } from '../../functions/adapters/file-statuses.ts'
import { nodePolicyReader } from '../../functions/adapters/node-policy-reader.ts'
import { composeFunctions } from '../../functions/compose.ts'
import type { Clock, Compiler } from '../../functions/ports.ts'
import type { SqsHandler } from '../../functions/sqs.ts'
import { DeliveryEvent } from '../../pipelines/contract/events.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { openStore } from '../store/open-store.ts'
import { openDiskQueue } from './disk-queue.ts'
import { openForge } from './host-forge.ts'
import { type HostConfig, planOf, statusDirectory } from './host-config.ts'
import { reportInbox } from './report-inbox.ts'
import { reconciler } from './reconciler.ts'
import { listen } from './webhook-server.ts'
import { type HostBus, openBus } from './host-bus.ts'
import { startWorker } from './worker.ts'

export type Host = { port: number; stop(): Promise<void> }

const clock: Clock = { now: () => new Date() }

/** Starts everything and writes the port last: who reads it finds a host that answers. */
export async function startHost(config: HostConfig, compiler: Compiler): Promise<Host> {
  const log = (line: string) => console.log(line)
  const queue = await openDiskQueue(config.queue, clock)
  const trustedRoot = await readTrustedRoot(config.rootFile)
  const keys = await openOnlineKeys(config.keys)
  const store = await openStore(config.store, clock)
  const forge = await openForge(config, log)
  const statuses = await openFileStatuses(statusDirectory(config))
  const { bus, renewing }: HostBus = await openBus(config.nats, { store, clock, log })
  const { name: repository, branch } = config.repository
  const secrets = await readSecrets(config.secretFile)
  const plan = planOf(config)
  const functions = composeFunctions({
    store,
    queue,
    ...forge,
    statuses,
    bus,
    clock,
    log,
    repository,
    branch,
    secrets,
    reader: nodePolicyReader(),
    compiler,
    keys,
    trustedRoot,
    plan,
    operators: config.operators === null ? [] : await readOperators(config.operators),
    builderId: 'https://heddle.dev/builder/local',
  })
  const stages = { ...functions.stages, rollout: oneByOne(functions.stages.rollout) }
  const inbox = reportInbox(stages.rollout, log)
  bus.onReport(inbox.put)
  const worker = startWorker({ queue, clock, stages, log, onDead: tellDead })
  const desk = { rollout: functions.rollout, receive: functions.receive, statuses }
  const server = await listen(config.port, desk)
  const local = config.socket === null ? undefined : await listenAt(config.socket, desk)
  const reconcile = reconciler({ reconcile: functions.reconcile, log }, config.reconcileMs)
  const port = (server.address() as AddressInfo).port
  await write(config.portFile, Buffer.from(`${port}\n`))
  log(`functions listen on 127.0.0.1:${port}`)
  return {
    port,
    async stop() {
      reconcile.stop()
      renewing.stop()
      for (const each of [server, local]) if (each) await new Promise((resolve) => each.close(resolve))
      await inbox.stop()
      await worker.stop()
      await bus.close()
      queue.close()
    },
  }

  async function tellDead(body: string): Promise<void> {
    const event = DeliveryEvent.parse(JSON.parse(body))
    await functions.giveUp(
      event,
      new Failure('delivery-exhausted', `${event.stage} did not succeed; see the log`),
    )
  }
}

/** One that a killed host left is in nobody's use: this host holds the queue. */
async function listenAt(socket: string, desk: Parameters<typeof listen>[1]) {
  await rm(socket, { force: true })
  return listen(socket, desk)
}

/** Reports and commands of this process don't race each other for the state; other processes may. */
function oneByOne(handler: SqsHandler): SqsHandler {
  let last: Promise<unknown> = Promise.resolve()
  return (event) => {
    const next = last.then(() => handler(event))
    last = next.catch(() => {})
    return next
  }
}

/** A secret that nobody chose is made: 32 random bytes. */
async function readSecrets(file: string): Promise<string[]> {
  const existing = await readFile(file, 'utf8').catch(() => undefined)
  if (existing === undefined) await write(file, Buffer.from(`${randomBytes(32).toString('hex')}\n`), 0o600)
  const lines = (existing ?? (await readFile(file, 'utf8'))).split('\n')
  return lines.map((line) => line.trim()).filter((line) => line !== '')
}

async function write(file: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  await writeFile(`${file}.new`, bytes, { mode })
  await rename(`${file}.new`, file)
}

async function readTrustedRoot(file: string): Promise<Uint8Array> {
  return readFile(file).catch((cause: unknown) => {
    const message = `${file} can't be read: heddle trust init makes the root of trust, this host does not`
    throw new Failure('metadata-untrusted', message, { cause })
  })
}
