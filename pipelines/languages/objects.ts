/** What an object of Kubernetes is told by, and how it selects workloads: the same in every language. */
import { z } from 'zod'

export const DEFAULT_NAMESPACE = 'default'

const Requirement = z.strictObject({
  key: z
    .string()
    .min(1)
    .meta({ description: 'Name of the label.', examples: ['app'] }),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).meta({
    description: '`NotIn` holds for a workload without the label too.',
    examples: ['Exists'],
  }),
  values: z
    .array(z.string())
    .optional()
    .meta({ description: 'With In and NotIn, and only there.', examples: [['web', 'cart']] }),
})

const LABELS = z.record(z.string(), z.string()).optional()

export const LabelSelector = z
  .strictObject({
    matchLabels: LABELS.meta({ description: 'Labels with their values.', examples: [{ app: 'web' }] }),
    matchExpressions: z
      .array(Requirement.meta({ id: 'Requirement', description: 'What a label must be.' }))
      .optional()
      .meta({ description: 'All of them hold.', examples: [[{ key: 'app', operator: 'Exists' }]] }),
  })
  .meta({ id: 'LabelSelector', description: '{} selects every workload of the namespace' })
export type LabelSelector = z.infer<typeof LabelSelector>

export const Metadata = z
  .strictObject({
    name: z
      .string()
      .max(253)
      .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'no name of an object: lower case letters, digits, - and .')
      .meta({ description: 'One policy of a namespace has it.', examples: ['api'] }),
    namespace: z
      .string()
      .max(63)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'no name of a namespace: lower case letters, digits and -')
      .optional()
      .meta({ description: `Without it: ${DEFAULT_NAMESPACE}.`, examples: ['shop'] }),
    labels: LABELS.meta({ description: 'For people: they change nothing.', examples: [{ team: 'shop' }] }),
    annotations: LABELS.meta({
      description: 'Those of `heddle.dev/` must be known; others change nothing.',
      examples: [{ 'heddle.dev/refuses': 'GET /private/.*' }],
    }),
  })
  .meta({ id: 'Metadata', description: 'What the object is told by.' })
export type Metadata = z.infer<typeof Metadata>
