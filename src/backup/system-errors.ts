/** The code of a failed system call, such as ENOSPC; of Node's own errors, such as ERR_TLS_...; or nothing. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}
