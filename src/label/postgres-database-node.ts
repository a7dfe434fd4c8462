/** A queue on a PostgreSQL server, for several machines. */
import pg from 'pg'
import { CapacityError, InputError } from '../core/errors.ts'
import { setVariables } from '../core/set-variables.ts'
import type { SqlDatabase, SqlResult, SqlStatement } from './sql-database.ts'

const CONNECTIONS = 4
const ATTEMPTS = 6
const FIRST_WAIT_MS = 250

/** Throws CapacityError where the server cannot be reached, InputError where it does not let the user in or lacks the database. */
export async function openPostgres(url: string): Promise<SqlDatabase> {
  const refusals: InputError[] = []
  for (const way of waysOf(url)) {
    try {
      return await openOne(way)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      refusals.push(error)
    }
  }
  // Over TLS a server says what is wrong, also one that takes nothing else; one without TLS says so in plain.
  throw refusals.find(({ cause }) => !isNoTls(cause)) ?? refusals[0]
}

/** What pg is to try for each mode, one after the other. `no-verify` is its own; the others are libpq's. */
const SSL_WAYS: Readonly<Record<string, readonly string[]>> = {
  disable: ['disable'],
  allow: ['disable', 'require'],
  prefer: ['require', 'disable'],
  require: ['require'],
  'verify-ca': ['verify-ca'],
  'verify-full': ['verify-full'],
  'no-verify': ['no-verify'],
}

/** Parameters of TLS that libpq takes from the environment too (PGSSLROOTCERT and the like), and pg does not. */
const SSL_FILES = ['sslrootcert', 'sslcert', 'sslkey']

/**
 * The address as libpq reads it, said so that pg does too: pg takes `require` and `verify-ca` for `verify-full`, unless told
 * not to, and knows no `prefer`, which holds where nothing is said. Source: postgresql.org/docs/current/libpq-ssl.html.
 */
function waysOf(url: string): string[] {
  const env = setVariables(process.env)
  const said = new URLSearchParams(/\?([^#]*)/.exec(url)?.[1])
  // Of a parameter that comes twice pg takes the last.
  const parameter = (name: string) => said.getAll(name).at(-1)
  const ssl = parameter('ssl')
  const givenModes: readonly (readonly [where: string, mode: string | undefined])[] = [
    ["sslmode of the queue's address", parameter('sslmode')],
    ["ssl of the queue's address", ssl === 'true' ? 'require' : ssl],
    ['PGSSLMODE', env['PGSSLMODE']],
  ]
  const [where, mode = 'prefer'] = givenModes.find(([, one]) => one !== undefined) ?? ['']
  if (!Object.hasOwn(SSL_WAYS, mode)) {
    throw new InputError(
      'INPUT_LABEL_QUEUE',
      `label: ${where} should be one of ${Object.keys(SSL_WAYS).join(', ')}, "${mode}" came; name one of them.`,
    )
  }
  const files = SSL_FILES.flatMap((name) => {
    const path = parameter(name) || env[`PG${name.toUpperCase()}`]
    return path ? [`${name}=${encodeURIComponent(path)}`] : []
  })
  const by = (way: string) =>
    [
      `${url}${url.includes('?') ? '' : '?'}`,
      ...files,
      `sslmode=${way}`,
      `uselibpqcompat=${way !== 'no-verify'}`,
    ].join('&')
  // A socket of this machine has no TLS, and libpq asks for none.
  if (readAddress(by('require')).host.startsWith('/')) return [by('disable')]
  if (mode === 'verify-ca' && !files.some((file) => file.startsWith('sslrootcert='))) {
    throw new InputError(
      'INPUT_LABEL_QUEUE',
      "label: sslmode=verify-ca of the queue's address should come with its authority's certificate, none came; add sslrootcert=FILE, or name verify-full for a public authority.",
    )
  }
  return (SSL_WAYS[mode] ?? []).map(by)
}

async function openOne(url: string): Promise<SqlDatabase> {
  const place = placeOf(url)
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  // A connection that breaks while nobody uses it is replaced by the next that is wanted; whoever has one finds out by the
  // next statement, also where it broke between two of them.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  const run = (statement: SqlStatement) => withRetries(place, () => ask(pool, statement))
  try {
    const { rows } = await run({
      sql: 'SELECT EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS now',
      args: [],
    })
    // Of all clocks the server's counts: a lease is compared by every machine.
    const ahead = Number(rows[0]?.['now']) - Date.now()
    return {
      skipLocked: 'FOR UPDATE SKIP LOCKED',
      keepRows: 'FOR SHARE',
      byteOrder: 'COLLATE "C"',
      run,
      runAll: (statements) => withRetries(place, () => transaction(pool, statements)),
      now: () => Math.round(Date.now() + ahead),
      close: () => pool.end(),
    }
  } catch (error) {
    await pool.end()
    throw error
  }
}

async function transaction(
  pool: pg.Pool,
  statements: readonly SqlStatement[],
): Promise<SqlResult[]> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const results: SqlResult[] = []
    for (const statement of statements) results.push(await ask(client, statement))
    await client.query('COMMIT')
    client.release()
    return results
  } catch (error) {
    // Whatever state it is in, nobody uses this connection again.
    client.release(true)
    throw error
  }
}

async function ask(on: pg.Pool | pg.PoolClient, { sql, args }: SqlStatement): Promise<SqlResult> {
  const { rows, rowCount } = await on.query<Record<string, unknown>>(sql, [...args])
  return { rows, changed: rowCount ?? 0 }
}

/**
 * Every statement of the queue may run twice: where the answer to the first was lost, the second finds nothing to change,
 * and items that nobody knows to be claimed come back when their lease ends.
 */
async function withRetries<T>(place: string, ask_: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask_()
    } catch (error) {
      if (!isPassing(error)) throw refused(place, error) ?? error
      if (attempt === ATTEMPTS) throw unreachable(place, error as Error)
      await new Promise((done) => setTimeout(done, FIRST_WAIT_MS * 2 ** (attempt - 1)))
    }
  }
}

/**
 * A connection that is gone (class 08, 57P0x), a deadlock or a conflict (class 40), a number that another one has taken at the
 * same moment (23505): no fault of the statement. The socket of a server that restarts is not there for a while.
 */
function isPassing(error: unknown): boolean {
  const { code, message = '' } = error as { code?: string; message?: string }
  if (code === undefined) return !isNoTls(error) && /connection|timeout/i.test(message)
  return /^(?:08|23505|40|57P0|53300)/.test(code) || PASSING.test(code)
}

const PASSING = /^E(?:CONN|PIPE|TIMEDOUT|AI_AGAIN|HOSTUN|NETUN|NETDOWN|NOENT)/

/** In pg's words: a server without TLS, where the address wants it. */
function isNoTls(error: unknown): boolean {
  return error instanceof Error && error.message === 'The server does not support SSL connections'
}

/** What is wrong with the address, the server or the user's rights, by the codes of PostgreSQL and of Node.js, and what helps. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/^28/, "check the user's name and password, and that the server lets it in from here"],
  [/^3D000$/, 'make that database (createdb), or name another'],
  [
    /^(?:42501|3F000)$/,
    'give the user a database of its own, or let it make tables there (GRANT CREATE ON SCHEMA public TO …)',
  ],
  [/^25006$/, 'name the server that takes writes, not its copy'],
  [/^ENOTFOUND$/, "check the server's name"],
  [/^(?:EACCES|EPERM)$/, 'let this user connect to it (permissions of its socket, a firewall)'],
  [
    /ALTNAME/,
    'name the host as its certificate does, or take sslmode=verify-ca, which asks for none',
  ],
  [/EXPIRED|NOT_YET_VALID/, "renew its certificate, or set this machine's clock right"],
  [
    /CERT|UNABLE_TO_VERIFY/,
    "name its authority's certificate (sslrootcert=FILE), or take sslmode=require without one, which encrypts and verifies nothing",
  ],
  [/^ERR_/, 'check the address'],
]

/** Null where the statement itself is at fault, which no attempt to connect is. */
function refused(place: string, error: unknown): InputError | null {
  const { code = '', syscall, message } = error as NodeJS.ErrnoException
  const advice = isNoTls(error)
    ? 'let it take TLS, or say sslmode=prefer where the network is your own'
    : (REFUSALS.find(([codes]) => codes.test(code))?.[1] ??
      (syscall === 'connect' ? 'check the address' : undefined))
  if (advice === undefined) return null
  return new InputError(
    'INPUT_LABEL_QUEUE',
    `label: ${place} should hold the queue, it refuses (${message}); ${advice}.`,
    { cause: error },
  )
}

function unreachable(place: string, cause: Error): CapacityError {
  return new CapacityError(
    'CAPACITY_LABEL_QUEUE',
    `label: the queue at ${place} should answer, ${ATTEMPTS} attempts failed (${cause.message || (cause as { code?: string }).code}); is the server running?`,
    { cause },
  )
}

/** Where the queue is: not the whole address, which holds a password. */
function placeOf(url: string): string {
  const { host, port, database } = readAddress(url)
  return `${host}:${port}/${database}`
}

/**
 * The address as pg reads it: the host may stand behind `?host=`. Throws InputError where it cannot be read, or names a
 * certificate that cannot.
 */
function readAddress(url: string): pg.Client {
  try {
    return new pg.Client({ connectionString: url })
  } catch (cause) {
    const { message, syscall } = cause as NodeJS.ErrnoException
    const [what, todo] =
      syscall === undefined
        ? [
            'a queue on a server should be named postgres://USER:PASSWORD@HOST:PORT/DATABASE, what came',
            'name one host, and write : / ? # & @ and % of a password as %3A %2F %3F %23 %26 %40 %25',
          ]
        : [
            "the queue's address should name certificates and keys that are there, one",
            'check its path',
          ]
    throw new InputError(
      'INPUT_LABEL_QUEUE',
      `label: ${what} cannot be read (${message}); ${todo}.`,
      { cause },
    )
  }
}
