/** A queue on a PostgreSQL server, for several machines. */
import pg from 'pg'
import { CapacityError, InputError } from '../core/errors.ts'
import type { SqlDatabase, SqlResult, SqlStatement } from './sql-database.ts'

const CONNECTIONS = 4
const ATTEMPTS = 6
const FIRST_WAIT_MS = 250

/** Throws CapacityError where the server cannot be reached, InputError where it does not let the user in or lacks the database. */
export async function openPostgres(url: string): Promise<SqlDatabase> {
  if (!URL.canParse(url)) throw noAddress()
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  // A connection that breaks while nobody uses it is replaced by the next that is wanted; whoever has one finds out by the
  // next statement, also where it broke between two of them.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  const run = (statement: SqlStatement) => withRetries(url, () => ask(pool, statement))
  try {
    const { rows } = await run({
      sql: 'SELECT EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS now',
      args: [],
    })
    // Of all clocks the server's counts: a lease is compared by every machine.
    const ahead = Number(rows[0]?.['now']) - Date.now()
    return {
      skipLocked: 'FOR UPDATE SKIP LOCKED',
      byteOrder: 'COLLATE "C"',
      run,
      runAll: (statements) => withRetries(url, () => transaction(pool, statements)),
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
async function withRetries<T>(url: string, ask_: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask_()
    } catch (error) {
      if (!isPassing(error)) throw refused(url, error) ?? error
      if (attempt === ATTEMPTS) throw unreachable(url, error as Error)
      await new Promise((done) => setTimeout(done, FIRST_WAIT_MS * 2 ** (attempt - 1)))
    }
  }
}

/** A connection that is gone (class 08, 57P0x), a deadlock or a conflict (class 40): no fault of the statement. */
function isPassing(error: unknown): boolean {
  const { code, message = '' } = error as { code?: string; message?: string }
  if (code === undefined) return /connection|timeout/i.test(message)
  return /^(?:08|40|57P0|53300)/.test(code) || /^E(?:CONN|PIPE|TIMEDOUT|AI_AGAIN|HOSTUN)/.test(code)
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
  [/^ERR_|CERT|SELF_SIGNED/, 'check the address'],
]

/** Null where the statement itself is at fault. */
function refused(url: string, error: unknown): InputError | null {
  const { code = '', message } = error as Error & { readonly code?: string }
  const advice = REFUSALS.find(([codes]) => codes.test(code))?.[1]
  if (advice === undefined) return null
  return new InputError(
    'INPUT_LABEL_QUEUE',
    `label: ${placeOf(url)} should hold the queue, it refuses (${message}); ${advice}.`,
    { cause: error },
  )
}

function noAddress(): InputError {
  return new InputError(
    'INPUT_LABEL_QUEUE',
    'label: a queue on a server should be named postgres://USER:PASSWORD@HOST:PORT/DATABASE, what came is no URL; write : / @ and % of a password as %3A %2F %40 %25.',
  )
}

function unreachable(url: string, cause: Error): CapacityError {
  return new CapacityError(
    'CAPACITY_LABEL_QUEUE',
    `label: the queue at ${placeOf(url)} should answer, ${ATTEMPTS} attempts failed (${cause.message || (cause as { code?: string }).code}); is the server running?`,
    { cause },
  )
}

/** Not the whole URL: it holds a password. */
function placeOf(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}
