/** A bucket as its owner sees it: he makes it, lets others read it, and does with it what no adapter of Heddle's would. */
import { Agent } from 'node:http'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { S3User } from './radosgw.ts'

export type Owner = {
  user: S3User
  bucket: string
  /** `http://host:port` of the server; with `socket`, whatever its requests shall be signed for. */
  endpoint: string
  /** Unix socket that leads to the server. */
  socket?: string
}

export class Bucket {
  readonly #client: S3Client
  readonly #name: string

  constructor({ user, bucket, endpoint, socket }: Owner) {
    this.#name = bucket
    // The pinned version is one that supports this Node; its word about the next ones is for who upgrades it.
    process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
    this.#client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: user,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      requestHandler: {
        httpAgent: new Agent({ keepAlive: true, ...(socket === undefined ? {} : { socketPath: socket }) }),
      },
    })
  }

  /** `locked`: with Object Lock, and so with versions. `readers`: users who may get objects, and nothing else. */
  async make({ locked, readers }: { locked: boolean; readers: readonly S3User[] }): Promise<void> {
    const Bucket = this.#name
    await this.#client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: locked }))
    if (readers.length === 0) return
    const statement = {
      Effect: 'Allow',
      Principal: { AWS: readers.map(({ name }) => `arn:aws:iam:::user/${name}`) },
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${Bucket}/*`,
    }
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
    await this.#client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  }

  async read(key: string): Promise<Buffer | undefined> {
    try {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.#name, Key: key }))
      return Buffer.from((await Body?.transformToByteArray()) ?? [])
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') return undefined
      throw error
    }
  }

  /** Whatever is there, and without a condition. */
  async overwrite(key: string, bytes: Uint8Array): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: this.#name, Key: key, Body: Buffer.from(bytes) }))
  }

  /** All keys with this beginning, sorted. */
  async list(prefix: string): Promise<string[]> {
    const keys: string[] = []
    let token: string | undefined
    do {
      const from = token === undefined ? {} : { ContinuationToken: token }
      const page = await this.#client.send(
        new ListObjectsV2Command({ Bucket: this.#name, Prefix: prefix, ...from }),
      )
      keys.push(...(page.Contents ?? []).flatMap(({ Key }) => Key ?? []))
      token = page.NextContinuationToken
    } while (token !== undefined)
    return keys
  }

  close(): void {
    this.#client.destroy()
  }
}
