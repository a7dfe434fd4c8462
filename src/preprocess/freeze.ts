/** Freezes a config with everything in it: what is resolved once is not changed again. */
export function freezeDeep<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null && !Object.isFrozen(inner)) freezeDeep(inner)
  }
  return Object.freeze(value)
}
