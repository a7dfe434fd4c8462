/** Conversations as one file, pictures and clips in it, for whoever wants to keep or hand them on. */
import type { MediaStore } from './media-store.ts'
import { mediaOf, type Conversation } from './turns.ts'

export async function exportConversations(
  conversations: readonly Conversation[],
  store: MediaStore,
): Promise<Blob> {
  const exported = await Promise.all(
    conversations.map(async (conversation) => ({
      ...conversation,
      media: Object.fromEntries(
        await Promise.all(
          mediaOf(conversation.turns).map(async ({ id, name }) => [
            id,
            await store.dataUrl(id, name).catch(() => null),
          ]),
        ),
      ) as Record<string, string | null>,
    })),
  )
  const file = { format: 'llava-ts conversations', version: 1, conversations: exported }
  return new Blob([JSON.stringify(file, null, 2)], { type: 'application/json' })
}

export function saveAs(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  // The download has taken its own hold by the next turn.
  setTimeout(() => URL.revokeObjectURL(link.href), 0)
}
