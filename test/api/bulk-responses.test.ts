import assert from "node:assert/strict";
import { test } from "node:test";
import { BulkResponses } from "../../src/api/v3/bulk-responses.ts";
import type { LeaseId, Revision, WatchId } from "../../src/core/types.ts";
import { rpcpb } from "../../src/proto/index.ts";

const headerAt = (revision: number, raftTerm = 3): rpcpb.ResponseHeader =>
  rpcpb.newResponseHeader({
    clusterId: 0xcdf818194e3a8c32n as never,
    memberId: 0x8e9e05c52164694dn as never,
    revision: revision as Revision,
    raftTerm: raftTerm as never,
  });

const headers = [headerAt(1), headerAt(1), headerAt(2 ** 40), headerAt(2 ** 40, 4), headerAt(0)];

test("events of a watcher are encoded as the generated codec does", () => {
  const bulk = new BulkResponses();
  const events = [Uint8Array.of(0x12, 0), new Uint8Array(300).fill(7), new Uint8Array(70_000)];
  for (const header of headers) {
    for (const watchId of [0, 1, 127, 128, 2 ** 31, 2 ** 33]) {
      for (const some of [events.slice(0, 1), events]) {
        const record = {
          watchId,
          revision: header.revision,
          created: false,
          canceled: false,
          compactRevision: 0,
          cancelReason: "",
          fragment: false,
          events: some,
        };
        const answer = { ...record, header, watchId: watchId as WatchId };
        const expected = rpcpb.encodeEncodedWatchResponse({
          ...answer,
          compactRevision: 0 as Revision,
        });
        assert.deepEqual(bulk.watchEvents(header, record), expected);
      }
    }
  }
});

test("renewals are encoded as the generated codec does, those of no lease too", () => {
  const bulk = new BulkResponses();
  for (const header of headers) {
    for (const id of [0n, 1n, 127n, 128n, 2n ** 53n, 2n ** 62n + 1n, -1n] as LeaseId[]) {
      for (const ttl of [0, 1, 600, 9_000_000_000]) {
        const expected = rpcpb.encodeLeaseKeepAliveResponse({ header, id, ttl });
        assert.deepEqual(bulk.keepAlive(header, id, ttl), expected);
      }
    }
  }
});
