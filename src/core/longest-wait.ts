/** What a timer of JavaScript can wait for, 2³¹ − 1 ms: one that is longer ends at once. */
export const LONGEST_SECONDS = 2_147_483
