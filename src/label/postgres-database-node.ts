/** A queue on a PostgreSQL server, for several machines. */
import pg from 'pg'
import { CapacityError } from '../core/errors.ts'
import type { SqlDatabase, SqlResult, SqlStatement } from './sql-database.ts'

const CONNECTIONS = 4
const ATTEMPTS = 6
const FIRST_WAIT_MS = 250

/** Throws CapacityError where the server cannot be reached. */
export async function openPostgres(url: string): Promise<SqlDatabase> {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  // A connection that breaks while nobody uses it is replaced by the next that is wanted.
  pool.on('error', () => {})
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
      if (!isPassing(error)) throw error
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

function unreachable(url: string, cause: Error): CapacityError {
  // Not the whole URL: it holds a password.
  const { host, pathname } = new URL(url)
  return new CapacityError(
    'CAPACITY_LABEL_QUEUE',
    `label: the queue at ${host}${pathname} should answer, ${ATTEMPTS} attempts failed (${cause.message || (cause as { code?: string }).code}); is the server running?`,
    { cause },
  )
}
