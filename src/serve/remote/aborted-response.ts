/**
 * Responses that end when their signal says so.
 *
 * `fetch` of Node.js holds the way from its signal to its connection weakly: after a garbage collection an abort is lost
 * (nodejs/undici#3644). So the signal is listened to here too.
 */

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
  for await (const chunk of chunksOf(response, signal)) {
    bytes += chunk.length
    if (bytes > most) return null
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** The pieces of a body. Leaving the loop closes it, and so does the signal, whose reason is thrown. */
export async function* chunksOf(
  { body }: Response,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!body) return
  const reader = body.getReader()
  const close = () => void reader.cancel().catch(() => {})
  signal.addEventListener('abort', close)
  try {
    for (;;) {
      signal.throwIfAborted()
      const { done, value } = await reader.read()
      signal.throwIfAborted()
      if (done) return
      yield value
    }
  } finally {
    signal.removeEventListener('abort', close)
    close()
  }
}
