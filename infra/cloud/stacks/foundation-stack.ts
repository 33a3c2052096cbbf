/**
 * What outlives every deployment of code, and what an operator's ceremony needs before there is one: the
 * bucket, the keys, the place of the image. All of it stays when the stack goes.
 */
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { Repository, TagMutability } from 'aws-cdk-lib/aws-ecr'
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Key, KeySpec, KeyUsage } from 'aws-cdk-lib/aws-kms'
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type CfnBucket,
  type IBucket,
  ObjectLockRetention,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3'
import type { Construct } from 'constructs'
import { PREFIXES } from '../../../pipelines/contract/object-keys.ts'
import { SEALED_PURPOSES, SIGNERS } from '../deployment.ts'
import type { KeyName } from '../environment.ts'
import { acceptWildcards } from './accept.ts'

/** Days that no version of an object can be deleted, by nobody: longer than any metadata that names it lives. */
const LOCKED_DAYS = 400
/** Days of the bucket's own access log. */
const ACCESS_LOG_DAYS = 90
const MINIMUM_TLS = 1.2

export const STORE_EXPORT = 'HeddleStoreArn'

export class FoundationStack extends Stack {
  readonly bucket: Bucket
  /** The bucket's ARN for other stacks, under a name of its own: findings about grants name it. */
  readonly storeArn: string
  readonly keys: Record<KeyName, Key>
  readonly images: Repository

  constructor(scope: Construct, id: string) {
    super(scope, id, { description: 'Heddle: store, keys and image repository', terminationProtection: true })
    this.bucket = this.#makeBucket()
    this.storeArn = this.exportValue(this.bucket.bucketArn, { name: STORE_EXPORT })
    const sealed = SEALED_PURPOSES.map((name) => [name, this.#sealingKey(name)])
    const signing = SIGNERS.filter((role) => SEALED_PURPOSES.every((name) => name !== role))
    this.keys = Object.fromEntries([
      ...sealed,
      ...signing.map((role) => [role, this.#signingKey(role)]),
    ]) as FoundationStack['keys']
    this.images = new Repository(this, 'Images', {
      imageScanOnPush: true,
      imageTagMutability: TagMutability.IMMUTABLE,
      removalPolicy: RemovalPolicy.RETAIN,
    })
    this.#nodesRead()
  }

  /** Versions are locked: whoever gets hold of the account can't take history away either. */
  #makeBucket(): Bucket {
    const shared = {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: MINIMUM_TLS,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: RemovalPolicy.RETAIN,
    }
    const log = new Bucket(this, 'AccessLog', {
      ...shared,
      lifecycleRules: [{ expiration: Duration.days(ACCESS_LOG_DAYS) }],
    })
    return new Bucket(this, 'Store', {
      ...shared,
      versioned: true,
      objectLockEnabled: true,
      objectLockDefaultRetention: ObjectLockRetention.compliance(Duration.days(LOCKED_DAYS)),
      serverAccessLogsBucket: log as IBucket,
      // What was replaced and is no longer locked: old timestamps and statuses.
      lifecycleRules: [{ noncurrentVersionExpiration: Duration.days(LOCKED_DAYS + 1) }],
    })
  }

  /** KMS signs with it; its private half has never been anywhere else. */
  #signingKey(role: KeyName): Key {
    return new Key(this, `Key-${role}`, {
      description: `Heddle: signs as ${role}`,
      alias: `heddle/${role}`,
      keySpec: KeySpec.ECC_NIST_EDWARDS25519,
      keyUsage: KeyUsage.SIGN_VERIFY,
      removalPolicy: RemovalPolicy.RETAIN,
    })
  }

  #sealingKey(purpose: KeyName): Key {
    return new Key(this, `Key-${purpose}`, {
      description: `Heddle: seals what only functions with the purpose ${purpose} may open`,
      alias: `heddle/${purpose}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    })
  }

  /** What a node's own role gets: to read what is signed, and nothing of how it came about. */
  #nodesRead(): void {
    const { bucket } = this
    const patterns = [PREFIXES.tuf, PREFIXES.blobs, PREFIXES.log].map((prefix) => `${prefix}*`)
    const policy = new ManagedPolicy(this, 'NodesRead', {
      description: 'Heddle: what a node reads',
      statements: [
        new PolicyStatement({
          actions: ['s3:GetObject'],
          resources: patterns.map((pattern) => bucket.arnForObjects(pattern)),
        }),
        // Without it a missing object answers 403, and nobody could tell it from a refusal.
        new PolicyStatement({ actions: ['s3:ListBucket'], resources: [bucket.bucketArn] }),
      ],
    })
    const arn = `<${this.getLogicalId(bucket.node.defaultChild as CfnBucket)}.Arn>`
    const reason = 'keys below a prefix are digests and numbers: there is no list of them'
    acceptWildcards(
      policy,
      patterns.map((pattern) => `${arn}/${pattern}`),
      reason,
    )
  }
}
