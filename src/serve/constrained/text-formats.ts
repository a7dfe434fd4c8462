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
/** So short that no host name is over 253 characters. */
const LABEL = '[a-z0-9]([a-z0-9-]{0,33}[a-z0-9])?'
const DATE =
  '[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))'
const CLOCK = '([01][0-9]|2[0-3]):[0-5][0-9]'
const TIME = `${CLOCK}:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]${CLOCK})`

/** Narrower than RFC 2673 §3.2, RFC 1123 §2.1 and RFC 3339 §5.6: no leap seconds, no 29th of February, small letters. */
export const FORMAT_PATTERNS: Readonly<Record<string, string>> = {
  ipv4: `^${BYTE}(\\.${BYTE}){3}$`,
  hostname: `^${LABEL}(\\.${LABEL}){0,6}$`,
  date: `^${DATE}$`,
  time: `^${TIME}$`,
  'date-time': `^${DATE}T${TIME}$`,
}
