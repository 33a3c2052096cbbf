/**
 * Tenancy: which paths of the policy repository may speak for which namespaces.
 *
 * `tenants.yaml` at the repository's root maps path prefixes to namespaces. The
 * longest prefix that fits a file decides alone, so that a folder inside a
 * team's folder can be given less. A path that no prefix fits speaks for no
 * namespace. Without the file every path may speak for every namespace.
 */
import { z } from 'zod'

export const TENANTS_FILE = 'tenants.yaml'

const TenantPath = z
  .string()
  .regex(
    /^(?!\.{1,2}(\/|$))[^/]+(\/(?!\.{1,2}(\/|$))[^/]+)*$/,
    'no path from the root: write it like teams/payments',
  )

export const Tenants = z.strictObject({
  tenants: z.array(z.strictObject({ path: TenantPath, namespaces: z.array(z.string().min(1)) })),
})
export type Tenants = z.infer<typeof Tenants>

const within = (folder: string, path: string) => path === folder || path.startsWith(`${folder}/`)

/** Namespaces that a file may speak for; null = every one. */
export function namespacesOf(tenants: Tenants | undefined, path: string): readonly string[] | null {
  if (tenants === undefined) return null
  const fitting = tenants.tenants.filter((tenant) => within(tenant.path, path))
  const longest = Math.max(0, ...fitting.map((tenant) => tenant.path.length))
  return fitting.filter((tenant) => tenant.path.length === longest).flatMap(({ namespaces }) => namespaces)
}
