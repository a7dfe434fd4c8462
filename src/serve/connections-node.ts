/** The connections of an HTTP server, and the answers under way on them: what its end waits for, and what it cuts off. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export class Connections {
  /** Those below TLS: the server itself does not know one that has not said hello. */
  readonly #sockets = new Set<Socket>()
  /** By connection, which may end with answers that wait behind another one, and nobody tells these. */
  readonly #answers = new Map<Socket, Set<ServerResponse>>()

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (incoming, outgoing) => this.#add(incoming, outgoing))
  }

  #add({ socket }: IncomingMessage, outgoing: ServerResponse): void {
    const answers = this.#answers.get(socket) ?? new Set()
    if (!this.#answers.has(socket)) {
      this.#answers.set(socket, answers)
      socket.once('close', () => this.#answers.delete(socket))
    }
    answers.add(outgoing)
    outgoing.once('close', () => answers.delete(outgoing))
  }

  /** Resolves when the last byte of each answer that is due now, or has begun, is on its way, or its reader is gone. */
  async sent(which: 'due' | 'begun'): Promise<void> {
    const all = [...this.#answers].map(([socket, answers]) => {
      const meant = [...answers].filter(({ headersSent }) => which === 'due' || headersSent)
      return Promise.race([closed(socket), Promise.all(meant.map(closed))])
    })
    await Promise.all(all)
  }

  /** Cuts off all of them, whatever they are at. */
  end(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

function closed(one: Socket | ServerResponse): Promise<void> {
  return new Promise((resolve) => one.once('close', () => resolve()))
}
