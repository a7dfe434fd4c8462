/**
 * A queue in a file beside the answers: SQLite, as libSQL brings it, which is installed with the package and needs no
 * server. Several processes of one machine may share it.
 */
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient, type Client, type InStatement, type ResultSet } from '@libsql/client'
import { CapacityError, InputError } from '../core/errors.ts'
import { makeFolderSync } from '../core/make-folder-node.ts'
import type { SqlDatabase, SqlResult, SqlStatement } from './sql-database.ts'

/** A process waits so long for another one's statement, which takes milliseconds. */
const BUSY_MS = 20_000

export async function openLibsql(path: string): Promise<SqlDatabase> {
  const client = await openClient(resolve(path))
  return {
    skipLocked: '',
    keepRows: '',
    byteOrder: '',
    run: async (statement) => resultOf(await told(path, client.execute(inOwnWords(statement)))),
    runAll: async (statements) =>
      (await told(path, client.batch(statements.map(inOwnWords), 'write'))).map(resultOf),
    now: Date.now,
    close: async () => client.close(),
  }
}

async function openClient(path: string): Promise<Client> {
  try {
    makeFolderSync(dirname(path))
    const client = createClient({
      url: pathToFileURL(path).href,
      intMode: 'number',
      timeout: BUSY_MS,
      concurrency: 1,
    })
    await client.execute('PRAGMA journal_mode = WAL')
    // What a process has committed is safe when the process dies. When the machine loses power, the last commits may be
    // gone, but never in part: their items are then asked again.
    await client.execute('PRAGMA synchronous = NORMAL')
    return client
  } catch (cause) {
    throw new InputError(
      'INPUT_LABEL_QUEUE',
      `label: ${path} should be a queue file or free for one, it cannot be opened (${(cause as Error).message}); name another --queue.`,
      { cause },
    )
  }
}

/** What the machine does not give is no fault of ours. What was committed stays, and the same command goes on. */
async function told<T>(path: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (cause) {
    const { code = '', message } = cause as Error & { readonly code?: string }
    if (!/^SQLITE_(?:FULL|IOERR|READONLY|BUSY|LOCKED|CANTOPEN)/.test(code)) throw cause
    throw new CapacityError(
      'CAPACITY_LABEL_QUEUE',
      `label: the queue ${path} cannot be written (${message}); see to its disk and to who else has it open, and run the same command again.`,
      { cause },
    )
  }
}

/** SQLite writes numbered places with a question mark. */
function inOwnWords({ sql, args }: SqlStatement): InStatement {
  return { sql: sql.replace(/\$(\d+)/g, '?$1'), args: [...args] }
}

function resultOf({ rows, rowsAffected }: ResultSet): SqlResult {
  return { rows, changed: rowsAffected }
}
