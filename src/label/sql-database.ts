/** The little that the queue asks of a database; both kinds speak the same SQL but for one clause. */

export type SqlValue = string | number | null

export type SqlStatement = { readonly sql: string; readonly args: readonly SqlValue[] }

export type SqlResult = {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** Rows that were inserted, changed or removed. */
  readonly changed: number
}

export type SqlDatabase = {
  /** Behind the inner selection of a claim: rows that another one is claiming are passed over. */
  readonly skipLocked: string
  /** Behind a selection that is inserted: what it read stays as it is until all is in. */
  readonly keepRows: string
  /** Of comparing texts byte by byte. */
  readonly byteOrder: string
  /** Places for arguments are $1, $2, … */
  run(statement: SqlStatement): Promise<SqlResult>
  /** All of them or none. */
  runAll(statements: readonly SqlStatement[]): Promise<SqlResult[]>
  /** Milliseconds since 1970, of one clock for all who share the database. */
  now(): number
  close(): Promise<void>
}
