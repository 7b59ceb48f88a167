/** Moves the revision of a member that is alone on, so that clients notice that the past has changed. */
import type { Revision } from "../core/types.ts";
import { emptyBytes } from "../lib/bytes.ts";
import { Backend } from "../storage/backend/index.ts";
import { findEngineDir } from "../storage/snapshot/index.ts";
import { boot } from "./boot.ts";
import { Member } from "./member.ts";
import type { MemberOptions, MemberPorts } from "./options.ts";
import { snapDirOf } from "./paths.ts";

/** Whom the data belongs to; its cluster has no other member. */
export type AloneMember = Pick<
  MemberOptions,
  "name" | "dataDir" | "initialClusterToken" | "initialAdvertisePeerUrls"
>;

export type AlonePorts = Omit<
  MemberPorts,
  "createTransport" | "askPeer" | "fetchMembers" | "lookAt" | "onFatal" | "onRemoved"
>;

/**
 * Applies all that the log holds, by running the member without a network, and then adds `bump` to
 * the revision and counts everything as compacted (as a restore with --mark-compacted does): a watch
 * that saw revisions which were lost would else take new ones for those. Rejects when an entry cannot
 * be applied.
 */
export async function bumpRevision(o: AloneMember, p: AlonePorts, bump: number): Promise<void> {
  await applyAll(o, p);
  const dir = await findEngineDir(p.disk, snapDirOf(o.dataDir));
  if (dir === undefined) throw new Error(`${o.dataDir} has no engine after its log was applied`);
  const engine = await p.openEngine(dir);
  let failure: Error | undefined;
  const onFatal = (error: Error): void => {
    failure ??= error;
  };
  const backend = await Backend.open({ ...p, engine, onFatal });
  try {
    const revision = (backend.meta.revision + bump) as Revision;
    backend.put(revision, 0, false, emptyBytes);
    backend.setMeta({ revision, scheduledCompactRevision: revision });
    backend.commit();
    await backend.fence();
    if (failure !== undefined) throw failure;
  } finally {
    await backend.close();
  }
}

async function applyAll(o: AloneMember, p: AlonePorts): Promise<void> {
  const options: MemberOptions = { ...defaults, ...o };
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  const noNetwork = (): Promise<never> => Promise.reject(new Error("there is no network"));
  const ports: MemberPorts = {
    ...p,
    createTransport: () => ({
      addPeer: () => undefined,
      updatePeer: () => undefined,
      removePeer: () => undefined,
      addRemote: () => undefined,
      send: () => undefined,
      activeSince: () => undefined,
    }),
    askPeer: noNetwork,
    fetchMembers: noNetwork,
    lookAt: noNetwork,
    onFatal: (error) => fail(error),
    onRemoved: () => fail(new Error("the member is not part of its own cluster")),
  };
  const member = new Member(options, ports, await boot(options, ports));
  const ready = new Promise<void>((resolve) => member.whenReady(resolve));
  member.start();
  try {
    // An entry of its own term is applied by then, and so is everything before it.
    await Promise.race([ready, failed]);
  } finally {
    await member.stop();
  }
}

/** etcd's; the election timeout decides the shortest lease. Nothing is cut, nobody is served. */
const defaults: Omit<MemberOptions, keyof AloneMember> = {
  walDir: undefined,
  initialCluster: new Map(),
  initialClusterState: "existing",
  advertiseClientUrls: [],
  heartbeatMs: 100,
  electionMs: 1000,
  preVote: true,
  snapshotCount: 10_000,
  snapshotCatchupEntries: 5_000,
  maxLearners: 1,
  strictReconfigCheck: true,
  maxRequestBytes: 1_572_864,
  maxTxnOps: 128,
  quotaBytes: Number.MAX_SAFE_INTEGER,
  tierBytes: undefined,
};
