/**
 * The services by reflection: which methods there are, their messages as JSON, and their descriptors.
 * Heavy (protobufjs): loaded when the first client asks, through `loadServices`.
 */
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor.js";
import protojson from "protobufjs/ext/protojson.js";
import { reflected } from "./gen/reflected.ts";
import { jsonPieces } from "./json-pieces.ts";
import { ProtoError } from "./wire.ts";

/** One method of a service and how HTTP clients name it. */
export interface ServiceMethod {
  /** "/package.Service/Method". */
  readonly path: string;
  /** Paths of the JSON gateway (google.api.http); none for methods it does not serve. */
  readonly httpPaths: readonly string[];
  readonly isClientStream: boolean;
  readonly isServerStream: boolean;
  /** A request from proto3's JSON, unknown members ignored. Throws ProtoError. */
  toWire(json: string): Uint8Array;
  /** A response as JSON with the fields' names of the .proto, zeros left out. Throws ProtoError. */
  toJson(message: Uint8Array): string;
  /** The same in pieces of about `jsonPieceBytes`, some of them empty: none takes long. Throws ProtoError. */
  toJsonPieces(message: Uint8Array): Generator<string>;
}

/** A .proto file as grpc.reflection gives it. */
export interface ReflectedFile {
  readonly name: string;
  /** A FileDescriptorProto. */
  readonly bytes: Uint8Array;
  readonly dependencies: readonly string[];
}

/** Accepts a field by both its names. */
const accepting = protobuf.Root.fromJSON(reflected);
accepting.resolveAll();
/** Names fields as the .proto does, which is what etcd's gateway answers with. */
const answering = protobuf.Root.fromJSON(reflected);
answering.resolveAll();
for (const type of typesOf(answering)) {
  for (const field of type.fieldsArray) {
    Object.defineProperty(field, "jsonName", { value: field.name });
  }
}

/** All methods of all services. */
export const serviceMethods: readonly ServiceMethod[] = servicesOf(accepting).flatMap((service) =>
  service.methodsArray.map((method): ServiceMethod => {
    const request = method.resolvedRequestType as protobuf.Type;
    const response = answering.lookupType((method.resolvedResponseType as protobuf.Type).fullName);
    return {
      path: `/${service.fullName.slice(1)}/${method.name}`,
      httpPaths: httpPathsOf(method),
      isClientStream: method.requestStream === true,
      isServerStream: method.responseStream === true,
      toWire: (json) =>
        translated(() => {
          const message = protojson.fromJsonString(request, json, { ignoreUnknownFields: true });
          return request.encode(message).finish();
        }),
      toJson: (message) =>
        translated(() => protojson.toJsonString(response, response.decode(message))),
      toJsonPieces: (message) => translatedPieces(jsonPieces(response, message)),
    };
  }),
);

/** Full names of all services. */
export const serviceNames: readonly string[] = servicesOf(accepting).map((s) =>
  s.fullName.slice(1),
);

/** Files by the full names of what they define: services, methods, messages, fields, enums. */
export function reflectedFiles(): ReadonlyMap<string, ReflectedFile> {
  const { file } = accepting.toDescriptor("proto3");
  const out = new Map<string, ReflectedFile>();
  for (const one of file) {
    const packageName = one.package ?? "";
    const namespace = accepting.lookup(packageName) as protobuf.Namespace;
    const dependencies = [...packagesUsed(namespace)].map((name) => fileName(name));
    const name = fileName(packageName);
    const whole = descriptor.FileDescriptorProto.fromObject({ ...one, name });
    Object.assign(whole, { dependency: dependencies });
    const bytes = descriptor.FileDescriptorProto.encode(whole).finish();
    const reflectedFile = { name, bytes, dependencies };
    out.set(name, reflectedFile);
    for (const symbol of symbolsOf(namespace)) out.set(symbol, reflectedFile);
  }
  return out;
}

const fileName = (packageName: string): string => `${packageName.replaceAll(".", "/")}.proto`;

function packagesUsed(namespace: protobuf.Namespace): Set<string> {
  const own = namespace.fullName.slice(1);
  const used = new Set<string>();
  const note = (item: protobuf.ReflectionObject | null): void => {
    let at = item;
    while (at instanceof protobuf.Type || at instanceof protobuf.Enum) at = at.parent;
    if (at !== null && at.fullName.slice(1) !== own) used.add(at.fullName.slice(1));
  };
  for (const type of typesOf(namespace)) for (const f of type.fieldsArray) note(f.resolvedType);
  for (const service of servicesOf(namespace)) {
    for (const method of service.methodsArray) {
      note(method.resolvedRequestType);
      note(method.resolvedResponseType);
    }
  }
  return used;
}

function symbolsOf(item: protobuf.ReflectionObject): string[] {
  const name = item.fullName.slice(1);
  if (item instanceof protobuf.Service) {
    return [name, ...item.methodsArray.map((m) => `${name}.${m.name}`)];
  }
  if (!(item instanceof protobuf.Namespace)) return [name];
  const fields =
    item instanceof protobuf.Type ? item.fieldsArray.map((f) => `${name}.${f.name}`) : [];
  return [name, ...fields, ...item.nestedArray.flatMap(symbolsOf)];
}

function typesOf(namespace: protobuf.NamespaceBase): protobuf.Type[] {
  return namespace.nestedArray.flatMap((item) => [
    ...(item instanceof protobuf.Type ? [item] : []),
    ...(item instanceof protobuf.Namespace && !(item instanceof protobuf.Service)
      ? typesOf(item)
      : []),
    ...(item instanceof protobuf.Type ? typesOf(item) : []),
  ]);
}

function servicesOf(namespace: protobuf.NamespaceBase): protobuf.Service[] {
  return namespace.nestedArray.flatMap((item) => {
    if (item instanceof protobuf.Service) return [item];
    return item instanceof protobuf.Namespace ? servicesOf(item) : [];
  });
}

function httpPathsOf(method: protobuf.Method): string[] {
  const options = method.options ?? {};
  return ["(google.api.http).post", "(google.api.http).additional_bindings.post"].flatMap((key) => {
    const path: unknown = options[key];
    return typeof path === "string" ? [path] : [];
  });
}

function* translatedPieces(pieces: Generator<string>): Generator<string> {
  for (;;) {
    const { value, done } = translated(() => pieces.next());
    if (done === true) return;
    yield value;
  }
}

function translated<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new ProtoError(error instanceof Error ? error.message : String(error));
  }
}
