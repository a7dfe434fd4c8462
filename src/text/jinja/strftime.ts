/**
 * `strftime_now(format)`: C's strftime in the C locale, with glibc's flags (`%-d` without padding, `%^a` in capitals).
 *
 * Fields are those of the local time of the given date, as `datetime.now()` has them; it knows no time zone.
 */

const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')
const MONTHS =
  'January February March April May June July August September October November December'.split(' ')

type Field = (date: Date) => readonly [value: number, width: number, fill?: string]

const NUMBERS: Readonly<Record<string, Field>> = {
  d: (t) => [t.getDate(), 2],
  e: (t) => [t.getDate(), 2, ' '],
  m: (t) => [t.getMonth() + 1, 2],
  y: (t) => [t.getFullYear() % 100, 2],
  Y: (t) => [t.getFullYear(), 1],
  C: (t) => [Math.floor(t.getFullYear() / 100), 2],
  H: (t) => [t.getHours(), 2],
  k: (t) => [t.getHours(), 2, ' '],
  I: (t) => [twelve(t), 2],
  l: (t) => [twelve(t), 2, ' '],
  M: (t) => [t.getMinutes(), 2],
  S: (t) => [t.getSeconds(), 2],
  f: (t) => [t.getMilliseconds() * 1000, 6],
  s: (t) => [Math.floor(t.getTime() / 1000), 1],
  j: (t) => [yearDay(t) + 1, 3],
  w: (t) => [t.getDay(), 1],
  u: (t) => [t.getDay() || 7, 1],
  U: (t) => [Math.floor((yearDay(t) + 7 - t.getDay()) / 7), 2],
  W: (t) => [Math.floor((yearDay(t) + 7 - ((t.getDay() + 6) % 7)) / 7), 2],
  V: (t) => [isoWeek(t).week, 2],
  G: (t) => [isoWeek(t).year, 1],
  g: (t) => [isoWeek(t).year % 100, 2],
}

const NAMES: Readonly<Record<string, (date: Date) => string>> = {
  a: (t) => (DAYS[t.getDay()] ?? '').slice(0, 3),
  A: (t) => DAYS[t.getDay()] ?? '',
  b: (t) => (MONTHS[t.getMonth()] ?? '').slice(0, 3),
  h: (t) => (MONTHS[t.getMonth()] ?? '').slice(0, 3),
  B: (t) => MONTHS[t.getMonth()] ?? '',
  p: (t) => (t.getHours() < 12 ? 'AM' : 'PM'),
  P: (t) => (t.getHours() < 12 ? 'am' : 'pm'),
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
  z: () => '',
  Z: () => '',
}

const COMPOUND: Readonly<Record<string, string>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  x: '%m/%d/%y',
  F: '%Y-%m-%d',
  R: '%H:%M',
  T: '%H:%M:%S',
  X: '%H:%M:%S',
  r: '%I:%M:%S %p',
}

export function strftime(date: Date, format: string): string {
  return format.replace(/%([-_0^#]*)(\d{0,3})([a-zA-Z%])/g, (whole, flags, width, code) => {
    const text = conversion(date, String(code), String(flags))
    if (text === undefined) return whole
    const isSpaced = String(flags).includes('_') || NAMES[String(code)] !== undefined
    return text.padStart(Number(width), isSpaced && !String(flags).includes('0') ? ' ' : '0')
  })
}

function conversion(date: Date, code: string, flags: string): string | undefined {
  const compound = COMPOUND[code]
  if (compound !== undefined) return strftime(date, compound)
  const number = NUMBERS[code]
  if (number !== undefined) {
    const [value, width, fill = '0'] = number(date)
    if (flags.includes('-')) return String(value)
    return String(value).padStart(
      width,
      flags.includes('_') ? ' ' : flags.includes('0') ? '0' : fill,
    )
  }
  const name = NAMES[code]?.(date)
  if (name === undefined) return undefined
  if (flags.includes('#') && code === 'p') return name.toLowerCase()
  return flags.includes('^') || flags.includes('#') ? name.toUpperCase() : name
}

function twelve(date: Date): number {
  return date.getHours() % 12 || 12
}

const DAY_MS = 86_400_000

/** Days since the first of January, without the hours that daylight saving moves. */
function yearDay(date: Date): number {
  const year = date.getFullYear()
  return (Date.UTC(year, date.getMonth(), date.getDate()) - Date.UTC(year, 0, 1)) / DAY_MS
}

/** ISO 8601: the week belongs to the year its Thursday lies in. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()))
  thursday.setUTCDate(thursday.getUTCDate() + 4 - (thursday.getUTCDay() || 7))
  const year = thursday.getUTCFullYear()
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / DAY_MS / 7) + 1
  return { year, week }
}
