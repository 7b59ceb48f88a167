/**
 * RocksDB's binding says EIO for damage, for a disk that fails, for a lock that is held: only the
 * text tells them apart. What is not surely damage is none, since damage may cost the member its
 * place.
 */
const damage = [
  /checksum mismatch/i,
  /corrupt/i,
  /^CURRENT file/,
  /magic number/i,
  /truncated/i,
  /too short/i,
  /bad block/i,
  /contains existing log file/, // CURRENT is gone, the rest is not
];

/** Causes that pass, or that a person mends, also where RocksDB wraps them as "may be corrupted". */
const passing =
  /input\/output error|too many open files|no space left|quota exceeded|permission denied|not permitted|no locks available|temporarily unavailable|cannot allocate|stale file handle|read-only file system|not connected/i;

/** Whether an error of the engine means that its files lost or changed data. */
export function isEngineDamage(error: unknown): boolean {
  // Node's own file errors name the call; the engine's do not.
  if (!(error instanceof Error) || "syscall" in error) return false;
  const { code } = error as { code?: unknown };
  if (passing.test(error.message)) return false;
  // A file it names is not there: no running engine meets that.
  if (code === "ENOENT") return true;
  return code === "EIO" && damage.some((pattern) => pattern.test(error.message));
}
