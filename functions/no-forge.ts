/** What a forge that is only a git repository has to say about pull requests, reviews and posts: nothing. */
import type { Posts, Pulls, Reviews } from './ports.ts'

export const NO_PULLS: Pulls = {
  pull: async () => undefined,
  open: async () => [],
  base: async () => undefined,
}
export const NO_REVIEWS: Reviews = { review: async () => undefined }
export const NO_POSTS: Posts = { status: async () => {}, check: async () => {}, comment: async () => {} }
