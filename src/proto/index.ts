/**
 * The wire formats: record types and codecs by protobuf package. `rpcpb` is etcdserverpb.
 * Decoders throw ProtoError for bytes that are no such message.
 */
export { EtcdError, type EtcdErrorCode, etcdErrorByText } from "./errors.ts";
export * as authpb from "./gen/authpb.ts";
export * as healthpb from "./gen/healthpb.ts";
export * as leasepb from "./gen/leasepb.ts";
export * as membershippb from "./gen/membershippb.ts";
export * as mvccpb from "./gen/mvccpb.ts";
export * as raftpb from "./gen/raftpb.ts";
export * as reflectionpb from "./gen/reflectionpb.ts";
export * as rpcpb from "./gen/rpcpb.ts";
export * as snappb from "./gen/snappb.ts";
export * as v3electionpb from "./gen/v3electionpb.ts";
export * as v3lockpb from "./gen/v3lockpb.ts";
export * as walpb from "./gen/walpb.ts";
export type { ReflectedFile, ServiceMethod } from "./services.ts";
export { ProtoError, Reader, sizeCounter, sizeHalves, sizeId, sizeU32, Writer } from "./wire.ts";

/** The services by reflection, for who serves JSON or descriptors: loaded when first needed. */
export const loadServices = (): Promise<typeof import("./services.ts")> => import("./services.ts");
