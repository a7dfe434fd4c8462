/**
 * Responses that end when their signal says so.
 *
 * `fetch` of Node.js holds the way from its signal to its connection weakly: after a garbage collection an abort is lost
 * (nodejs/undici#3644). So the signal is listened to here too.
 */
import { streamChunks } from '../../core/stream-chunks.ts'

/** What `asked` gives, or the signal's reason at once; what comes too late is closed. */
export async function unlessAborted(
  asked: Promise<Response>,
  signal: AbortSignal,
): Promise<Response> {
  let leave = () => {}
  const aborted = new Promise<never>((_, reject) => {
    leave = () => {
      reject(signal.reason as Error)
      asked.then(({ body }) => body?.cancel()).catch(() => {})
    }
    signal.addEventListener('abort', leave)
  })
  try {
    return await Promise.race([asked, aborted])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

/** The text of a body, or null where it has more bytes than `most`. */
export async function textOf(
  response: Response,
  signal: AbortSignal,
  most: number,
): Promise<string | null> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of streamChunks(response.body, signal)) {
    bytes += chunk.length
    if (bytes > most) return null
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
