/** Why a handshake failed, in the words Go has for it, where it has any: people grep for them. */

const byCode: Readonly<Record<string, string>> = {
  ERR_SSL_HTTP_REQUEST: "tls: first record does not look like a TLS handshake",
  ERR_SSL_HTTPS_PROXY_REQUEST: "tls: first record does not look like a TLS handshake",
  ERR_SSL_WRONG_VERSION_NUMBER: "tls: first record does not look like a TLS handshake",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "tls: first record does not look like a TLS handshake",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "tls: client didn't provide a certificate",
  ERR_SSL_NO_SHARED_CIPHER: "tls: no cipher suite supported by both client and server",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "tls: client offered only unsupported versions",
  ERR_TLS_HANDSHAKE_TIMEOUT: "i/o timeout",
};

/** Alerts by number (RFC 8446 section 6), as Go names those that a refused certificate brings. */
const alerts: Readonly<Record<string, string>> = {
  40: "handshake failure",
  42: "bad certificate",
  44: "revoked certificate",
  45: "expired certificate",
  46: "unknown certificate",
  48: "unknown certificate authority",
  49: "access denied",
  70: "protocol version not supported",
  116: "certificate required",
};

const unknownAuthority = "x509: certificate signed by unknown authority";

/** OpenSSL's reasons against a chain. */
const byVerification: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  CERT_SIGNATURE_FAILURE: unknownAuthority,
  CERT_HAS_EXPIRED: "x509: certificate has expired or is not yet valid",
  CERT_NOT_YET_VALID: "x509: certificate has expired or is not yet valid",
  INVALID_PURPOSE: "x509: certificate specifies an incompatible key usage",
};

/**
 * The text for the log; undefined when the other side just went away. `verification` is what is
 * wrong with its certificate, by Node's socket.authorizationError.
 */
export function asGoSays(error: Error, verification?: unknown): string | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  if (verification !== undefined && verification !== null) {
    const reason = String(verification);
    return `tls: failed to verify certificate: ${byVerification[reason] ?? reason}`;
  }
  if (code === "ECONNRESET" || code === "EPIPE") return undefined;
  return byCode[code ?? ""] ?? alertOf(message) ?? message;
}

/** Why dialling failed; what is not TLS's doing keeps its message. */
export function explainDial(error: Error): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const verification = byVerification[code];
  if (verification !== undefined) return `tls: failed to verify certificate: ${verification}`;
  return byCode[code] ?? alertOf(message) ?? message;
}

function alertOf(message: string): string | undefined {
  const name = alerts[/SSL alert number (\d+)/.exec(message)?.[1] ?? ""];
  return name === undefined ? undefined : `remote error: tls: ${name}`;
}
