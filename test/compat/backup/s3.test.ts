// The S3 destination against a real S3 server, versitygw.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type DestinationOptions, openDestination } from "../../../src/backup/destination.ts";
import { BackupError, type Destination } from "../../../src/backup/types.ts";
import { S3Server } from "../../backup/s3-server.ts";
import { TcpProxy } from "../../backup/tcp-proxy.ts";
import { until } from "../../until.ts";

const bucket = "backups";
const mebibyte = 1 << 20;
let server: S3Server;
const opened: Destination[] = [];

before(async () => {
  server = await S3Server.start();
  await server.createBucket(bucket);
  Object.assign(process.env, server.env);
});

after(async () => {
  for (const destination of opened) destination.close();
  await server[Symbol.asyncDispose]();
});

let keys = 0;
/** A key no other test has. */
const freshKey = () => `shop/orders/20260501T000000Z-${String(keys++).padStart(8, "0")}.db.zst`;

async function open(
  change: Partial<Extract<DestinationOptions, { kind: "s3" }>> = {},
  signal?: AbortSignal,
): Promise<Destination> {
  const options = { kind: "s3", bucket, endpoint: server.endpoint, ...change } as const;
  const destination = await openDestination(options, signal);
  opened.push(destination);
  return destination;
}

async function put(destination: Destination, key: string, bytes: Uint8Array): Promise<void> {
  const writer = await destination.create(key, { sizeBytes: bytes.byteLength });
  for (let at = 0; at < bytes.byteLength; at += mebibyte) {
    await writer.write(bytes.subarray(at, at + mebibyte));
  }
  await writer.commit();
}

async function get(destination: Destination, key: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of destination.read(key)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function listed(destination: Destination, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of destination.list(prefix)) found.push(key);
  return found;
}

const failsAs = (code: BackupError["code"], message: RegExp) => (error: unknown) => {
  assert(error instanceof BackupError, String(error));
  assert.deepEqual([error.code, message.test(error.message)], [code, true], error.message);
  return true;
};

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test("an object of no, few and many bytes is seen after commit(), whole", async () => {
  const destination = await open({ prefix: "some/where" });
  for (const size of [0, 5, 8 * mebibyte, 8 * mebibyte + 1, 20 * mebibyte]) {
    const key = freshKey();
    const bytes = randomBytes(size);
    const writer = await destination.create(key, { sizeBytes: size });
    for (let at = 0; at < size; at += 700_001) await writer.write(bytes.subarray(at, at + 700_001));
    assert.deepEqual(await listed(destination, key), []);
    await assert.rejects(get(destination, key), failsAs("ArtifactMissing", /There is no shop/));
    await writer.commit();
    assert.deepEqual(await server.keys(bucket, `some/where/${key}`), [`some/where/${key}`]);
    assert.equal(sha256(await get(destination, key)), sha256(bytes));
    for await (const object of destination.list(key)) assert.equal(object.sizeBytes, size);
    await destination.delete(key);
    await destination.delete(key);
  }
  assert.deepEqual(await server.uploads(bucket), []);
});

test("300 MB are uploaded in bounded memory, and arrive", async (t) => {
  const key = freshKey();
  const child = spawn(process.execPath, [join(import.meta.dirname, "upload-program.ts")], {
    env: { ...process.env, ENDPOINT: server.endpoint, BUCKET: bucket, KEY: key, MEBIBYTES: "300" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said = (await child.stdout.toArray()).join("");
  const { sha256: sent, grownBytes } = JSON.parse(said) as { sha256: string; grownBytes: number };
  t.diagnostic(`resident memory grew by ${Math.round(grownBytes / mebibyte)} MiB`);
  assert(grownBytes < 150 * mebibyte, `${grownBytes} bytes`);
  const hash = createHash("sha256");
  for await (const chunk of (await open()).read(key)) hash.update(chunk);
  assert.equal(hash.digest("hex"), sent);
  await (await open()).delete(key);
});

test("a process killed in mid-upload leaves nothing to be seen, and sweep() removes its parts", async () => {
  // Of its own: the server may finish a part of the dead process at any later moment.
  const bucket = "killed";
  await server.createBucket(bucket);
  const key = freshKey();
  const env = { ENDPOINT: server.endpoint, BUCKET: bucket, KEY: key, MEBIBYTES: "40", HOLD: "1" };
  const child = spawn(process.execPath, [join(import.meta.dirname, "upload-program.ts")], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  const destination = await open({ bucket });
  assert.deepEqual(await listed(destination, key), []);
  assert.deepEqual(await server.uploads(bucket), [key]);
  assert.equal(await destination.sweep("shop/orders/", 3_600_000), 0, "it may be alive");
  assert.equal(await destination.sweep("shop/other/", -60_000), 0, "not below that prefix");
  assert.equal(
    await (await open({ bucket, prefix: "shop" })).sweep("", -60_000),
    0,
    "no key of ours there",
  );
  assert.equal(await destination.sweep("shop/orders/", -60_000), 1);
  await until("a later sweep has what came after the first", async () => {
    if ((await server.uploads(bucket)).length === 0) return true;
    await destination.sweep("shop/orders/", -60_000);
    return false;
  });
});

test("abort() ends the upload and delete() deletes, also once the Job is told to stop", async () => {
  const stop = new AbortController();
  const destination = await open({}, stop.signal);
  const [whole, key] = [freshKey(), freshKey()];
  await put(destination, whole, Buffer.from("x"));
  const writer = await destination.create(key, { sizeBytes: 0 });
  for (let i = 0; i < 20; i++) await writer.write(Buffer.alloc(mebibyte));
  assert.deepEqual(await server.uploads(bucket), [key]);
  stop.abort();
  await assert.rejects(writer.commit(), { code: "Interrupted" });
  await writer.abort();
  assert.deepEqual(await server.uploads(bucket), []);
  assert.deepEqual(await server.keys(bucket, key), []);
  await destination.delete(whole);
  assert.deepEqual(await server.keys(bucket, whole), []);
  await assert.rejects(get(destination, key), { code: "Interrupted" });
});

test("what is there is not overwritten: not at create(), and not at commit() by a slower one", async () => {
  const destination = await open();
  for (const size of [5, 20 * mebibyte]) {
    const key = freshKey();
    const slow = await destination.create(key, { sizeBytes: size });
    for (let at = 0; at < size; at += mebibyte) {
      await slow.write(Buffer.alloc(Math.min(mebibyte, size - at), "s"));
    }
    await put(destination, key, Buffer.from("fast"));
    await assert.rejects(
      destination.create(key, { sizeBytes: 1 }),
      failsAs("AlreadyExists", /left as it is/),
    );
    await assert.rejects(slow.commit(), failsAs("AlreadyExists", /each run has a key of its own/));
    assert.equal(String(await get(destination, key)), "fast");
  }
  assert.deepEqual(await server.uploads(bucket), []);
});

test("writeSmall() replaces what is there, and readSmall() is bounded", async () => {
  const destination = await open();
  const key = `${freshKey()}.manifest.json`;
  assert.equal(await destination.readSmall(key, 10), undefined);
  await destination.writeSmall(key, Buffer.from("one"));
  await destination.writeSmall(key, Buffer.from("two"));
  assert.equal(String(await destination.readSmall(key, 3)), "two");
  await assert.rejects(
    destination.readSmall(key, 2),
    failsAs("InvalidSnapshot", /more than 2 bytes/),
  );
});

test("list() goes on after a thousand keys", async () => {
  const names = Array.from({ length: 1203 }, (_, n) => `a/${String(n).padStart(5, "0")}`);
  mkdirSync(server.fileOf(bucket, "many/a"), { recursive: true });
  for (const name of names) writeFileSync(server.fileOf(bucket, `many/${name}`), "x");
  const destination = await open({ prefix: "many" });
  assert.deepEqual(await listed(destination, "a/"), names);
  assert.deepEqual(await listed(destination, "b/"), []);
});

test("a wrong secret, an unknown key and a missing bucket are told apart", async () => {
  const right = server.env.AWS_SECRET_ACCESS_KEY;
  const attempt = async (change: object, env: Record<string, string> = {}) => {
    Object.assign(process.env, env);
    try {
      const writer = await (await open(change)).create(freshKey(), { sizeBytes: 1 });
      await writer.write(Buffer.from("x"));
      await writer.commit();
    } finally {
      Object.assign(process.env, server.env);
    }
  };
  await assert.rejects(
    attempt({}, { AWS_SECRET_ACCESS_KEY: `${right}x` }),
    failsAs("AccessDenied", /SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY/),
  );
  await assert.rejects(
    attempt({}, { AWS_ACCESS_KEY_ID: "nobody" }),
    // versitygw's word for InvalidAccessKeyId.
    failsAs("AccessDenied", /XAdminUserNotFound/),
  );
  await assert.rejects(
    attempt({ bucket: "elsewhere" }),
    failsAs("BucketMissing", /Bucket elsewhere at http.*NoSuchBucket.*Make the bucket/),
  );
  await attempt({});
});

test("an upload goes on after its connection was cut", async () => {
  await using proxy = await TcpProxy.start(server.endpoint);
  const destination = await open({ endpoint: proxy.endpoint });
  const key = freshKey();
  const bytes = randomBytes(20 * mebibyte);
  proxy.cutAfterUp(12 * mebibyte);
  await put(destination, key, bytes);
  assert.equal(proxy.cuts, 1);
  assert.equal(sha256(await get(await open(), key)), sha256(bytes));
});

test("a part that is damaged on its way is refused by the server and sent again", async () => {
  await using proxy = await TcpProxy.start(server.endpoint);
  const destination = await open({ endpoint: proxy.endpoint });
  const key = freshKey();
  const bytes = randomBytes(20 * mebibyte);
  proxy.damageAfterUp(12 * mebibyte);
  await put(destination, key, bytes);
  assert(proxy.upBytes > 24 * mebibyte, `${proxy.upBytes} bytes went`);
  assert.equal(sha256(await get(await open(), key)), sha256(bytes));
});

test("an upload whose last answer was lost is found to be done, and not to be in its own way", async () => {
  const direct = await open();
  for (const size of [5, 20 * mebibyte]) {
    await using proxy = await TcpProxy.start(server.endpoint);
    const destination = await open({ endpoint: proxy.endpoint });
    const key = freshKey();
    const writer = await destination.create(key, { sizeBytes: size });
    for (let at = 0; at < size; at += mebibyte) {
      await writer.write(Buffer.alloc(Math.min(mebibyte, size - at), "x"));
    }
    // Answers to parts go on; the one that tells of the object does not.
    proxy.loseAnswersOnce(async () => (await server.keys(bucket, key)).length === 1);
    await writer.commit();
    assert.equal(proxy.cuts, 1);
    assert.equal((await get(direct, key)).byteLength, size);
  }
});

test("a download goes on by Range from where its connection was cut, twice", async () => {
  // Sockets on the way hold some mebibytes.
  const bytes = randomBytes(40 * mebibyte + 17);
  const key = freshKey();
  await put(await open(), key, bytes);
  await using proxy = await TcpProxy.start(server.endpoint);
  const destination = await open({ endpoint: proxy.endpoint });
  const hash = createHash("sha256");
  let read = 0;
  let isCutAgain = false;
  proxy.cutAfterDown(3 * mebibyte);
  for await (const chunk of destination.read(key)) {
    read += chunk.byteLength;
    hash.update(chunk);
    if (isCutAgain || proxy.cuts === 0 || read <= 4 * mebibyte) continue;
    isCutAgain = true;
    proxy.cutAfterDown(mebibyte);
  }
  assert.equal(proxy.cuts, 2);
  assert.equal(proxy.downBytes < 1.5 * bytes.byteLength, true, `${proxy.downBytes} bytes came`);
  assert.equal(hash.digest("hex"), sha256(bytes));
});

test("a download does not go on in an object that was replaced meanwhile", async () => {
  const key = freshKey();
  const direct = await open();
  await put(direct, key, randomBytes(9 * mebibyte));
  await using proxy = await TcpProxy.start(server.endpoint);
  const destination = await open({ endpoint: proxy.endpoint });
  proxy.cutAfterDown(3 * mebibyte);
  const reading = async () => {
    let isReplaced = false;
    for await (const _ of destination.read(key)) {
      if (isReplaced) continue;
      isReplaced = true;
      await direct.writeSmall(key, randomBytes(9 * mebibyte));
    }
  };
  await assert.rejects(reading(), failsAs("HashMismatch", /was replaced while it was read/));
});

test("a server without conditional writes, and one that asks to slow down, are written to", async () => {
  const target = new URL(server.endpoint);
  const refused = { conditions: 0, hurried: 0 };
  // Hands requests on as they are, but for those this server would refuse.
  const strict = createServer((request, response) => {
    const refuse = (status: number, code: string) => {
      request.resume();
      response.writeHead(status, { "content-type": "application/xml" });
      response.end(
        `<?xml version="1.0"?><Error><Code>${code}</Code><Message>No.</Message></Error>`,
      );
    };
    if (request.headers["if-none-match"] !== undefined) {
      refused.conditions++;
      refuse(501, "NotImplemented");
      return;
    }
    if (request.url?.includes("partNumber=2") && refused.hurried++ === 0) {
      refuse(503, "SlowDown");
      return;
    }
    const { method, url: path, headers } = request;
    const { hostname: host, port } = target;
    const onward = forward({ host, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  await once(strict.listen(0, "127.0.0.1"), "listening");
  try {
    const { port } = strict.address() as { port: number };
    const destination = await open({ endpoint: `http://127.0.0.1:${port}` });
    for (const size of [5, 20 * mebibyte]) {
      const key = freshKey();
      const bytes = randomBytes(size);
      await put(destination, key, bytes);
      assert.equal(sha256(await get(await open(), key)), sha256(bytes));
      await assert.rejects(put(destination, key, bytes), { code: "AlreadyExists" });
    }
    assert.equal(refused.conditions, 2);
    assert(refused.hurried >= 2);
    destination.close();
  } finally {
    strict.closeAllConnections();
    strict.close();
  }
});

test("a server that restarts in mid-upload is waited for", async () => {
  const destination = await open();
  const key = freshKey();
  const bytes = randomBytes(30 * mebibyte);
  const writer = await destination.create(key, { sizeBytes: bytes.byteLength });
  await writer.write(bytes.subarray(0, 20 * mebibyte));
  await server.down();
  const rest = writer.write(bytes.subarray(20 * mebibyte)).then(() => writer.commit());
  await server.up();
  await rest;
  assert.equal(sha256(await get(destination, key)), sha256(bytes));
});

test("a storage that is full is told, leaves no parts, and keeps what was there", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("a file system of its own size needs root");
  await using small = await S3Server.start({ roomBytes: 30 * mebibyte });
  await small.createBucket(bucket);
  const destination = await open({ endpoint: small.endpoint });
  const [first, second] = [freshKey(), freshKey()];
  await put(destination, first, Buffer.from("earlier"));
  await assert.rejects(
    put(destination, second, randomBytes(60 * mebibyte)),
    failsAs("DestinationFull", /more room, or keep fewer backups/),
  );
  assert.deepEqual(await small.keys(bucket), [first]);
  assert.deepEqual(await small.uploads(bucket), []);
  await put(destination, second, randomBytes(10 * mebibyte));
  assert.equal(String(await get(destination, first)), "earlier");
});

test("TLS with a CA of one's own works with caFile and is refused without", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-s3-tls-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-keyout", keyFile, "-out", certFile, "-days", "2", "-subj", "/CN=quoin-test"],
      ...["-addext", "subjectAltName=IP:127.0.0.1"],
    ],
    { stdio: "ignore" },
  );
  const ca = readFileSync(certFile, "utf8");
  await using secure = await S3Server.start({ tls: { certFile, keyFile, ca } });
  await secure.createBucket(bucket);
  const key = freshKey();
  const bytes = randomBytes(9 * mebibyte);
  const trusting = await open({ endpoint: secure.endpoint, caFile: certFile });
  await put(trusting, key, bytes);
  assert.equal(sha256(await get(trusting, key)), sha256(bytes));
  await assert.rejects(
    put(await open({ endpoint: secure.endpoint }), freshKey(), bytes),
    failsAs("DestinationUnreachable", /not trusted: put its CA into the Secret of caSecretRef/),
  );
});
