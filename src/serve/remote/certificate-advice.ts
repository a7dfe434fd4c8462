/** Certificates of servers that this machine does not take. Codes: nodejs.org/api/tls.html, "X509 certificate error codes". */

const ADVICE: readonly (readonly [codes: RegExp, advice: string])[] = [
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'name the host as its certificate does'],
  [
    /^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/,
    "renew its certificate, or set this machine's clock right",
  ],
  [
    /SELF_SIGNED_CERT|^UNABLE_TO_(?:VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)/,
    "name its certificate or its authority's in the environment of this program, NODE_EXTRA_CA_CERTS=FILE.pem",
  ],
]

/** What helps where a call failed for the server's certificate; null where it failed for something else. */
export function certificateAdvice(failure: unknown): string | null {
  // `fetch` has the reason as its cause, and errors of ours have theirs.
  for (let error = failure; error instanceof Error; error = error.cause) {
    const { code } = error as { readonly code?: unknown }
    const found = ADVICE.find(([codes]) => typeof code === 'string' && codes.test(code))
    if (found) return found[1]
  }
  return null
}
