/** One sample of one way of the suite `datapath`: a load, and what the machine spent meanwhile. */
import type { Lane } from './cases.ts'
import { startMeter } from './cpu.ts'
import { type Load, type Pace, saturate } from './load.ts'
import { type Sample, slowPath } from './statistics.ts'
import type { Way } from './ways.ts'

const CEILING_SECONDS = 2

export function loadFor({ site, url }: Way, { connections, bytes }: Lane, seconds: number): Load {
  const { host, dir } = site.near
  const place = { dir, namespace: host.namespace, cgroup: site.load, cpus: site.cpus.load }
  return { ...place, url, connections, bytes, seconds }
}

export function atSaturation(way: Way, load: Load): Promise<Sample> {
  return metered(way, async () => {
    const { requests, duration_us, ...latencies } = await saturate(load)
    return { requests, duration_us, sample: latencies }
  })
}

/** `rate` in requests a second, whatever the answers do. */
export function atRate(way: Way, load: Load, pace: Pace, rate: number): Promise<Sample> {
  return metered(way, async () => {
    const { requests, duration_us, ...latencies } = await pace(load, rate)
    return { requests, duration_us, sample: { offered_per_second: rate, ...latencies } }
  })
}

type Done = { requests: number; duration_us: number; sample: Sample }

async function metered(way: Way, run: () => Promise<Done>): Promise<Sample> {
  const shareBefore = await way.share?.()
  const stop = startMeter(way.site.cgroup, way.site.load)
  const { requests, duration_us, sample } = await run()
  const spent = stop()
  const shareAfter = await way.share?.()
  return {
    ...sample,
    ...(shareBefore && shareAfter && slowPath(shareBefore, shareAfter, requests)),
    requests_per_second: (requests / duration_us) * 1e6,
    cpu_us_per_request: spent.machine / requests,
    cgroup_us_per_request: spent.cgroup / requests,
    load_busy: spent.load / spent.elapsed,
    others_busy: (spent.machine - spent.cgroup) / spent.elapsed,
  }
}

/**
 * What the open loop does without a pace on this way, and how busy it is: divided, the rate at which it
 * would itself be what limits. Half of a saturation must stay well below that.
 */
export async function ceilingOf(way: Way, load: Load, pace: Pace): Promise<Record<string, number>> {
  const { requests_per_second: unpaced = 0, load_busy: busy = 1 } = await atRate(
    way,
    { ...load, seconds: CEILING_SECONDS },
    pace,
    0,
  )
  return { unpaced_per_second: Math.round(unpaced), ceiling_per_second: Math.round(unpaced / busy) }
}
