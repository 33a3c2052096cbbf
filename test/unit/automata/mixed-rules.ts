/** Paths as gateways have them: 40 % exact, 40 % prefix, 20 % infix, from a fixed seed. */
export function mixedPatterns(count: number, seed = 1): string[] {
  let state = seed >>> 0
  const draw = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const word = (length: number): string =>
    Array.from({ length }, () => String.fromCharCode(97 + draw(26))).join('')
  const services = Array.from({ length: Math.max(4, count / 50) }, () => word(4 + draw(6)))
  const service = (): string => services[draw(services.length)] ?? ''
  return Array.from({ length: count }, (_, index) => {
    const id = index.toString(36)
    if (index % 5 < 2) return `/${service()}/v${draw(4)}/${word(5)}/${id}`
    if (index % 5 < 4) return `/${service()}/${word(5)}${id}/.*`
    return `.*/${word(6)}${id}/.*`
  })
}
