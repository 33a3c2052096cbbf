/**
 * `npm run dev`: the same stack as the demo's, up until Ctrl-C.
 *
 *     dev.js [--dir DIR] [--soak-ms N] [--nats-cluster N] [--store files|s3]
 */
import { relative } from 'node:path'
import { goodPolicy, POLICY_FILE } from './demo-policies.ts'
import { searchSbin } from './sbin.ts'
import { downOnSignals } from './signals.ts'
import { stackArguments } from './stack-options.ts'
import { type Stack, up } from './stack.ts'

const options = stackArguments('npm run dev: the same stack as the demo, up until Ctrl-C', {
  dir: '.heddle/dev',
  soakMs: 3000,
})
const say = (text: string) => process.stdout.write(`${text}\n`)

function help(stack: Stack): string {
  const here = (path: string) => relative('.', path)
  const clone = here(stack.cloud.clone.dir)
  const node = stack.nodes[0]
  const heddle = 'node dist/infra/cli/main.js'
  return `
The stack is up until Ctrl-C. In another terminal, from here, as root:

  edit and push    $EDITOR ${clone}/${POLICY_FILE}
                   git -C ${clone} commit -am 'Try it' && git -C ${clone} push origin main
  lint             ${heddle} policy lint ${clone}/policies --json
  explain          ${heddle} explain -f ${clone}/policies --request 'GET /private HTTP/1.1' \\
                     --namespace shop --port 8080 --from app=web --to app=api
  audit a node     ${heddle} audit ${node?.name} --stack ${here(stack.dir)}
  keys and roots   ${heddle} trust status --stack ${here(stack.dir)}
  ask a node       nsenter --net=/run/netns/${stack.clientNamespace} curl -i http://${node?.host.address4}:8080/public/
  journals         tail -f ${here(stack.dir)}/log/*.log
`
}

searchSbin()
downOnSignals(options.dir)
const stack = await up({ ...options, say })
const push = await stack.cloud.clone.push(
  { [POLICY_FILE]: goodPolicy() },
  'Let web read and upload below /public',
)
say(push.said)
say(help(stack))

/** A process of the stack that ends is told once; the rest stays up to be looked at. */
const told = new Set<string>()
setInterval(() => {
  for (const text of stack.ended()) {
    if (told.has(text)) continue
    told.add(text)
    say(text)
  }
}, 500)
