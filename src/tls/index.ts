/**
 * TLS of a member, for clients and peers: contexts from files that are read again when they change,
 * and listeners that accept, shake hands and check. Source: etcd client/pkg/transport.
 */
export { TlsContexts, type TlsContextsOptions } from "./contexts.ts";
export { explainDial } from "./failure.ts";
export { type Listener, type ListenerOptions, listen, type Where } from "./listener.ts";
export { type SelfSignedOptions, selfSignedFiles } from "./self-signed.ts";
export { unknownSuite } from "./suites.ts";
export type { TlsFiles } from "./types.ts";
export { isSecure, type ListenUrl, whereOf } from "./where.ts";
