/** Whether the server can keep an answer to a schema: it is asked for one token of such an answer. */
import { postJson } from './client.ts'

/** Throws ApiFailure with the keyword that cannot be enforced. */
export async function checkSchemaWithServer(model: string, schema: object): Promise<void> {
  await postJson('/v1/chat/completions', {
    model,
    messages: [{ role: 'user', content: 'x' }],
    max_completion_tokens: 1,
    response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } },
  })
}
