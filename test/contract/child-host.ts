/** Asks a child of its own kind for work without end; with a parent's process id it is that child. */
import { fileURLToPath } from 'node:url'
import { answerParent, inChild } from '../../functions/adapters/node-child.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

if (process.argv[2] === undefined)
  await inChild({
    name: 'work',
    program: fileURLToPath(import.meta.url),
    input: null,
    limits: { timeMs: 60_000, heapMb: 64 },
    maxOutput: 1024,
    over: (bound) => new Failure('limit-exceeded', bound),
  })
else
  await answerParent(() => {
    for (;;);
  })
