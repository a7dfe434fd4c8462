/** What the hub says of one repository: its commits, its files, their bytes. Speaks through @huggingface/hub. */
import { readFile } from 'node:fs/promises'

import { CheckpointError } from '../core/errors.ts'
import type { HubFile } from './hub-download-node.ts'
import type { HubSettings } from './hub.ts'

export type HubRepository = {
  readonly id: string
  commitOf(revision: string): Promise<string>
  /** The files of a commit by path. */
  files(commit: string): Promise<ReadonlyMap<string, HubFile>>
  /** The bytes of a file from `offset` on. */
  open(file: HubFile, commit: string, offset: number): Promise<ReadableStream<Uint8Array>>
}

/** Asks nothing yet. Its methods throw CheckpointError for what the hub refuses and pass on what the network throws. */
export async function connectHub(
  id: string,
  settings: HubSettings & { readonly signal?: AbortSignal },
): Promise<HubRepository> {
  // The library is large and most starts do not need it.
  const { downloadFile, HubApiError, listFiles, modelInfo } = await import('@huggingface/hub')
  const { endpoint, signal } = settings
  const accessToken = settings.token ?? (await readToken(settings.tokenFile))
  const request = {
    hubUrl: endpoint,
    fetch: (input: RequestInfo | URL, init?: RequestInit) =>
      fetch(input, { ...init, signal: signal ?? null }),
    ...(accessToken !== undefined && { accessToken }),
  }
  const explain = (error: unknown): never => {
    if (error instanceof HubApiError) throw refusal(id, error.statusCode, settings, error)
    throw error
  }
  return {
    id,
    async commitOf(revision) {
      const info = await modelInfo({
        ...request,
        name: id,
        revision,
        additionalFields: ['sha'],
      }).catch(explain)
      if (/^[0-9a-f]{40}$/.test(info.sha)) return info.sha
      throw malformed(id, endpoint, `the commit ${JSON.stringify(info.sha)}`)
    },
    async files(commit) {
      const files = new Map<string, HubFile>()
      try {
        for await (const entry of listFiles({
          ...request,
          repo: id,
          revision: commit,
          recursive: true,
        })) {
          if (entry.type === 'file') files.set(entry.path, checkedFile(id, endpoint, entry))
        }
      } catch (error) {
        signal?.throwIfAborted()
        explain(error)
      }
      return files
    },
    async open(file, commit, offset) {
      const path = file.path.split('/').map(encodeURIComponent).join('/')
      const url = `${endpoint}/${id}/resolve/${commit}/${path}`
      const downloadInfo = { size: file.size, etag: file.hash, url }
      const blob = await downloadFile({
        ...request,
        repo: id,
        path: file.path,
        revision: commit,
        xet: false,
        downloadInfo,
      })
      if (blob === null) throw new Error(`${url} is gone`)
      return blob.slice(offset).stream()
    },
  }
}

async function readToken(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const token = (await readFile(file, 'utf8').catch(() => '')).trim()
  return token === '' ? undefined : token
}

type ListedFile = {
  readonly path: string
  readonly size: number
  readonly oid?: string
  readonly lfs?: { readonly oid: string; readonly size: number }
}

/** Path and hash become names of files: they are believed only in the form that the hub gives them. */
function checkedFile(id: string, endpoint: string, { path, size, oid, lfs }: ListedFile): HubFile {
  const hash = lfs?.oid ?? oid ?? ''
  const isPath =
    /^[^\\:\0]+$/.test(path) && !path.split('/').some((part) => part === '' || /^\.\.?$/.test(part))
  const isHash = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)
  const bytes = lfs?.size ?? size
  if (isPath && isHash && Number.isSafeInteger(bytes) && bytes >= 0)
    return { path, size: bytes, hash }
  throw malformed(id, endpoint, `the file ${JSON.stringify({ path, size: bytes, hash })}`)
}

function refusal(
  id: string,
  status: number,
  { endpoint, token }: HubSettings,
  cause: Error,
): CheckpointError | Error {
  if (status === 401 || status === 403) {
    return new CheckpointError(
      'CHECKPOINT_HUB_DENIED',
      `weights: ${endpoint} does not give ${id} ${token === undefined ? 'without a token' : 'to this token'} (${status}); ` +
        `accept its terms at ${endpoint}/${id} and set HF_TOKEN, or check the name: a model that does not exist is answered in the same way.`,
      { cause },
    )
  }
  if (status === 404) {
    return new CheckpointError(
      'CHECKPOINT_NOT_FOUND',
      `weights: expected ${id} on ${endpoint}, there is no such model or revision; check the spelling.`,
      { cause },
    )
  }
  return cause
}

function malformed(id: string, endpoint: string, what: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_HUB_ANSWER',
    `weights: expected the files of ${id} from ${endpoint}, its answer holds ${what}; is it a Hugging Face hub?`,
  )
}

/** What went wrong, with the cause that fetch hides one level down. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message || error.message : error.message
}
