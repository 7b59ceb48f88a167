/**
 * grpc.reflection.v1 and v1alpha: what tools such as grpcurl ask. etcd has none; it costs nothing until
 * somebody asks.
 */
import { loadServices, type ReflectedFile, reflectionpb } from "../../proto/index.ts";
import { type Method, Status, type StreamCall } from "../../rpc/index.ts";
import { decodeOrFail } from "../v3/context.ts";

export function reflectionMethods(): [string, Method][] {
  const method: Method = { kind: "stream", type: "bidi_stream", open };
  return ["v1", "v1alpha"].map((version) => [
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    method,
  ]);
}

interface Known {
  readonly names: readonly string[];
  /** By file name and by symbol. */
  readonly files: ReadonlyMap<string, ReflectedFile>;
}

let known: Promise<Known> | undefined;

function load(): Promise<Known> {
  known ??= loadServices().then(({ serviceNames, reflectedFiles }) => ({
    names: [...serviceNames].sort(),
    files: reflectedFiles(),
  }));
  return known;
}

/** One answer for each question; the client is held back while one is made. */
function open(call: StreamCall): void {
  let isEnding = false;
  let isBusy = false;
  call.onMessage = (bytes) => {
    const request = decodeOrFail(call, reflectionpb.decodeServerReflectionRequest, bytes);
    if (request === undefined) return;
    isBusy = true;
    call.pause();
    load().then(
      (all) => {
        const response = reflectionpb.newServerReflectionResponse({
          ...answer(request, all),
          validHost: request.host,
          originalRequest: request,
        });
        const mayGoOn = call.send(reflectionpb.encodeServerReflectionResponse(response));
        isBusy = false;
        if (isEnding) call.end();
        else if (mayGoOn) call.resume();
      },
      (error: unknown) => call.fail(Status.internal, String(error)),
    );
  };
  call.onDrain = () => call.resume();
  call.onEnd = () => {
    isEnding = true;
    if (!isBusy) call.end();
  };
}

function answer(
  request: reflectionpb.ServerReflectionRequest,
  { names, files }: Known,
): Partial<reflectionpb.ServerReflectionResponse> {
  if (request.listServices !== undefined) {
    return { listServicesResponse: { service: names.map((name) => ({ name })) } };
  }
  const wanted = request.fileByFilename ?? request.fileContainingSymbol;
  if (wanted === undefined) {
    return error(Status.unimplemented, "there are no extensions");
  }
  const file = files.get(wanted);
  if (file === undefined) return error(Status.notFound, `not found: ${wanted}`);
  const fileDescriptorProto = withDependencies(file, files).map(({ bytes }) => bytes);
  return { fileDescriptorResponse: { fileDescriptorProto } };
}

const error = (errorCode: number, errorMessage: string) => ({
  errorResponse: { errorCode, errorMessage },
});

/** The file first, then what it imports. */
function withDependencies(
  file: ReflectedFile,
  files: ReadonlyMap<string, ReflectedFile>,
): ReflectedFile[] {
  const found = new Set([file]);
  for (const one of found) {
    for (const name of one.dependencies) {
      const dependency = files.get(name);
      if (dependency !== undefined) found.add(dependency);
    }
  }
  return [...found];
}
