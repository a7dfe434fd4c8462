/** Formats of texts that a schema may name, and how those are written of which XGrammar 0.1.27 allows more than the standards. */

export const FORMATS = [
  'email',
  'date',
  'time',
  'date-time',
  'duration',
  'ipv4',
  'ipv6',
  'hostname',
  'uuid',
  'uri',
]

const BYTE = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
const HEX = '[0-9a-fA-F]{1,4}'
/** So short that no host name is over 253 characters. */
const LABEL = '[a-z0-9]([a-z0-9-]{0,33}[a-z0-9])?'
const DATE =
  '[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))'
const CLOCK = '([01][0-9]|2[0-3]):[0-5][0-9]'
const TIME = `${CLOCK}:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]${CLOCK})`

/** RFC 5321 §4.5.3.1: 64 characters before the @ at most, 255 behind it; RFC 5322 §3.2.3. */
function email(): string {
  const atom = (most: number) => `[a-zA-Z0-9!#$%&'*+/=?^_\`{|}~-]{1,${most}}`
  const local = `(${atom(64)}|${atom(31)}\\.${atom(32)}|${atom(20)}(\\.${atom(20)}){2})`
  const label = LABEL.replaceAll('a-z', 'a-zA-Z')
  return `${local}@${label}(\\.${label}){1,4}`
}

/** Two groups of an IPv6 address, as numbers or as an IPv4 address. */
const LAST_32_BITS = `(${HEX}:${HEX}|${BYTE}(\\.${BYTE}){3})`

/** RFC 3986 §3.2.2: eight groups, or fewer around one `::`, by how many may stand before it and how many must behind. */
function ipv6(): string {
  const before = (most: number) => `((${HEX}:){0,${most - 1}}${HEX})?`
  return [
    `(${HEX}:){6}${LAST_32_BITS}`,
    `::(${HEX}:){5}${LAST_32_BITS}`,
    ...[1, 2, 3, 4].map((most) => `${before(most)}::(${HEX}:){${5 - most}}${LAST_32_BITS}`),
    `${before(5)}::${LAST_32_BITS}`,
    `${before(6)}::${HEX}`,
    `${before(7)}::`,
  ].join('|')
}

/** Narrower than RFC 2673 §3.2, RFC 1123 §2.1 and RFC 3339 §5.6: no leap seconds, no 29th of February, small letters in host names. */
export const FORMAT_PATTERNS: Readonly<Record<string, string>> = {
  email: `^${email()}$`,
  ipv4: `^${BYTE}(\\.${BYTE}){3}$`,
  ipv6: `^(${ipv6()})$`,
  hostname: `^${LABEL}(\\.${LABEL}){0,6}$`,
  date: `^${DATE}$`,
  time: `^${TIME}$`,
  'date-time': `^${DATE}T${TIME}$`,
}
