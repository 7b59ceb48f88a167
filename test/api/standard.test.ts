// What every gRPC server is expected to have: health and reflection, as a client asks for them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor.js";
import { healthpb, reflectionpb } from "../../src/proto/index.ts";
import { memberOptions, startMember, tempDir } from "../server/rig.ts";
import { Served } from "./rig.ts";

const healthMethod = (name: string) => ({
  path: `/grpc.health.v1.Health/${name}`,
  encode: healthpb.encodeHealthCheckRequest,
  decode: healthpb.decodeHealthCheckResponse,
  idempotent: true,
});

const infoOf = (version: string) => ({
  path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
  encode: reflectionpb.encodeServerReflectionRequest,
  decode: reflectionpb.decodeServerReflectionResponse,
  idempotent: true,
});

test("Health: the server is serving; other names are not known", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  const { SERVING, SERVICE_UNKNOWN } = healthpb.ServingStatus;
  const check = healthMethod("Check");
  assert.deepEqual(await served.call(check, { service: "" }), { status: SERVING });
  await assert.rejects(served.call(check, { service: "etcdserverpb.KV" }), {
    code: 5,
    details: "unknown service",
  });
  const list = await served.call(
    {
      path: "/grpc.health.v1.Health/List",
      encode: healthpb.encodeHealthListRequest,
      decode: healthpb.decodeHealthListResponse,
      idempotent: true,
    },
    {},
  );
  assert.deepEqual(list.statuses, [{ key: "", value: { status: SERVING } }]);
  for (const [service, status] of [
    ["", SERVING],
    ["nobody", SERVICE_UNKNOWN],
  ] as const) {
    const watch = served.stream(healthMethod("Watch"));
    watch.on("error", () => undefined);
    watch.write({ service });
    watch.end();
    const [first] = await once(watch, "data");
    assert.deepEqual(first, { status });
    watch.cancel();
  }
  await member.stop();
});

for (const version of ["v1", "v1alpha"]) {
  test(`reflection ${version}: services, and descriptors that another reader understands`, async () => {
    await using dir = await tempDir();
    const member = await startMember(memberOptions(dir.path));
    await using served = await Served.of(member);
    const stream = served.stream(infoOf(version));
    const ask = async (q: Partial<reflectionpb.ServerReflectionRequest>) => {
      stream.write(reflectionpb.newServerReflectionRequest(q));
      const [answer] = await once(stream, "data");
      return answer as reflectionpb.ServerReflectionResponse;
    };
    const { listServicesResponse } = await ask({ listServices: "" });
    const names = listServicesResponse?.service.map((s) => s.name) ?? [];
    assert.ok(names.includes("etcdserverpb.KV") && names.includes("v3lockpb.Lock"));

    const { fileDescriptorResponse } = await ask({
      fileContainingSymbol: "v3electionpb.Election.Campaign",
    });
    const file = (fileDescriptorResponse?.fileDescriptorProto ?? []).map((bytes) =>
      descriptor.FileDescriptorProto.decode(bytes),
    );
    assert.deepEqual(
      file.map((f) => f.toJSON()["name"]),
      ["v3electionpb.proto", "etcdserverpb.proto", "mvccpb.proto", "authpb.proto"],
    );
    const root = protobuf.Root.fromDescriptor(
      descriptor.FileDescriptorSet.encode({ file }).finish(),
    );
    root.resolveAll();
    assert.equal(root.lookupType("etcdserverpb.RangeRequest").fields["limit"]?.id, 3);
    assert.equal(root.lookupEnum("etcdserverpb.Compare.CompareTarget").values["MOD"], 2);

    const again = await ask({ fileByFilename: "mvccpb.proto" });
    assert.equal(again.fileDescriptorResponse?.fileDescriptorProto.length, 1);
    const unknown = await ask({ fileContainingSymbol: "no.such.Thing" });
    assert.equal(unknown.errorResponse?.errorCode, 5);
    const extension = await ask({ allExtensionNumbersOfType: "mvccpb.KeyValue" });
    assert.equal(extension.errorResponse?.errorCode, 12);
    stream.end();
    const [status] = await once(stream, "status");
    assert.equal(status.code, 0);
    await member.stop();
  });
}
