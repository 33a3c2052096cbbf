/** Wrong usage that only a command itself can see; ends with exit code 2. */
export class UsageError extends Error {}
