import { readFileSync, statSync } from "node:fs";

/** A file written less than this before it was read may be written again unnoticed by its times. */
const youngMs = 1000;

/** What a look at the files has shown. */
export type Look<T> =
  | { readonly kind: "same" }
  | { readonly kind: "changed"; readonly value: T }
  /** The former value stays in use. Told once per reason. */
  | { readonly kind: "broken"; readonly reason: string };

/**
 * A few files that make one value together, read again when they change. What cannot be read or
 * parsed leaves the former value in place, so files may be replaced one after the other.
 */
export class FilePart<T> {
  readonly #paths: readonly string[];
  readonly #parse: (contents: readonly Buffer[]) => T;
  #value: T | undefined;
  #contents: readonly Buffer[] = [];
  /** Of the files behind #contents; undefined: read them again at the next look. */
  #signature: string | undefined;
  #reason: string | undefined;

  constructor(paths: readonly string[], parse: (contents: readonly Buffer[]) => T) {
    this.#paths = paths;
    this.#parse = parse;
  }

  /** The newest good value; undefined before the first. */
  get value(): T | undefined {
    return this.#value;
  }

  /** Stats the files, and reads them when they look different. Blocks; never throws. */
  look(): Look<T> {
    let signature: string | undefined;
    try {
      signature = this.#sign();
      if (signature === this.#signature) return { kind: "same" };
      const contents = this.#paths.map((path) => readFileSync(path));
      const isYoung = this.#newestMs() > Date.now() - youngMs;
      if (this.#value !== undefined && sameBytes(contents, this.#contents)) {
        this.#reason = undefined;
        this.#signature = isYoung ? undefined : signature;
        return { kind: "same" };
      }
      const value = this.#parse(contents);
      this.#value = value;
      this.#contents = contents;
      this.#reason = undefined;
      this.#signature = isYoung ? undefined : signature;
      return { kind: "changed", value };
    } catch (error) {
      this.#signature = undefined;
      const reason = explain(error);
      if (reason === this.#reason) return { kind: "same" };
      this.#reason = reason;
      return { kind: "broken", reason };
    }
  }

  /** Following links: a Kubernetes volume swaps a link to change all its files at once. */
  #sign(): string {
    return this.#paths
      .map((path) => {
        const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
        return `${ino}.${size}.${mtimeNs}.${ctimeNs}`;
      })
      .join();
  }

  #newestMs(): number {
    return Math.max(...this.#paths.map((path) => statSync(path).ctimeMs));
  }
}

const sameBytes = (a: readonly Buffer[], b: readonly Buffer[]): boolean =>
  a.length === b.length && a.every((bytes, i) => bytes.equals(b[i] as Buffer));

/** Missing files in Go's words, which etcd's users know. */
function explain(error: unknown): string {
  const { code, path, message } = error as NodeJS.ErrnoException;
  const words: Record<string, string> = {
    ENOENT: "no such file or directory",
    EACCES: "permission denied",
    EISDIR: "is a directory",
  };
  const known = words[code ?? ""];
  return known === undefined ? message : `open ${path ?? "file"}: ${known}`;
}
