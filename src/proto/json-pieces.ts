/**
 * A message as JSON piece by piece, so that nobody has to wait for all of it: together the pieces are
 * what protobufjs makes of the whole. Source: the protobuf encoding guide; protobufjs ext/protojson.js
 * toJsonValue for the order of the fields.
 */
import protobuf from "protobufjs";
import protojson from "protobufjs/ext/protojson.js";

/** A piece is about so long, and made of not many more bytes than this; a field without parts is one. */
export const jsonPieceBytes: number = 64 * 1024;
/** Fields that are looked at between two pieces, which may be empty. */
const fieldsPerPiece = 8192;

const lengthDelimited = 2;

/** Where occurrences of a field follow each other: from the first one's tag to the last one's end. */
interface Run {
  readonly from: number;
  to: number;
}

/** Pieces of the JSON of `message`, empty ones too. Throws what protobufjs throws. */
export function* jsonPieces(type: protobuf.Type, message: Uint8Array): Generator<string> {
  const pieces = new JsonPieces();
  yield* pieces.message(type, message);
  yield pieces.rest();
}

class JsonPieces {
  #text = "";
  #fields = 0;

  rest(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }

  *message(type: protobuf.Type, bytes: Uint8Array): Generator<string> {
    if (bytes.length <= jsonPieceBytes) {
      this.#text += protojson.toJsonString(type, type.decode(bytes));
      if (this.#text.length >= jsonPieceBytes) yield this.rest();
      return;
    }
    const { runs, plain } = yield* this.#split(type, bytes);
    const plainly = protojson.toJson(type, type.decode(plain)) as Record<string, unknown>;
    let before = "{";
    for (const field of type.fieldsArray) {
      const name = field.jsonName;
      const told = runs.get(field.id);
      const isPlain = told === undefined && Object.hasOwn(plainly, name);
      if (told === undefined && !isPlain) continue;
      this.#text += `${before}${JSON.stringify(name)}:`;
      before = ",";
      if (told === undefined) this.#text += JSON.stringify(plainly[name]);
      else yield* this.#values(field, bytes, told);
    }
    this.#text += before === "{" ? "{}" : "}";
    if (this.#text.length >= jsonPieceBytes) yield this.rest();
  }

  /** Where the fields are that hold messages, by number, and all others as a message of their own. */
  *#split(type: protobuf.Type, bytes: Uint8Array) {
    const runs = new Map<number, Run[]>();
    const plain: Uint8Array[] = [];
    const reader = protobuf.Reader.create(bytes);
    let last: { readonly id: number; readonly run: Run } | undefined;
    while (reader.pos < reader.len) {
      const from = reader.pos;
      const tag = reader.uint32();
      const id = tag >>> 3;
      const isMessage = (tag & 7) === lengthDelimited && holdsMessages(type.fieldsById[id]);
      reader.skipType(tag & 7);
      const to = reader.pos;
      if (last?.id === id) last.run.to = to;
      else {
        const run = { from, to };
        last = isMessage ? { id, run } : undefined;
        if (!isMessage) plain.push(bytes.subarray(from, to));
        else if (!runs.get(id)?.push(run)) runs.set(id, [run]);
      }
      if (this.#isDue()) yield this.rest();
    }
    return { runs, plain: Buffer.concat(plain) };
  }

  *#values(field: protobuf.Field, bytes: Uint8Array, runs: readonly Run[]): Generator<string> {
    const type = field.resolvedType as protobuf.Type;
    const parts: Uint8Array[] = [];
    let before = "[";
    for (const { from, to } of runs) {
      const reader = protobuf.Reader.create(bytes.subarray(from, to));
      while (reader.pos < reader.len) {
        reader.uint32();
        const value = reader.bytes();
        if (!field.repeated) {
          parts.push(value);
          continue;
        }
        this.#text += before;
        before = ",";
        yield* this.message(type, value);
        if (this.#isDue()) yield this.rest();
      }
    }
    if (field.repeated) this.#text += "]";
    // A field that is there more than once is merged, as its bytes one behind the other are.
    else yield* this.message(type, parts.length === 1 ? parts[0]! : Buffer.concat(parts));
  }

  #isDue(): boolean {
    this.#fields++;
    if (this.#fields < fieldsPerPiece) return false;
    this.#fields = 0;
    return true;
  }
}

const holdsMessages = (field: protobuf.Field | undefined): boolean =>
  field !== undefined && !field.map && field.resolvedType instanceof protobuf.Type;
