/** The child of node-policy-reader.ts. */
import { loadPolicies, type TextFile } from '../validate/load-policies.ts'
import { answerParent } from './node-child.ts'

await answerParent((files) => loadPolicies(files as TextFile[]))
