/**
 * The pieces of a body. Leaving the loop closes it, and so does the signal, whose reason is thrown.
 *
 * The signal of the request alone is not enough: in Node.js 22 a body that is piped neither gives nor ends any more when its
 * request is aborted, and after a garbage collection an abort is lost (nodejs/undici#3644).
 */
export async function* streamChunks(
  body: ReadableStream<Uint8Array> | null,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!body) return
  const reader = body.getReader()
  const close = () => void reader.cancel().catch(() => {})
  signal?.addEventListener('abort', close)
  try {
    for (;;) {
      signal?.throwIfAborted()
      const { done, value } = await reader.read()
      signal?.throwIfAborted()
      if (done) return
      yield value
    }
  } finally {
    signal?.removeEventListener('abort', close)
    close()
  }
}
