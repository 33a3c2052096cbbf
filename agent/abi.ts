/** Limits of the tables' ABI that the agent keeps to; see bpf/abi/heddle.h. */
export const HEDDLE_ABI = 1
/** Generation slots of one kernel: active, previous, candidate, and five draining. */
export const SLOTS = 8
export const MAX_IDENTITIES = 16384
export const MAX_ADDRESSES = 65536
/** 64-bit words in a row: 1,024 blocks. */
export const ROW_U64 = 16
