/** The cloud's stacks, synthesised offline around functions without code, and read as an auditor would. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Template } from 'aws-cdk-lib/assertions'
import { makeApp } from '../../infra/cloud/app.ts'
import { type FunctionName, functionsByName } from '../../infra/cloud/functions.ts'

export type Properties = Record<string, unknown>
export type Resource = { id: string; Type: string; Properties: Properties; DeletionPolicy?: string }
/** One action on one resource; `on` is a logical id, or what of a key's, bucket's or queue's name is known. */
export type Grant = { action: string; on: string; when: unknown }

export const IMAGE_DIGEST = `sha256:${'a'.repeat(64)}`

export class CloudTemplate {
  readonly foundation: Template
  readonly delivery: Template

  /** Throws what cdk-nag finds. */
  constructor() {
    const directory = mkdtempSync(join(tmpdir(), 'heddle-cloud-'))
    try {
      for (const [name] of functionsByName()) {
        mkdirSync(join(directory, 'bundles', name), { recursive: true })
        writeFileSync(join(directory, 'bundles', name, 'handler.js'), '')
      }
      const bundles = join(directory, 'bundles')
      const stacks = makeApp(join(directory, 'out'), {
        bundles,
        image: IMAGE_DIGEST,
        forge: 'file:///policies',
      })
      stacks.app.synth()
      this.foundation = Template.fromStack(stacks.foundation)
      if (stacks.delivery === undefined) throw new Error('there is no delivery')
      this.delivery = Template.fromStack(stacks.delivery)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

  /** The one resource whose logical id begins so. */
  one(type: string, begin: string, template = this.delivery): Resource {
    const found = this.all(type, template).filter(({ id }) => id.startsWith(begin))
    if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} of ${type} ${begin}`)
    return found[0]
  }

  all(type: string, template = this.delivery): Resource[] {
    const resources = template.findResources(type) as Record<string, Omit<Resource, 'id'>>
    return Object.entries(resources).map(([id, resource]) => ({ ...resource, id }))
  }

  /** All that a function's role may do, from every policy that names the role. */
  grantsOf(name: FunctionName): Grant[] {
    const role = this.one('AWS::IAM::Role', `Role${name}`)
    const grants: Grant[] = []
    for (const { Properties } of this.all('AWS::IAM::Policy')) {
      const roles = Properties['Roles'] as { Ref: string }[]
      if (roles.some(({ Ref }) => Ref === role.id)) grants.push(...grantsIn(Properties['PolicyDocument']))
    }
    return grants
  }
}

type Statement = { Effect: string; Action: string | string[]; Resource: unknown; Condition?: unknown }

export function grantsIn(document: unknown): Grant[] {
  const { Statement } = document as { Statement: Statement[] }
  return Statement.filter(({ Effect }) => Effect === 'Allow').flatMap((statement) =>
    [statement.Action]
      .flat()
      .flatMap((action) =>
        [statement.Resource]
          .flat()
          .map((resource) => ({ action, on: nameOf(resource), when: statement.Condition })),
      ),
  )
}

/** `Queuerollout…`, `Keypolicy…`, `HeddleStoreArn/blobs/*`: an ARN by the names that are in it. */
export function nameOf(resource: unknown): string {
  if (typeof resource === 'string') return resource
  const form = resource as {
    'Fn::GetAtt'?: string[]
    'Fn::ImportValue'?: string
    'Fn::Join'?: [string, unknown[]]
    Ref?: string
  }
  if (form['Fn::GetAtt'] !== undefined) return form['Fn::GetAtt'][0] ?? ''
  if (form['Fn::ImportValue'] !== undefined)
    return form['Fn::ImportValue'].replace(/^HeddleFoundation:ExportsOutput(FnGetAtt|Ref)/, '')
  if (form['Fn::Join'] !== undefined) return form['Fn::Join'][1].map(nameOf).join(form['Fn::Join'][0])
  return form.Ref ?? JSON.stringify(resource)
}
