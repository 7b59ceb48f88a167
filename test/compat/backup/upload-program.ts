// Uploads bytes to an S3 server and tells of it, in a process of its own: for its memory, and to be killed.
// ENDPOINT, BUCKET, KEY, MEBIBYTES; with HOLD=1 it waits before it commits.

import { createHash } from "node:crypto";
import { openDestination } from "../../../src/backup/destination.ts";

const given = (name: string): string => process.env[name] ?? "";
const mebibyte = 1 << 20;

/** A mebibyte that no other has. */
function piece(n: number): Buffer {
  const bytes = Buffer.alloc(mebibyte, createHash("sha512").update(String(n)).digest());
  bytes.writeUInt32BE(n);
  return bytes;
}

const destination = await openDestination({
  kind: "s3",
  bucket: given("BUCKET"),
  endpoint: given("ENDPOINT"),
});
// The SDK is loaded and has a connection: what is needed from here on is the upload's.
await destination.writeSmall("warm-up", Buffer.from("x"));
const baseBytes = process.memoryUsage.rss();
const count = Number(given("MEBIBYTES"));
const writer = await destination.create(given("KEY"), { sizeBytes: count * mebibyte });
const hash = createHash("sha256");
for (let n = 0; n < count; n++) {
  const bytes = piece(n);
  hash.update(bytes);
  await writer.write(bytes);
}
if (given("HOLD") !== "") {
  process.stdout.write("written\n");
  await new Promise((resolve) => setTimeout(resolve, 600_000));
}
await writer.commit();
const grownBytes = process.resourceUsage().maxRSS * 1024 - baseBytes;
process.stdout.write(JSON.stringify({ sha256: hash.digest("hex"), grownBytes }));
destination.close();
