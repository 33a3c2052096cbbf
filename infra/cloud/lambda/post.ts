/** Shows on the forge what is known. */
import { NO_POSTS, NO_PULLS } from '../../../functions/no-forge.ts'
import { storedPlans } from '../../../functions/plans.ts'
import { postHandler } from '../../../functions/post/handler.ts'
import { openHere } from '../parts/here.ts'

const here = await openHere(process.env)
const plans = storedPlans({ ...here, pulls: NO_PULLS })

export const handler = postHandler({ ...here, plans, pulls: NO_PULLS, posts: NO_POSTS })
