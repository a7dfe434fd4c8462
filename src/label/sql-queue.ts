/** The work queue in SQL, over either kind of database. */
import { InputError } from '../core/errors.ts'
import { hasError, type ItemResult } from './item-result.ts'
import type { ItemSource, LabelItem } from './item.ts'
import type { SqlDatabase, SqlResult, SqlValue } from './sql-database.ts'
import type { ClaimedItem, QueueCounts, RunRecipe, WorkQueue } from './work-queue.ts'

const [OPEN, LEASED, DONE, FAILED] = [0, 1, 2, 3] as const
/** Results are read back in pages of so many items. */
const PAGE = 500

export type QueueOptions = {
  /** What tells the run from others on the same database. */
  readonly run: string
  readonly recipe: RunRecipe
  /** Forgets what there is of a run of this name. */
  readonly overwrite: boolean
  readonly leaseMs: number
  /** Machine, process and a random number, with colons between. */
  readonly owner: string
  /** False only where it is certain: a process of this machine that has ended. */
  readonly isAlive: (owner: string) => boolean
}

/** Throws InputError where the database holds items of a run of this name with another recipe. The caller closes. */
export async function openQueue(database: SqlDatabase, options: QueueOptions): Promise<WorkQueue> {
  await makeTables(database)
  if (options.overwrite) await beginAnew(database, options)
  const found = await findRun(database, options)
  // Who has ended lists no more, and keeps nobody from a run in which nothing was found.
  await new SqlQueue(database, { ...options, number: found.number }).reclaim()
  return new SqlQueue(database, { ...options, number: await joinRun(database, options, found) })
}

class SqlQueue implements WorkQueue {
  readonly #database: SqlDatabase
  readonly #options: QueueOptions & { readonly number: number }

  constructor(database: SqlDatabase, options: QueueOptions & { readonly number: number }) {
    this.#database = database
    this.#options = options
  }

  async isListed(): Promise<boolean> {
    return Number(await this.#fieldOfRun('listed')) === 1
  }

  async takeListing(): Promise<boolean> {
    const { changed } = await this.#run(
      `UPDATE llava_runs SET lister = $2, lister_until = $3
       WHERE number = $1 AND listed = 0 AND (lister IS NULL OR lister = $2 OR lister_until < $4)`,
      [this.#owner, this.#until, this.#now],
    )
    if (changed === 0) await this.#checkRun()
    return changed === 1
  }

  async add(items: readonly LabelItem[]): Promise<number> {
    if (items.length === 0) return 0
    const places = items.map(
      (_, i) => `(${[0, 1, 2, 3, 4].map((k) => `$${5 * i + k + 2}`).join(', ')})`,
    )
    const args = items.flatMap(({ place, id, size, prefix, source }) => [
      place,
      id,
      size,
      prefix,
      JSON.stringify(source),
    ])
    const { changed } = await this.#run(
      // PostgreSQL takes arguments that stand in no column yet for texts.
      `WITH listed (place, id, size, prefix, source) AS (VALUES ${places.join(', ')})
       INSERT INTO llava_items (run, place, id, size, prefix, source)
       SELECT number, place, id, CAST(size AS INTEGER), prefix, source FROM llava_runs, listed
       WHERE number = $1 ${this.#database.keepRows} ON CONFLICT DO NOTHING`,
      args,
    )
    if (changed === items.length) return changed
    await this.#checkRun()
    await this.#checkSame(items)
    return changed
  }

  async endListing(skipped: number): Promise<void> {
    const { changed } = await this.#run(
      'UPDATE llava_runs SET listed = 1, lister = NULL, skipped = $2 WHERE number = $1',
      [skipped],
    )
    if (changed === 0) await this.#checkRun()
  }

  async skipped(): Promise<number> {
    return Number(await this.#fieldOfRun('skipped'))
  }

  async claim(most: number): Promise<ClaimedItem[]> {
    const { skipLocked, byteOrder } = this.#database
    const { rows } = await this.#run(
      // What is chosen is chosen once; as a plain subquery it may be run again, and lock more.
      `WITH next AS MATERIALIZED (
         SELECT place FROM llava_items WHERE run = $1 AND state = ${OPEN}
         ORDER BY size DESC, prefix ${byteOrder}, place ${byteOrder} LIMIT $4 ${skipLocked})
       UPDATE llava_items SET state = ${LEASED}, owner = $2, until = $3
       WHERE run = $1 AND place IN (SELECT place FROM next)
       RETURNING place, id, size, prefix, source, faults, result`,
      [this.#owner, this.#until, most],
    )
    if (rows.length === 0) await this.#checkRun()
    return rows.map(itemOf).sort(inOrder)
  }

  async complete(results: readonly { place: string; result: ItemResult }[]): Promise<number> {
    const { number } = this.#options
    const changes = await this.#database.runAll(
      results.map(({ place, result }) => ({
        sql: `UPDATE llava_items SET state = $4, result = $5, owner = NULL, until = NULL
              WHERE run = $1 AND place = $2 AND owner = $3 AND state = ${LEASED}`,
        args: [
          number,
          place,
          this.#owner,
          hasError(result) ? FAILED : DONE,
          JSON.stringify(result),
        ],
      })),
    )
    return changes.reduce((sum, { changed }) => sum + changed, 0)
  }

  async release(places: readonly string[], { isFault }: { isFault: boolean }): Promise<void> {
    const { number } = this.#options
    await this.#database.runAll(
      places.map((place) => ({
        sql: `UPDATE llava_items SET state = ${OPEN}, owner = NULL, until = NULL, faults = faults + $4
              WHERE run = $1 AND place = $2 AND owner = $3 AND state = ${LEASED}`,
        args: [number, place, this.#owner, isFault ? 1 : 0],
      })),
    )
  }

  async heartbeat(): Promise<void> {
    const args = [this.#options.number, this.#owner, this.#until]
    await this.#database.runAll([
      {
        sql: `UPDATE llava_items SET until = $3 WHERE run = $1 AND state = ${LEASED} AND owner = $2`,
        args,
      },
      { sql: 'UPDATE llava_runs SET lister_until = $3 WHERE number = $1 AND lister = $2', args },
    ])
  }

  async reclaim(): Promise<void> {
    await this.#run(
      `UPDATE llava_items SET state = ${OPEN}, owner = NULL, until = NULL
       WHERE run = $1 AND state = ${LEASED} AND until < $2`,
      [this.#now],
    )
    await this.#releaseDead()
  }

  /** Nobody waits for the lease of a process of this machine that has ended. */
  async #releaseDead(): Promise<void> {
    const { rows } = await this.#run(
      `SELECT owner FROM llava_items WHERE run = $1 AND state = ${LEASED} GROUP BY owner
       UNION SELECT lister AS owner FROM llava_runs WHERE number = $1 AND lister IS NOT NULL`,
      [],
    )
    for (const { owner } of rows) {
      if (!this.#options.isAlive(String(owner))) await this.#giveBack(String(owner))
    }
  }

  async counts(): Promise<QueueCounts> {
    const of = await this.#count([OPEN, LEASED, DONE, FAILED])
    const [leased, done, failed] = [of(LEASED), of(DONE), of(FAILED)]
    return { items: of(OPEN) + leased + done + failed, done, failed, leased }
  }

  async left(): Promise<{ readonly open: number; readonly leased: number }> {
    const of = await this.#count([OPEN, LEASED])
    return { open: of(OPEN), leased: of(LEASED) }
  }

  async #count(states: readonly number[]): Promise<(state: number) => number> {
    const { rows } = await this.#run(
      `SELECT state, COUNT(*) AS count FROM llava_items
       WHERE run = $1 AND state IN (${states.join(', ')}) GROUP BY state`,
      [],
    )
    if (rows.length === 0) await this.#checkRun()
    const counts = new Map(rows.map(({ state, count }) => [Number(state), Number(count)]))
    return (state) => counts.get(state) ?? 0
  }

  async reopen(): Promise<void> {
    const args = [this.#options.number]
    await this.#database.runAll([
      {
        sql: `UPDATE llava_items SET state = ${OPEN}, faults = 0 WHERE run = $1 AND state = ${FAILED}`,
        args,
      },
      { sql: 'UPDATE llava_runs SET listed = 0 WHERE number = $1', args },
    ])
  }

  async *results(): AsyncGenerator<{ readonly id: string; readonly result: ItemResult }> {
    const { byteOrder } = this.#database
    for (let after = ''; ;) {
      const { rows } = await this.#run(
        `SELECT place, id, result FROM llava_items
         WHERE run = $1 AND place ${byteOrder} > $2 AND state IN (${DONE}, ${FAILED})
         ORDER BY place ${byteOrder} LIMIT ${PAGE}`,
        [after],
      )
      for (const { id, result } of rows) {
        yield { id: String(id), result: JSON.parse(String(result)) as ItemResult }
      }
      if (rows.length < PAGE) break
      after = String(rows.at(-1)?.['place'])
    }
    // Items go with their run: where it is still there, so were all of them.
    await this.#checkRun()
  }

  async close(): Promise<void> {
    try {
      await this.#giveBack(this.#owner)
    } finally {
      await this.#database.close()
    }
  }

  async #giveBack(owner: string): Promise<void> {
    const args = [this.#options.number, owner]
    await this.#database.runAll([
      {
        sql: `UPDATE llava_items SET state = ${OPEN}, owner = NULL, until = NULL
              WHERE run = $1 AND state = ${LEASED} AND owner = $2`,
        args,
      },
      { sql: 'UPDATE llava_runs SET lister = NULL WHERE number = $1 AND lister = $2', args },
    ])
  }

  /** An item that was listed before is known by its place and its id; an id elsewhere is a second one. */
  async #checkSame(items: readonly LabelItem[]): Promise<void> {
    const marks = items.map((_, i) => `$${i + 2}`).join(', ')
    const { rows } = await this.#run(
      `SELECT id, place FROM llava_items WHERE run = $1 AND id IN (${marks})`,
      items.map(({ id }) => id),
    )
    const known = new Map(rows.map(({ id, place }) => [String(id), String(place)]))
    const twice = items.find(({ id, place }) => known.get(id) !== place)
    if (!twice) return
    throw new InputError(
      'INPUT_LABEL_ID',
      `label: every item should have an id of its own, "${twice.id}" comes twice; ${adviceOn(twice, known.get(twice.id))}.`,
    )
  }

  /** Where nothing was found or changed: throws InputError if that is because the run is gone. */
  async #checkRun(): Promise<void> {
    await this.#fieldOfRun('number')
  }

  async #fieldOfRun(name: 'number' | 'listed' | 'skipped'): Promise<unknown> {
    const { rows } = await this.#run(`SELECT ${name} FROM llava_runs WHERE number = $1`, [])
    const [run] = rows
    if (!run) throw begunAnew()
    return run[name]
  }

  /** The run's number comes first. */
  #run(sql: string, args: readonly SqlValue[]): Promise<SqlResult> {
    return this.#database.run({ sql, args: [this.#options.number, ...args] })
  }

  get #owner(): string {
    return this.#options.owner
  }

  get #now(): number {
    return this.#database.now()
  }

  get #until(): number {
    return this.#now + Math.round(this.#options.leaseMs)
  }
}

/** By where the other item of its id stands. */
function adviceOn({ place, source }: LabelItem, other = ''): string {
  const [input, otherInput] = [place, other].map((one) => one.slice(0, one.indexOf('/')))
  if (input !== otherInput) return 'name each input once, and give rows ids that differ'
  return source.kind === 'members'
    ? 'the files of one key should lie together in the shard, sort it (tar --sort=name)'
    : 'give the rows ids that differ'
}

type Ordered = ClaimedItem & { readonly size: number; readonly prefix: string }

function itemOf(row: Readonly<Record<string, unknown>>): Ordered {
  const { place, id, size, prefix, source, faults, result } = row
  return {
    place: String(place),
    id: String(id),
    size: Number(size),
    prefix: String(prefix),
    source: JSON.parse(String(source)) as ItemSource,
    faults: Number(faults),
    before: typeof result === 'string' ? (JSON.parse(result) as ItemResult) : null,
  }
}

/** As they were chosen: what a changed row returns comes in any order. */
function inOrder(a: Ordered, b: Ordered): number {
  return b.size - a.size || compare(a.prefix, b.prefix) || compare(a.place, b.place)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

const TABLES = [
  `CREATE TABLE IF NOT EXISTS llava_runs (
     number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, recipe TEXT NOT NULL,
     listed INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
     lister TEXT, lister_until BIGINT)`,
  `CREATE TABLE IF NOT EXISTS llava_items (
     run INTEGER NOT NULL, place TEXT NOT NULL, id TEXT NOT NULL,
     size INTEGER NOT NULL, prefix TEXT NOT NULL, source TEXT NOT NULL,
     state INTEGER NOT NULL DEFAULT ${OPEN}, owner TEXT, until BIGINT,
     faults INTEGER NOT NULL DEFAULT 0, result TEXT,
     PRIMARY KEY (run, place), UNIQUE (run, id))`,
]

async function makeTables(database: SqlDatabase): Promise<void> {
  const { byteOrder } = database
  // Two machines that begin at the same moment both find nothing; one of them then finds what the other made.
  for (const sql of [
    ...TABLES.map((table) => table.replaceAll('place TEXT', `place TEXT ${byteOrder}`)),
    `CREATE INDEX IF NOT EXISTS llava_items_next
     ON llava_items (run, state, size DESC, prefix ${byteOrder}, place ${byteOrder})`,
  ]) {
    await database.run({ sql, args: [] }).catch(() => database.run({ sql, args: [] }))
  }
}

type FoundRun = {
  readonly number: number
  /** Of whoever began it. */
  readonly recipe: RunRecipe
}

/** No run has the number of another, nor of one before it by its name: numbers only grow. */
const NEXT_NUMBER = '(SELECT COALESCE(MAX(number), 0) + 1 FROM llava_runs)'

/** Begins it where there is none. */
async function findRun(
  database: SqlDatabase,
  { run, recipe }: Pick<QueueOptions, 'run' | 'recipe'>,
): Promise<FoundRun> {
  await database.run({
    sql: `INSERT INTO llava_runs (number, name, recipe) VALUES (${NEXT_NUMBER}, $1, $2)
          ON CONFLICT DO NOTHING`,
    args: [run, JSON.stringify(recipe)],
  })
  const { rows } = await database.run({
    sql: 'SELECT number, recipe FROM llava_runs WHERE name = $1',
    args: [run],
  })
  const [found] = rows
  // Another one that began at the same moment took the number.
  if (!found) return findRun(database, { run, recipe })
  return {
    number: Number(found['number']),
    recipe: JSON.parse(String(found['recipe'])) as RunRecipe,
  }
}

/** Forgets what there is. The number goes first, so that whoever still lists is waited for and adds no more. */
async function beginAnew(database: SqlDatabase, options: QueueOptions): Promise<void> {
  const { number } = await findRun(database, options)
  await database.runAll([
    {
      sql: `${SET_EMPTY}, number = ${NEXT_NUMBER} WHERE number = $1`,
      args: [number, JSON.stringify(options.recipe)],
    },
    { sql: 'DELETE FROM llava_items WHERE run = $1', args: [number] },
  ])
}

const SET_EMPTY = 'UPDATE llava_runs SET recipe = $2, listed = 0, skipped = 0, lister = NULL'

/**
 * The number of the run to work on. One in which nothing was found holds nobody's work: its input is looked through again.
 * It takes another's models too, where whoever began it may go on; what else is asked takes its place, under a new number.
 */
async function joinRun(
  database: SqlDatabase,
  { recipe }: QueueOptions,
  found: FoundRun,
): Promise<number> {
  const fault = recipeFault(found.recipe, recipe)
  const isAnother = fault !== null && recipeFault(recipe, found.recipe) !== null
  const { rows } = await database.run({
    sql: `${SET_EMPTY}, number = ${isAnother ? NEXT_NUMBER : 'number'}
          WHERE number = $1 AND (lister IS NULL OR lister_until < $3)
          AND NOT EXISTS (SELECT 1 FROM llava_items WHERE run = llava_runs.number)
          RETURNING number`,
    args: [found.number, JSON.stringify(fault ? recipe : found.recipe), database.now()],
  })
  const [empty] = rows
  if (fault && !empty) throw fault
  return empty ? Number(empty['number']) : found.number
}

/** A run goes on with what it began with; of its models, some may do. */
function recipeFault(begun: RunRecipe, now: RunRecipe): InputError | null {
  const names = [...new Set([...Object.keys(begun), ...Object.keys(now)])]
  const other = names.filter((name) => {
    if (name === 'models') return now.models.some((model) => !begun.models.includes(model))
    // Who asks servers alone has no model of his own that could be loaded otherwise.
    if (name === 'settings' && !(begun[name] && now[name])) return false
    return JSON.stringify(begun[name]) !== JSON.stringify(now[name])
  })
  if (other.length === 0) return null
  if (other[0] === 'settings') return recipeFault(...settingsApart(begun, now))
  const [first = ''] = other
  return new InputError(
    'INPUT_LABEL_RUN',
    `label: a run of this name was begun with another ${other.join(', ')} (${short(begun[first])}, now ${short(now[first])}); give the same, name another --out (or --run, on a server), or begin anew with --overwrite.`,
  )
}

/** Two runs that differ in how their models are loaded, by the names of these settings. */
function settingsApart(begun: RunRecipe, now: RunRecipe): [RunRecipe, RunRecipe] {
  const named = ({ settings, models }: RunRecipe): RunRecipe => {
    const all = (settings as Record<string, unknown>[]).flatMap((one) => Object.entries(one))
    return { ...Object.fromEntries(all), models }
  }
  const [before, after] = [named(begun), named(now)]
  return JSON.stringify(before) === JSON.stringify(after)
    ? [{ ...before, engines: 'others' }, after]
    : [before, after]
}

function begunAnew(): InputError {
  return new InputError(
    'INPUT_LABEL_RUN',
    'label: the run should go on, another command has begun it anew, with --overwrite or before anything was found; wait for that one, or name another --out (or --run, on a server).',
  )
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
