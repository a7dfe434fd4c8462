/** Variables of an environment. */

export type Environment = Readonly<Record<string, string | undefined>>

/** Those that are set: an empty one, as compose files and shells write it, is none. */
export function setVariables(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
}
