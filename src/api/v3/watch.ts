/** etcdserverpb.Watch. Source: etcd server/etcdserver/api/v3rpc/watch.go. */

import type { AuthInfo } from "../../core/auth/index.ts";
import type { WatchRecord, WatchStream } from "../../core/mvcc/index.ts";
import type { Revision, WatchId } from "../../core/types.ts";
import { EtcdError, rpcpb } from "../../proto/index.ts";
import type { Method, StreamCall } from "../../rpc/index.ts";
import { identify } from "./access.ts";
import { BulkResponses } from "./bulk-responses.ts";
import { type ApiContext, decodeOrFail, header, openStream } from "./context.ts";

/** Bytes of events one stream may hold before its watchers fall back to the history. */
const streamBudgetBytes = 4 << 20;
/** Bytes taken from the hub at a time. */
const sliceBytes = 256 << 10;
/** What etcd adds to --max-request-bytes for the size of a fragment (config.go MaxRequestBytesWithOverhead). */
const requestOverheadBytes = 512 << 10;

export function watchMethods(ctx: ApiContext): [string, Method][] {
  const method: Method = {
    kind: "stream",
    type: "bidi_stream",
    open: (call) => new WatchSession(ctx, call).open(),
  };
  return [["/etcdserverpb.Watch/Watch", method]];
}

/** Whether a record has nothing to say but events: what nearly all do. */
const isPlain = (r: WatchRecord): boolean =>
  r.events.length > 0 &&
  !(r.created || r.canceled || r.fragment) &&
  r.compactRevision === 0 &&
  r.cancelReason === "" &&
  r.watchId >= 0;

const nobody: AuthInfo = { username: "", revision: 0 };
/** An empty key stands for it. */
const smallestKey = new Uint8Array(1);

/** The reason a watcher is refused, as Go prints a status (v3rpc/watch.go). */
function refusalText({ code, message }: EtcdError): string {
  if (code === "InvalidAuthToken") return `rpc error: code = Unauthenticated desc = ${message}`;
  const isArgument = code === "AuthOldRevision" || code === "UserEmpty";
  if (isArgument) return `rpc error: code = InvalidArgument desc = ${message}`;
  return "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
}

/** One gRPC stream with its watchers. */
class WatchSession {
  readonly #ctx: ApiContext;
  readonly #call: StreamCall;
  readonly #headers = new BulkResponses();
  #stream: WatchStream | undefined;
  #release = (): void => undefined;
  #cancelProgress = (): void => undefined;
  #progressArmed = false;
  #scheduled = false;

  constructor(ctx: ApiContext, call: StreamCall) {
    this.#ctx = ctx;
    this.#call = call;
  }

  open(): void {
    const call = this.#call;
    const release = openStream(this.#ctx, call, { onLost: () => this.#close() });
    if (release === undefined) return;
    this.#release = release;
    this.#stream = this.#ctx.member.kv.watches.openStream({
      maxRequestBytes: this.#ctx.member.options.maxRequestBytes + requestOverheadBytes,
      budgetBytes: streamBudgetBytes,
      onReadable: () => this.#schedule(),
    });
    call.onMessage = (bytes) => {
      const request = decodeOrFail(call, rpcpb.decodeWatchRequest, bytes);
      if (request === undefined) this.#close();
      else this.#ctx.member.state.whenWhole(() => this.#request(request));
    };
    call.onDrain = () => this.#schedule();
    call.onCancel = () => this.#close();
    // The client has nothing more to ask; etcd goes on telling it events until it cancels the call.
    call.onEnd = () => undefined;
  }

  #request(request: rpcpb.WatchRequest): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    if (request.createRequest !== undefined) this.#create(stream, request.createRequest);
    else if (request.cancelRequest !== undefined) stream.cancel(request.cancelRequest.watchId);
    else if (request.progressRequest !== undefined) stream.requestProgress();
  }

  #create(stream: WatchStream, request: rpcpb.WatchCreateRequest): void {
    const created = (refused?: EtcdError): void => {
      if (stream !== this.#stream) return;
      stream.create(request, refused && refusalText(refused));
      if (request.progressNotify && refused === undefined) this.#armProgress();
      this.#ctx.member.catchUpWatchers();
    };
    if (!this.#ctx.member.authority.enabled) {
      created();
      return;
    }
    // Nothing overtakes a request that waits for its token.
    this.#call.pause();
    const answer = (refused?: EtcdError): void => {
      this.#call.resume();
      created(refused);
    };
    identify(this.#ctx, this.#call, answer, (who) => answer(this.#refuse(request, who)));
  }

  #refuse(request: rpcpb.WatchCreateRequest, who: AuthInfo | undefined): EtcdError | undefined {
    const { store } = this.#ctx.member.state.auth;
    const key = request.key.byteLength === 0 ? smallestKey : request.key;
    const refused = store.checkRead(who ?? nobody, key, request.rangeEnd);
    return refused === undefined ? undefined : new EtcdError(refused);
  }

  /** What is ready leaves at the end of the turn, with everything else that is ready by then. */
  #schedule(): void {
    if (this.#scheduled || this.#stream === undefined) return;
    this.#scheduled = true;
    this.#ctx.clock.soon(() => {
      this.#scheduled = false;
      this.#drain();
    });
  }

  #drain(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    while (this.#call.writable) {
      const records = stream.take(sliceBytes);
      if (records.length === 0) break;
      this.#send(records);
    }
    this.#ctx.member.catchUpWatchers();
  }

  #send(records: readonly WatchRecord[]): void {
    const { member, clock } = this.#ctx;
    const begunMs = clock.nowMs();
    let events = 0;
    for (const record of records) {
      if (record.events.length > 0) member.faults.hit("beforeSendWatchResponse");
      events += record.events.length;
      this.#call.send(this.#encode(record));
    }
    const seconds = (clock.nowMs() - begunMs) / 1000;
    const { measures } = member;
    if (events === 0) measures.watchControl.observe(seconds);
    else {
      measures.events += events;
      measures.watchSend.observe(seconds);
      measures.watchSendPerEvent.observe(seconds / events);
    }
  }

  #encode(record: WatchRecord): Uint8Array {
    if (isPlain(record)) {
      return this.#headers.watchEvents(header(this.#ctx, record.revision), record);
    }
    return rpcpb.encodeEncodedWatchResponse({
      header: header(this.#ctx, record.revision),
      watchId: record.watchId as WatchId,
      created: record.created,
      canceled: record.canceled,
      compactRevision: record.compactRevision as Revision,
      cancelReason: record.cancelReason,
      fragment: record.fragment,
      events: record.events as Uint8Array[],
    });
  }

  /** The interval has up to a tenth of jitter, so that streams do not all wake at once. */
  #armProgress(): void {
    if (this.#progressArmed) return;
    this.#progressArmed = true;
    const { clock, random, watchProgressMs } = this.#ctx;
    const jitter = random.below(Math.max(1, Math.floor(watchProgressMs / 10)));
    this.#cancelProgress = clock.after(watchProgressMs + jitter, () => {
      this.#progressArmed = false;
      // While a snapshot is being installed the store's revision means nothing.
      const begunMs = clock.nowMs();
      if (!this.#ctx.member.state.restoring) this.#stream?.progressTick();
      this.#ctx.member.measures.watchProgress.observe((clock.nowMs() - begunMs) / 1000);
      if (this.#stream !== undefined) this.#armProgress();
    });
  }

  #close(): void {
    this.#release();
    this.#cancelProgress();
    this.#stream?.close();
    this.#stream = undefined;
  }
}
