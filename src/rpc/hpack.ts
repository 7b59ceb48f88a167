/** Header decompression (RFC 7541). One decoder per connection: blocks must come in order. */
import { decodeHuffman } from "./huffman.ts";

/** The static table of RFC 7541 appendix A: names and values in turn, from index 1. */
const staticFields: readonly string[] = [
  ...[":authority", "", ":method", "GET", ":method", "POST", ":path", "/", ":path", "/index.html"],
  ...[":scheme", "http", ":scheme", "https", ":status", "200", ":status", "204", ":status", "206"],
  ...[":status", "304", ":status", "400", ":status", "404", ":status", "500"],
  ...["accept-charset", "", "accept-encoding", "gzip, deflate", "accept-language", ""],
  ...["accept-ranges", "", "accept", "", "access-control-allow-origin", "", "age", "", "allow", ""],
  ...["authorization", "", "cache-control", "", "content-disposition", "", "content-encoding", ""],
  ...["content-language", "", "content-length", "", "content-location", "", "content-range", ""],
  ...["content-type", "", "cookie", "", "date", "", "etag", "", "expect", "", "expires", ""],
  ...["from", "", "host", "", "if-match", "", "if-modified-since", "", "if-none-match", ""],
  ...["if-range", "", "if-unmodified-since", "", "last-modified", "", "link", "", "location", ""],
  ...["max-forwards", "", "proxy-authenticate", "", "proxy-authorization", "", "range", ""],
  ...["referer", "", "refresh", "", "retry-after", "", "server", "", "set-cookie", ""],
  ...["strict-transport-security", "", "transfer-encoding", "", "user-agent", "", "vary", ""],
  ...["via", "", "www-authenticate", ""],
];
const staticCount = staticFields.length / 2;

/** Size of the dynamic table we allow: the protocol's default, which we never change. */
const maxTableBytes = 4096;
/** What each field costs beside its text (RFC 7541 section 4.1, RFC 9113 section 6.5.2). */
const fieldOverheadBytes = 32;
/** A power of two above maxTableBytes / fieldOverheadBytes, the most entries that fit. */
const ringSize = 256;

/** "bad": the connection's tables are out of step; it must end with COMPRESSION_ERROR. */
export type DecodeResult = "ok" | "bad";

/**
 * Decodes header blocks into `fields` (names and values in turn, latin1). A block whose fields
 * exceed the size limit is decoded to its end, so that the table stays in step, but `tooLarge` is
 * set and `fields` is cut.
 */
export class HpackDecoder {
  /** Names and values in turn, of the last block. */
  fields: string[] = [];
  tooLarge = false;
  /** Size of the last block's fields (RFC 9113 section 6.5.2), cut ones included. */
  listBytes = 0;
  /** Grows whenever the dynamic table changes: equal bytes mean equal fields while it stands. */
  generation = 0;

  readonly #maxListBytes: number;
  // The dynamic table: a ring of which the newest entry is at #newest.
  readonly #names: string[] = new Array<string>(ringSize).fill("");
  readonly #values: string[] = new Array<string>(ringSize).fill("");
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #limitBytes = maxTableBytes;
  // Cursor of the block being read; #at beyond #end means it was cut short.
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /** Decodes one whole block, bytes [from, to) of `block`. */
  decode(block: Buffer, from: number, to: number): DecodeResult {
    this.fields = [];
    this.tooLarge = false;
    this.listBytes = 0;
    this.#block = block;
    this.#at = from;
    this.#end = to;
    let sizeUpdateAllowed = true;
    while (this.#at < to) {
      const byte = block[this.#at]!;
      if (byte >= 0x80) {
        if (!this.#indexed()) return "bad";
      } else if (byte >= 0x40) {
        if (!this.#literal(6, true)) return "bad";
      } else if (byte >= 0x20) {
        if (!sizeUpdateAllowed || !this.#sizeUpdate()) return "bad";
        continue;
      } else if (!this.#literal(4, false)) {
        return "bad";
      }
      sizeUpdateAllowed = false;
    }
    return "ok";
  }

  #indexed(): boolean {
    const index = this.#integer(7);
    if (index <= 0) return false;
    if (index <= staticCount) {
      this.#emit(staticFields[2 * index - 2]!, staticFields[2 * index - 1]!);
      return true;
    }
    const back = index - staticCount - 1;
    if (back >= this.#count) return false;
    const slot = (this.#newest - back) & (ringSize - 1);
    this.#emit(this.#names[slot]!, this.#values[slot]!);
    return true;
  }

  #literal(prefixBits: number, insert: boolean): boolean {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#name(index);
    if (name === undefined) return false;
    const value = this.#string();
    if (value === undefined) return false;
    if (insert) this.#insert(name, value);
    this.#emit(name, value);
    return true;
  }

  #name(index: number): string | undefined {
    if (index < 0) return undefined;
    if (index <= staticCount) return staticFields[2 * index - 2];
    const back = index - staticCount - 1;
    return back < this.#count ? this.#names[(this.#newest - back) & (ringSize - 1)] : undefined;
  }

  #sizeUpdate(): boolean {
    const size = this.#integer(5);
    if (size < 0 || size > maxTableBytes) return false;
    this.#limitBytes = size;
    this.generation++;
    this.#evict(size);
    return true;
  }

  #insert(name: string, value: string): void {
    const bytes = name.length + value.length + fieldOverheadBytes;
    this.generation++;
    this.#evict(this.#limitBytes - bytes);
    if (bytes > this.#limitBytes) return;
    this.#newest = (this.#newest + 1) & (ringSize - 1);
    this.#names[this.#newest] = name;
    this.#values[this.#newest] = value;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Drops the oldest entries until at most `bytes` are held. */
  #evict(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const slot = (this.#newest - this.#count + 1) & (ringSize - 1);
      this.#bytes -= this.#names[slot]!.length + this.#values[slot]!.length + fieldOverheadBytes;
      this.#names[slot] = "";
      this.#values[slot] = "";
      this.#count--;
    }
  }

  #emit(name: string, value: string): void {
    this.listBytes += name.length + value.length + fieldOverheadBytes;
    if (this.listBytes > this.#maxListBytes) this.tooLarge = true;
    else this.fields.push(name, value);
  }

  /** An integer with a prefix of so many bits (section 5.1); -1 when cut short or beyond 2^28. */
  #integer(prefixBits: number): number {
    if (this.#at >= this.#end) return -1;
    const mask = (1 << prefixBits) - 1;
    let value = this.#block[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) return -1;
      const byte = this.#block[this.#at++]!;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  #string(): string | undefined {
    if (this.#at >= this.#end) return undefined;
    const huffman = this.#block[this.#at]! >= 0x80;
    const length = this.#integer(7);
    const from = this.#at;
    if (length < 0 || length > this.#end - from) return undefined;
    this.#at = from + length;
    return huffman
      ? decodeHuffman(this.#block, from, this.#at)
      : this.#block.toString("latin1", from, this.#at);
  }
}
