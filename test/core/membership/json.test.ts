import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeContext,
  decodeMember,
  decodeMembers,
  encodeMemberContext,
  encodePromoteContext,
  type Member,
  memberJson,
  membersJson,
} from "../../../src/core/membership/index.ts";
import { memberId } from "../../../src/core/types.ts";

const bytes = (text: string) => Buffer.from(text);
const big: Member = {
  id: memberId(0xfedcba9876543210n),
  name: "ä & b",
  peerURLs: ["http://a:1", "http://b:1?x=1&y=<2>"],
  clientURLs: ["http://c:1"],
  isLearner: true,
};

test("memberJson() writes as Go's encoding/json: order, escapes, 64-bit ids", () => {
  assert.equal(
    memberJson(big),
    '{"id":18364758544493064720,"peerURLs":["http://a:1","http://b:1?x=1\\u0026y=\\u003c2\\u003e"],"isLearner":true,"name":"ä \\u0026 b","clientURLs":["http://c:1"]}',
  );
  const bare = { ...big, name: "", clientURLs: [], isLearner: false, peerURLs: [] };
  assert.equal(memberJson(bare), '{"id":18364758544493064720,"peerURLs":[]}');
  assert.equal(membersJson([]), "[]\n");
});

test("decodeMember() reads back what memberJson() wrote, ids to the last bit", () => {
  assert.deepEqual(decodeMember(encodeMemberContext(big)), big);
  assert.deepEqual(decodeMembers(bytes(membersJson([big, big]))), [big, big]);
});

test("decodeContext() reads etcd's contexts: additions, promotions, unknown and missing fields", () => {
  const added =
    '{"id":7,"peerURLs":["http://a:1"],"name":"n","isPromote":false,"later":{"id":"x"}}';
  assert.deepEqual(decodeContext(bytes(added)), {
    member: { id: 7n, name: "n", peerURLs: ["http://a:1"], clientURLs: [], isLearner: false },
    isPromote: false,
  });
  const promoted = decodeContext(encodePromoteContext(memberId(7n)));
  assert.equal(promoted?.isPromote, true);
  assert.equal(promoted?.member.id, 7n);
  assert.deepEqual(promoted?.member.peerURLs, []);
});

test("decodeMember() refuses what is no member", () => {
  for (const text of [
    "",
    "[]",
    "null",
    "1",
    '{"id":"x"}',
    '{"id":-1}',
    '{"id":1,"peerURLs":[1]}',
  ]) {
    assert.equal(decodeMember(bytes(text)), undefined, text);
  }
  assert.equal(decodeMembers(bytes('[{"id":1},7]')), undefined);
});
