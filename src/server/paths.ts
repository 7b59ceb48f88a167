/** Where things lie below the data folder. */
import { join } from "node:path";

export const memberDir = (dataDir: string): string => join(dataDir, "member");
export const snapDirOf = (dataDir: string): string => join(dataDir, "member", "snap");
export const walDirOf = (o: {
  readonly dataDir: string;
  readonly walDir: string | undefined;
}): string => o.walDir ?? join(o.dataDir, "member", "wal");
/** The initial-cluster-token the data was made with; absent where an older Quoin made it. */
export const tokenPath = (member: string): string => join(member, "cluster-token");
/** What `force-new` builds in; never a member's state before it is renamed. */
export const forcingDir = (dataDir: string): string => join(dataDir, "member.forcing");
/** The state before `force-new` with this token. */
export const formerDir = (dataDir: string, token: string): string =>
  join(dataDir, `${formerPrefix}${encodeURIComponent(token).slice(0, 200)}`);
export const formerPrefix = "member.before-";
