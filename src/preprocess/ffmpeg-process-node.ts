/** Runs `ffmpeg` and `ffprobe`: their output as a stream, their complaints as text, killed when nobody listens. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { InputError } from '../core/errors.ts'

export type Tool = 'ffmpeg' | 'ffprobe'

export type ToolRun = {
  readonly output: NonNullable<ChildProcess['stdout']>
  /** Rejects where the tool is not installed. */
  readonly end: Promise<{ readonly code: number | null; readonly complaint: string }>
  kill(): void
}

const MOST_COMPLAINT = 500

export function startTool(
  tool: Tool,
  args: readonly string[],
  signal: AbortSignal | undefined,
): ToolRun {
  signal?.throwIfAborted()
  const child = spawn(tool, args, { stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true })
  const kill = () => child.kill('SIGKILL')
  signal?.addEventListener('abort', kill, { once: true })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < MOST_COMPLAINT) complaint += text
  })
  const end = new Promise<{ code: number | null; complaint: string }>((resolve, reject) => {
    child.on('error', (error) => reject(missingTool(tool, error)))
    child.on('close', (code) => resolve({ code, complaint }))
  }).finally(() => signal?.removeEventListener('abort', kill))
  // Heard of where it is awaited; a reader that left before does not care.
  end.catch(() => {})
  return { output: child.stdout, end, kill }
}

/** What `-version` says, as the tool's `end` would. */
export async function versionOf(tool: Tool, signal: AbortSignal | undefined): Promise<string> {
  const run = startTool(tool, ['-version'], signal)
  let text = ''
  for await (const piece of run.output.setEncoding('utf8')) text += piece
  await run.end
  return text
}

/** The same while the caller waits. */
export function versionOfSync(tool: Tool): string {
  return execFileSync(tool, ['-version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

/** Complaints about what is asked, not about the file. */
const NOT_KNOWN = /Unrecognized option|Option \S*\s?not found|No match for section|No such filter/

/** Whether a tool does not know what it is asked: it is too old, or built without. */
export function isNotKnown(complaint: string): boolean {
  return NOT_KNOWN.test(complaint)
}

/** The error of such a tool; `version`: what it says of itself. */
export function oldTool(tool: Tool, version: string, complaint: string): InputError {
  const came = /version (\S+)/.exec(version)?.[1] ?? 'a version without a name'
  const why = firstLine(complaint).replace(/\.$/, '')
  return new InputError(
    'INPUT_VIDEO_DECODER',
    `video: expected ${tool} of FFmpeg 4 or newer, ${came} came, which does not know what it is asked (${why}); install a newer one, or give a GIF, a Y4M file, a folder of frames or a list of pictures.`,
  )
}

/** A tool's first complaint, since the others follow from it, without the address of who complains. */
export function firstLine(text: string): string {
  const [line = ''] = text.trim().split('\n')
  return line.replace(/^\[[^\]]* @ 0x\w+\] /, '').slice(0, MOST_COMPLAINT)
}

export function missingTool(tool: Tool, cause: unknown): InputError {
  return new InputError(
    'INPUT_VIDEO_DECODER',
    `video: this kind of clip needs ${tool}, which was not found; install ffmpeg (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg), or give a GIF, a Y4M file, a folder of frames or a list of pictures.`,
    { cause },
  )
}
