/** Composition: ports and settings in, one handler a stage out. Who hosts them chooses the adapters. */
import type { StageName } from '../pipelines/contract/events.ts'
import type { RolloutPlan } from '../pipelines/rollout/plan.ts'
import { compileHandler } from './compile/handler.ts'
import type { Bus, Clock, Compiler, Forge, ObjectStore, PolicyReader, Queue, Statuses } from './ports.ts'
import { namedLogWriter } from './log/named-log.ts'
import { publishHandler } from './publish/handler.ts'
import { receiveHandler, type WebhookHandler } from './receive/handler.ts'
import type { Operators } from './rollout/commands.ts'
import { type RolloutDesk, rolloutDesk } from './rollout/desk.ts'
import { rolloutHandler } from './rollout/handler.ts'
import { signHandler } from './sign/handler.ts'
import type { SqsHandler } from './sqs.ts'
import { Repository } from './trust/repository.ts'
import type { OnlineKeys } from './trust/roles.ts'
import { validateHandler } from './validate/handler.ts'

export type Parts = {
  store: ObjectStore
  queue: Queue
  forge: Forge
  statuses: Statuses
  bus: Bus
  clock: Clock
  reader: PolicyReader
  compiler: Compiler
  keys: OnlineKeys
  /** root.json that what the offline keys sign is verified from. */
  trustedRoot: Uint8Array
  plan: RolloutPlan
  operators: Operators
  /** The policy repository's full name on the forge, and the branch that is delivered. */
  repository: string
  branch: string
  secrets: readonly string[]
  builderId: string
  log: (line: string) => void
}

export type Functions = {
  receive: WebhookHandler
  rollout: RolloutDesk
  stages: Record<StageName, SqsHandler>
}

export function composeFunctions(parts: Parts): Functions {
  const { repository: name, ...rest } = parts
  const tuf = new Repository(parts)
  const entries = namedLogWriter({ ...parts, signers: parts.keys.log.signers })
  return {
    receive: receiveHandler(parts),
    rollout: rolloutDesk({ ...rest, director: parts.keys.release }),
    stages: {
      validate: validateHandler({ ...rest, repository: name }),
      compile: compileHandler(rest),
      sign: signHandler({ ...rest, builder: parts.keys.policy }),
      publish: publishHandler({ ...rest, repository: tuf, entries }),
      rollout: rolloutHandler({
        ...rest,
        repository: tuf,
        director: parts.keys.release,
        applied: { revision: null, known: null },
      }),
    },
  }
}
