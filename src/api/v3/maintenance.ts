/** etcdserverpb.Maintenance. Source: etcd server/etcdserver/api/v3rpc/maintenance.go. */
import { serverVersion } from "../../core/membership/index.ts";
import type { Index } from "../../core/types.ts";
import { hexId, noMember, revision } from "../../core/types.ts";
import { type EtcdError, rpcpb } from "../../proto/index.ts";
import type { Method, StreamCall } from "../../rpc/index.ts";
import type { Reply, SnapshotSource } from "../../server/index.ts";
import { requireRoot } from "./access.ts";
import { type ApiContext, currentHeader, decodeOrFail, fail, header, unary } from "./context.ts";

/** The layout of our rows, as etcd numbers it. */
export const storageVersion = "3.7.0";

/** etcd's snapshotSendBufferSize. */
const blobBytes = 32 << 10;
/** What an empty store reports as its size: a new etcd has about as much. */
const emptyDbBytes = 20 << 10;

export function maintenanceMethods(ctx: ApiContext): [string, Method][] {
  const snapshotMethod: Method = {
    kind: "stream",
    type: "server_stream",
    open: (call) => snapshot(ctx, call),
  };
  return [
    ["/etcdserverpb.Maintenance/Alarm", alarmMethod(ctx)],
    ["/etcdserverpb.Maintenance/Status", statusMethod(ctx)],
    ["/etcdserverpb.Maintenance/Defragment", defragmentMethod(ctx)],
    ["/etcdserverpb.Maintenance/Hash", hashMethod(ctx)],
    ["/etcdserverpb.Maintenance/HashKV", hashKvMethod(ctx)],
    ["/etcdserverpb.Maintenance/Snapshot", snapshotMethod],
    ["/etcdserverpb.Maintenance/MoveLeader", moveLeaderMethod(ctx)],
    ["/etcdserverpb.Maintenance/Downgrade", downgradeMethod(ctx)],
  ];
}

const alarmMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeAlarmRequest,
    (request, reply) => {
      ctx.member.proposals.alarm(request, (error, result) => {
        if (result === undefined) reply(error);
        else {
          const answer = { header: currentHeader(ctx), alarms: [...result.alarms] };
          reply(undefined, rpcpb.encodeAlarmResponse(answer));
        }
      });
    },
    { access: (r) => (r.action === rpcpb.AlarmAction.GET ? "user" : "root") },
  );

/** Waits out a snapshot install, so that index and revision belong together. */
const statusMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeStatusRequest,
    (_request, reply) => {
      ctx.member.state.whenWhole(() => reply(undefined, rpcpb.encodeStatusResponse(status(ctx))));
    },
    { access: "user", onLearner: () => true },
  );

function status(ctx: ApiContext): rpcpb.StatusResponse {
  const { member } = ctx;
  const errors = member.leader === noMember ? ["etcdserver: no leader"] : [];
  for (const a of member.state.alarms.list()) errors.push(alarmText(a));
  return rpcpb.newStatusResponse({
    header: currentHeader(ctx),
    version: serverVersion,
    leader: member.leader,
    raftIndex: member.commitIndex as Index,
    raftTerm: member.term,
    raftAppliedIndex: member.appliedIndex as Index,
    errors,
    // Never 0: etcdctl's table of endpoints divides by it.
    dbSize: Math.max(emptyDbBytes, member.sizes.logicalBytes),
    dbSizeInUse: member.sizes.logicalBytes,
    isLearner: member.isLearner,
    storageVersion: member.storageVersion,
    dbSizeQuota: member.options.quotaBytes,
    downgradeInfo: { ...member.state.cluster.downgrade },
  });
}

/** An AlarmMember as Go prints one. */
function alarmText({ memberId, alarm }: rpcpb.AlarmMember): string {
  const name = Object.entries(rpcpb.AlarmType).find(([, v]) => v === alarm)?.[0] ?? alarm;
  return memberId === noMember ? `alarm:${name}` : `memberID:${memberId} alarm:${name}`;
}

/** Nothing to do: the engine compacts by itself and the call never stops the member. */
const defragmentMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeDefragmentRequest,
    (_request, reply) => {
      ctx.logger.info("starting defragment");
      for (const name of ["defragOpenFileError", "defragdbFail"] as const) {
        const failure = ctx.member.faults.hit(name);
        if (failure !== undefined) throw new Error(failure);
      }
      ctx.member.faults.hit("defragBeforeCopy");
      ctx.member.faults.hit("defragBeforeRename");
      ctx.member.measures.defrag.observe(0);
      ctx.logger.info("finished defragment");
      reply(undefined, rpcpb.encodeDefragmentResponse({ header: undefined }));
    },
    { access: "root" },
  );

const hashMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeHashRequest,
    (_request, reply) => {
      ctx.member.reads.hash().then(
        (r) => {
          const answer = { header: header(ctx, r.revision), hash: r.hash };
          reply(undefined, rpcpb.encodeHashResponse(answer));
        },
        (error: unknown) => reply(error as EtcdError),
      );
    },
    { access: "root" },
  );

const downgradeMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeDowngradeRequest,
    (request, reply) => {
      const { versions } = ctx.member;
      const answer: Reply<string> = (error, version) => {
        if (version === undefined) reply(error);
        else {
          const response = { header: currentHeader(ctx), version };
          reply(undefined, rpcpb.encodeDowngradeResponse(response));
        }
      };
      const { VALIDATE, ENABLE, CANCEL } = rpcpb.DowngradeAction;
      if (request.action === VALIDATE) versions.validate(request.version, answer);
      else if (request.action === ENABLE) versions.enable(request.version, answer);
      else if (request.action === CANCEL) versions.cancel(answer);
      else reply(new Error("etcdserver: unknown method") as EtcdError);
    },
    { access: "root" },
  );

const hashKvMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeHashKVRequest,
    (request, reply) => {
      ctx.member.reads.hashKv(request.revision).then(
        (r) => {
          const answer = {
            header: header(ctx, r.currentRevision),
            hash: r.hash,
            compactRevision: revision(r.compactRevision),
            hashRevision: r.hashRevision,
          };
          reply(undefined, rpcpb.encodeHashKVResponse(answer));
        },
        (error: unknown) => reply(error as EtcdError),
      );
    },
    { access: "root" },
  );

const moveLeaderMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeMoveLeaderRequest,
    (request, reply) => {
      ctx.member.leadership.move(request.targetId, (error) => {
        if (error !== undefined) reply(error);
        else {
          ctx.logger.info("leadership moved", { to: hexId(request.targetId) });
          reply(undefined, rpcpb.encodeMoveLeaderResponse({ header: undefined }));
        }
      });
    },
    { access: "root" },
  );

/**
 * Blobs of 32 KiB, then the sha256 of all of them as a last blob with nothing remaining. Trailers say
 * what the file holds, which etcd does not: backups keep it to compare a restored member with.
 */
function snapshot(ctx: ApiContext, call: StreamCall): void {
  let cancelled = false;
  call.onCancel = () => {
    cancelled = true;
    wake();
  };
  let wake = (): void => undefined;
  call.onDrain = () => wake();
  call.onMessage = (bytes) => {
    call.onMessage = undefined;
    if (decodeOrFail(call, rpcpb.decodeSnapshotRequest, bytes) === undefined) return;
    const refuse = (error: EtcdError): void => fail(call, error);
    requireRoot(ctx, call, refuse, () => {
      stream().catch((error: unknown) => {
        ctx.logger.warn("snapshot stream failed", { error: String(error) });
        fail(call, error);
      });
    });
  };

  async function stream(): Promise<void> {
    const source = await ctx.member.reads.snapshot();
    try {
      await sendAll(source);
      if (cancelled) return;
      const { revision: at, compactRevision, hashKv } = source.facts();
      call.setTrailer("quoin-revision", String(at));
      call.setTrailer("quoin-compact-revision", String(compactRevision));
      call.setTrailer("quoin-hash-kv", String(hashKv));
      call.end();
    } finally {
      await source.release();
    }
  }

  async function sendAll(source: SnapshotSource): Promise<void> {
    const version = ctx.member.storageVersion;
    const facts = { "total-bytes": source.sizeBytes, "storage-version": version };
    ctx.logger.info("sending database snapshot to client", facts);
    let remaining = source.sizeBytes;
    for await (const chunk of source.chunks()) {
      for (let at = 0; at < chunk.byteLength; at += blobBytes) {
        const blob = chunk.subarray(at, at + blobBytes);
        // The 32 bytes of the hash come after the file itself: remaining stays at 0.
        remaining = Math.max(0, remaining - blob.byteLength);
        const message = rpcpb.newSnapshotResponse({
          remainingBytes: remaining,
          blob,
          version,
        });
        if (cancelled) return;
        if (!call.send(rpcpb.encodeSnapshotResponse(message)) && !cancelled) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    }
    ctx.logger.info("successfully sent database snapshot to client", facts);
  }
}
