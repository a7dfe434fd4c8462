/** Both databases are work queues. LLAVA_POSTGRES names an empty database on a PostgreSQL server: postgres://… */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openLibsql } from './libsql-database-node.ts'
import { openPostgres } from './postgres-database-node.ts'
import type { SqlDatabase } from './sql-database.ts'
import { openQueue } from './sql-queue.ts'
import { workQueueCases, type OpenTestQueue } from './work-queue.cases.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-queue-'))
after(() => rmSync(root, { recursive: true }))
const SERVER = process.env['LLAVA_POSTGRES']

/** A database whose time is the test's. */
function on(database: () => Promise<SqlDatabase>): OpenTestQueue {
  return async (options, clock) => {
    const opened = { ...(await database()), now: () => clock.now }
    try {
      return await openQueue(opened, options)
    } catch (error) {
      await opened.close()
      throw error
    }
  }
}

describe('a queue in a file', () => {
  workQueueCases(on(() => openLibsql(join(root, 'queue'))))

  test('that is something else is refused', async () => {
    writeFileSync(
      join(root, 'text'),
      'no database at all, but a text that is long enough'.repeat(9),
    )
    await assert.rejects(openLibsql(join(root, 'text')), { code: 'INPUT_LABEL_QUEUE' })
  })
})

const skip = SERVER === undefined && 'LLAVA_POSTGRES names no server: postgres://USER@HOST/DATABASE'
describe('a queue on a PostgreSQL server', { skip }, () => {
  workQueueCases(on(() => openPostgres(SERVER ?? '')))

  test('that is not there is given up, without telling the password', async () => {
    await assert.rejects(openPostgres('postgres://me:secret@127.0.0.1:9/work'), (error: Error) => {
      assert.equal((error as Error & { code: string }).code, 'CAPACITY_LABEL_QUEUE')
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  })
})
