/** What certificate errors of OpenSSL and Node mean. Each text continues a sentence that begins with "its certificate". */
const CERTIFICATE: Record<string, string> = {
  CERT_HAS_EXPIRED: "has expired",
  CERT_NOT_YET_VALID: "is not valid yet",
  CERT_REVOKED: "is revoked",
  DEPTH_ZERO_SELF_SIGNED_CERT: "is signed by itself",
  ERR_TLS_CERT_ALTNAME_INVALID: "is for another host name",
  HOSTNAME_MISMATCH: "is for another host name",
  SELF_SIGNED_CERT_IN_CHAIN: "is signed by an authority that is not trusted here",
  UNABLE_TO_GET_ISSUER_CERT: "is signed by an authority that is not trusted here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "is signed by an authority that is not trusted here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "is signed by an authority that is not trusted here, or comes without its intermediate certificates",
};

const NETWORK: Record<string, string> = {
  ENOTFOUND: "its host name does not resolve",
  EAI_AGAIN: "its host name does not resolve",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
};

/**
 * Why an HTTPS server gave no answer, in words. `code` is an error code of Node, undici or OpenSSL. The same code always gives
 * the same words, without addresses or times: the words are written to status, and each change of status wakes its watchers.
 */
export function noAnswer(code: string | undefined): string {
  if (code === undefined || code === "") return "connection failed";
  const certificate = CERTIFICATE[code];
  if (certificate !== undefined) return `its certificate ${certificate} (${code})`;
  if (/TIMEOUT|TIMEDOUT/.test(code)) return "timed out";
  if (/CERT|UNABLE_TO_/.test(code)) return `its certificate is not trusted (${code})`;
  if (code === "EPROTO" || /SSL|TLS/.test(code))
    return `it speaks no TLS version that is supported here (${code})`;
  return NETWORK[code] ?? `connection failed (${code})`;
}

/**
 * Whether the certificate prevents the connection. Waiting does not help then: somebody must replace or trust the certificate.
 */
export const isCertificate = (code: string | undefined): boolean =>
  code !== undefined && (CERTIFICATE[code] !== undefined || /CERT|UNABLE_TO_/.test(code));

/** The code of an error from `undici` or `node:tls`; it may be in the error's cause. */
export function codeOf(error: unknown): string | undefined {
  const { code, cause, name } = (error ?? {}) as { code?: unknown; cause?: unknown; name?: unknown };
  if (typeof code === "string" && code !== "") return code;
  if (name === "TimeoutError") return "ETIMEDOUT";
  return cause === undefined ? undefined : codeOf(cause);
}
