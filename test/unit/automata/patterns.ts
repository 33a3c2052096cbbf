/** Generated RE2 patterns, and inputs that have a fair chance to match them. */
import fc from 'fast-check'

const ATOMS = ['a', 'b', 'c', '/', '.', '[ab]', '[^a]', '[a-c]', '\\d', '\\w', '\\W', '1', '(?i)A', '(?i:bC)']
const EDGES = ['^', '$', '\\b', '\\B', '\\A', '\\z']

/** Patterns over a small alphabet, with every operator that RE2 has. */
export function regexPattern(maxDepth = 4): fc.Arbitrary<string> {
  const { pattern } = fc.letrec<{ pattern: string; term: string; atom: string }>((tie) => ({
    atom: fc.oneof(
      { maxDepth, depthIdentifier: `regex${maxDepth}` },
      { weight: 6, arbitrary: fc.constantFrom(...ATOMS) },
      { weight: 1, arbitrary: fc.constantFrom(...EDGES) },
      { weight: 3, arbitrary: tie('pattern').map((inner) => `(${inner})`) },
    ),
    term: fc.tuple(tie('atom'), fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,3}', '{2,}', '*?')).map(
      // A bare flag group can't be repeated, and RE2 variants differ on it.
      ([atom, repeat]) => (atom.startsWith('(?i)') ? atom : atom + repeat),
    ),
    pattern: fc
      .array(fc.array(tie('term'), { minLength: 0, maxLength: 4 }), { minLength: 1, maxLength: 3 })
      .map((options) => options.map((terms) => terms.join('')).join('|')),
  }))
  return pattern
}

/** A deterministic input over the patterns' alphabet, short ones more often. */
export function subjectFor(pattern: string, seed: number): string {
  let state = (seed ^ (pattern.length * 2_654_435_761)) >>> 0
  const draw = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const alphabet = 'aabbccABC/1 -'
  let text = ''
  for (let left = draw(7); left > 0; left--) text += alphabet[draw(alphabet.length)]
  return text
}
