/** Attacks with what a forge lets anybody do: payloads, forks, comments, approvals, names in files. */
import type { Attack } from './attack.ts'

const PAYLOADS = 'unit/functions/receive/webhooks-examples'
const DELIVERY = 'contract/github-delivery'
const FORGE = 'contract/octokit-forge'
const POSTS = 'contract/octokit-posts'
const REVIEWS = 'contract/octokit-reviews'
const POST = 'unit/functions/post'

export const GITHUB_ATTACKS: readonly Attack[] = [
  {
    attack: 'altered webhook: bytes that read like the signed ones',
    file: PAYLOADS,
    tests: [
      'refuses bytes that only read like the signed ones',
      'refuses each example with one byte altered, also where the byte is no text',
    ],
    without: [{ in: 'functions/adapters/octokit-signatures.ts', cut: 'fatal: true', put: 'fatal: false' }],
  },
  {
    attack: 'forced push: unseen',
    file: DELIVERY,
    tests: ['a forced push is delivered as the new head, and its status says what it replaces'],
    without: [
      {
        in: 'functions/validate/delivered-head.ts',
        cut: '(await forge.contains(commit, delivered)) ? undefined : delivered',
        put: 'undefined',
      },
    ],
  },
  {
    attack: 'fork: a pull request that would be published',
    file: DELIVERY,
    tests: ['a pull request from a fork is planned, and never built, signed or published'],
    without: [{ in: 'functions/validate/validate.ts', cut: 'if (pull !== undefined)', put: 'if (false)' }],
  },
  {
    attack: 'reordered pull requests: an older head has the last word',
    file: POST,
    tests: [
      'keeps no plan of a commit that the pull request has left behind',
      'comments only with the plan of the head, and checks the commit in any case',
    ],
    without: [
      {
        in: 'functions/plans.ts',
        cut: 'if ((await pulls.pull(record.pull))?.commit !== record.commit)',
        put: 'if (false)',
      },
    ],
  },
  {
    attack: 'reordered posts: an older status has the last word',
    file: POST,
    tests: ['says a newer status again after an older one that was slower on its way'],
    without: [{ in: 'functions/post/post.ts', cut: 'text === posted', put: "posted !== ''" }],
  },
  {
    attack: 'markup in a policy: a name that leaves its code span',
    file: POST,
    tests: ['writes nothing of a file outside of a code span'],
    without: [{ in: 'functions/post/plan-text.ts', cut: '/[`\\p{C}\\p{Z}]+/gu', put: '/[\\p{C}\\p{Z}]+/gu' }],
  },
  {
    attack: 'a comment that poses as ours',
    file: POSTS,
    tests: ['leaves comments alone that have its marker and are somebody else’s'],
    without: [{ in: 'functions/adapters/octokit-comments.ts', cut: 'app?.id === github.appId && ', put: '' }],
  },
  {
    attack: 'an approval that is none: a stranger’s',
    file: REVIEWS,
    tests: ['counts no approval that is a stranger’s'],
    without: [
      {
        in: 'functions/adapters/octokit-reviews.ts',
        cut: ' && OWN.has(opinion.author_association)',
        put: '',
      },
    ],
  },
  {
    attack: 'an approval that is none: dismissed or taken back',
    file: REVIEWS,
    tests: ['counts no approval that was dismissed', 'counts no approval that was taken back'],
    without: [
      {
        in: 'functions/adapters/octokit-reviews.ts',
        cut: ".filter(([, { state }]) => state === 'APPROVED')",
        put: '',
      },
    ],
  },
  {
    attack: 'an approval of something else than what was merged',
    file: REVIEWS,
    tests: ['names who approved, marks what they approved when it was not what was merged'],
    without: [{ in: 'functions/adapters/octokit-reviews.ts', cut: 'commit_id !== head', put: 'false' }],
  },
  {
    attack: 'a folder of policies that is a link',
    file: FORGE,
    tests: ['refuses a policies folder that is a link before it reads a blob'],
    without: [
      {
        in: 'functions/adapters/policy-entries.ts',
        cut: " && !(path === POLICY_FOLDER && !mode.startsWith('04'))",
        put: '',
      },
    ],
  },
  {
    attack: 'a blob that is not what its tree names',
    file: FORGE,
    tests: ['refuses a blob that does not hash to its name'],
    without: [{ in: 'functions/adapters/octokit-forge.ts', cut: " || hash.digest('hex') !== oid", put: '' }],
  },
]
