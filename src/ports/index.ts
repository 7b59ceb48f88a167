/** The outside world as interfaces: implemented for Node in src/io (other members: in src/peer), simulated in test/sim. */
export type { Cancel, Clock } from "./clock.ts";
export type { Disk, File } from "./disk.ts";
export type { Engine, EngineSnapshot, Row, ScanRange, WriteOp } from "./engine.ts";
export type { FaultPoint, Faults } from "./faults.ts";
export type { Fields, Logger, LogLevel } from "./logger.ts";
export type { PeerSight } from "./peer-sight.ts";
export type { Random } from "./random.ts";
