/** Preloaded by a process that runs beside others, one a processor: it counts one, for its threads and workers. */
import os from 'node:os'
import { syncBuiltinESMExports } from 'node:module'

os.availableParallelism = () => 1
syncBuiltinESMExports()
