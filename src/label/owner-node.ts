/** Who holds what in a queue: machine, process and a random number, since processes get numbers of others again. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

export function newOwner(): string {
  return `${hostname()}:${process.pid}:${randomUUID()}`
}

/** False for a process of this machine that has ended; another machine's is known by its leases alone. */
export function isAlive(owner: string): boolean {
  const [host, id] = owner.split(':')
  return host !== hostname() || isProcessAlive(Number(id))
}

/** Of this machine. */
export function isProcessAlive(id: number): boolean {
  try {
    process.kill(id, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
