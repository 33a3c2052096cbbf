/** Everything that a GitHub repository is to the functions, over one client. */
import type { Forge, Posts, Pulls, Reviews } from '../ports.ts'
import { octokitChecks } from './octokit-checks.ts'
import { type GithubSettings, githubClient } from './octokit-client.ts'
import { octokitComments } from './octokit-comments.ts'
import { octokitForge } from './octokit-forge.ts'
import { octokitPulls } from './octokit-pulls.ts'
import { octokitReviews } from './octokit-reviews.ts'
import { octokitStatuses } from './octokit-statuses.ts'

export function octokitParts(settings: GithubSettings): {
  forge: Forge
  pulls: Pulls
  reviews: Reviews
  posts: Posts
} {
  const github = githubClient(settings)
  return {
    forge: octokitForge(github),
    pulls: octokitPulls(github),
    reviews: octokitReviews(github),
    posts: { ...octokitStatuses(github), ...octokitChecks(github), ...octokitComments(github) },
  }
}
