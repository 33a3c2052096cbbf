/** Findings of cdk-nag that stay: each by its own name, on one construct, and why. A new one fails the synthesis. */
import { Validations } from 'aws-cdk-lib'
import type { IConstruct } from 'constructs'

export function accept(construct: IConstruct, id: string, reason: string): void {
  Validations.of(construct).acknowledge({ id, reason })
}

/** Wildcards in resources of a policy below the construct, as cdk-nag spells them. */
export function acceptWildcards(construct: IConstruct, resources: readonly string[], reason: string): void {
  const wild = new Set(resources.filter((resource) => resource.includes('*')))
  for (const resource of wild) accept(construct, `AwsSolutions-IAM5[Resource::${resource}]`, reason)
}
