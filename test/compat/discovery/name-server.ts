// A name server of a few records over UDP (RFC 1035 sections 3 and 4, SRV: RFC 2782), for tests.

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";

export interface SrvRecord {
  readonly target: string;
  readonly port: number;
}

const typeA = 1;
const typeSrv = 33;
const noSuchName = 3;

/** Knows SRV records and one host; says of every other name that it does not exist. */
export class NameServer {
  /** This name is 127.0.0.1. */
  readonly host: string;
  /** By name, without the last dot; may change at any time. */
  readonly answers = new Map<string, readonly SrvRecord[]>();
  readonly #socket: Socket;

  private constructor(socket: Socket, host: string) {
    this.host = host;
    this.#socket = socket;
    socket.on("message", (question, from) => this.#answer(question, from));
  }

  static listen(address: string, port: number, host: string): Promise<NameServer> {
    const socket = createSocket("udp4");
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, address, () => resolve(new NameServer(socket, host)));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #answer(question: Buffer, from: RemoteInfo): void {
    const [name, end] = readName(question, 12);
    const type = question.readUInt16BE(end);
    const records = this.#recordsOf(name.toLowerCase(), type);
    const head = Buffer.alloc(12);
    question.copy(head, 0, 0, 2);
    // An answer, authoritative; recursion is asked for and at hand.
    head.writeUInt16BE(0x8580 | (records === undefined ? noSuchName : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records?.length ?? 0, 6);
    const parts = [
      head,
      question.subarray(12, end + 4),
      ...(records ?? []).map((data) => recordOf(type, data)),
    ];
    this.#socket.send(Buffer.concat(parts), from.port, from.address);
  }

  /** The data of what was asked for; undefined: there is no such name. */
  #recordsOf(name: string, type: number): Buffer[] | undefined {
    if (name === this.host) return type === typeA ? [Buffer.of(127, 0, 0, 1)] : [];
    const records = this.answers.get(name);
    return type === typeSrv ? records?.map(srvData) : records && [];
  }
}

/** The name at an offset, and where it ends. */
function readName(message: Buffer, start: number): [string, number] {
  const labels: string[] = [];
  let at = start;
  for (let size = message[at] ?? 0; size > 0; size = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + size));
    at += 1 + size;
  }
  return [labels.join("."), at + 1];
}

function recordOf(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  // The name of the question, by its place.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(1, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** Priority and weight are the same for all. */
function srvData({ target, port }: SrvRecord): Buffer {
  const labels = target.split(".").map((l) => Buffer.from(`${String.fromCharCode(l.length)}${l}`));
  const head = Buffer.alloc(6);
  head.writeUInt16BE(port, 4);
  return Buffer.concat([head, ...labels, Buffer.of(0)]);
}
