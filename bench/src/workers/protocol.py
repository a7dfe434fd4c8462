"""The same questions as protocol.ts answers: one JSON object a line on stdin, one back on descriptor 3."""

import json
import os
import sys
import traceback


def serve_operations(operations):
    output = os.fdopen(3, "w")
    for line in sys.stdin:
        try:
            request = json.loads(line)
            answer = {"result": operations[request.pop("operation")](**request)}
        except Exception:
            answer = {"error": traceback.format_exc()[-1500:]}
        output.write(json.dumps(answer) + "\n")
        output.flush()


def prompt_ids(seed, count, first, size):
    """promptIds of protocol.ts."""
    span = size - first - 1
    state = (seed * 2654435761) & 0xFFFFFFFF
    ids = []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        ids.append(first + (state >> 16) % span)
    return ids
