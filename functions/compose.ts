/** Composition: ports and settings in, one handler a stage out. Who hosts them chooses the adapters. */
import type { DeliveryEvent, StageName } from '../pipelines/contract/events.ts'
import type { Failure } from '../pipelines/contract/failures.ts'
import type { RolloutPlan } from '../pipelines/rollout/plan.ts'
import { nodeTableBuilder } from './adapters/node-table-builder.ts'
import { octokitSignatures } from './adapters/octokit-signatures.ts'
import { compileHandler } from './compile/handler.ts'
import { namedLogWriter } from './log/named-log.ts'
import { NO_POSTS, NO_PULLS, NO_REVIEWS } from './no-forge.ts'
import { planHandler } from './plan/handler.ts'
import { storedPlans } from './plans.ts'
import type * as Ports from './ports.ts'
import { postHandler } from './post/handler.ts'
import { publishHandler } from './publish/handler.ts'
import { receiveHandler, reconcileHandler, type WebhookHandler } from './receive/handler.ts'
import type { Operators } from './rollout/commands.ts'
import { type RolloutDesk, rolloutDesk } from './rollout/desk.ts'
import { rolloutHandler } from './rollout/handler.ts'
import { signHandler } from './sign/handler.ts'
import { giveUp, type SqsHandler } from './sqs.ts'
import { announced } from './statuses.ts'
import { Repository } from './trust/repository.ts'
import type { OnlineKeys } from './trust/roles.ts'
import { validateHandler } from './validate/handler.ts'

export type Parts = {
  store: Ports.ObjectStore
  queue: Ports.Queue
  forge: Ports.Forge
  /** What a forge has beyond a repository; a git repository alone has none of it. */
  pulls?: Ports.Pulls
  reviews?: Ports.Reviews
  posts?: Ports.Posts
  statuses: Ports.Statuses
  bus: Ports.Bus
  clock: Ports.Clock
  reader: Ports.PolicyReader
  compiler: Ports.Compiler
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
  /** For a schedule. */
  reconcile: () => Promise<void>
  stages: Record<StageName, SqsHandler>
  /** For events that nobody will try again. */
  giveUp: (event: DeliveryEvent, failure: Failure) => Promise<void>
}

export function composeFunctions(parts: Parts): Functions {
  const { repository: name, posts, ...rest } = parts
  const tuf = new Repository(parts)
  const entries = namedLogWriter({ ...parts, signers: parts.keys.log.signers })
  const pulls = parts.pulls ?? NO_PULLS
  const ports = {
    ...rest,
    pulls,
    reviews: parts.reviews ?? NO_REVIEWS,
    // Without anywhere to post to, an event for each status would be needless work on a push's way.
    statuses: posts === undefined ? parts.statuses : announced(parts.statuses, parts.queue),
    plans: storedPlans({ ...rest, pulls }),
    signatures: octokitSignatures(parts.secrets),
  }
  return {
    receive: receiveHandler({ ...ports, repository: name }),
    reconcile: reconcileHandler(ports),
    rollout: rolloutDesk({ ...ports, director: parts.keys.release }),
    stages: {
      validate: validateHandler({ ...ports, repository: name }),
      compile: compileHandler(ports),
      sign: signHandler({ ...ports, builder: parts.keys.policy }),
      publish: publishHandler({ ...ports, repository: tuf, entries }),
      rollout: rolloutHandler({
        ...ports,
        repository: tuf,
        director: parts.keys.release,
        applied: { revision: null, known: null },
      }),
      plan: planHandler({ ...ports, tables: nodeTableBuilder() }),
      post: postHandler({ ...ports, posts: posts ?? NO_POSTS }),
    },
    giveUp: (event, failure) => giveUp(ports, event, failure),
  }
}
