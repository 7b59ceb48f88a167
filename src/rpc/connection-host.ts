import type { Clock, Logger } from "../ports/index.ts";
import type { ClientVersions } from "./client-versions.ts";
import type { Gzip } from "./compression.ts";
import type { Connection } from "./connection.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { Ledger } from "./ledger.ts";
import type { MethodEntry } from "./method-table.ts";
import type { StatusCode } from "./status.ts";
import type { TimerWheel } from "./timer-wheel.ts";
import type { Limits } from "./types.ts";

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly methods: ReadonlyMap<string, MethodEntry>;
  readonly unknownMethod: MethodEntry;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadlines: TimerWheel;
  readonly writer: FrameWriter;
  readonly gzip: Gzip;
  readonly ledger: Ledger;
  readonly clientVersions: ClientVersions;
  readonly onHandled: ((path: string, code: StatusCode, ms: number) => void) | undefined;
  readonly onFields: ((fields: readonly string[]) => void) | undefined;
  messageReceived(bytes: number): void;
  messageSent(bytes: number): void;
  /** The ledger is beyond a limit: the connection with the largest share is to go. */
  relieve(): void;
  /** What the connection that holds most has queued. */
  mostQueued(): number;
  /** `flush` is to be called at the end of the turn. */
  dirty(connection: Connection): void;
  closed(connection: Connection): void;
}
