import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decideClusterVersion,
  haveVersion,
  isCompatibleWithCluster,
  parseTargetVersion,
  parseVersion,
} from "../../../src/core/membership/index.ts";

test("parseVersion() takes three numbers and ignores a tail", () => {
  assert.deepEqual(parseVersion("3.7.3"), { major: 3, minor: 7, patch: 3 });
  assert.deepEqual(parseVersion("3.8.0-alpha.0"), { major: 3, minor: 8, patch: 0 });
  for (const bad of ["", "3.7", "3.7.x", "v3.7.0", "not_decided"]) {
    assert.equal(parseVersion(bad), undefined, bad);
  }
});

test("decideClusterVersion() goes to the lowest member's minor, upwards only", () => {
  assert.equal(decideClusterVersion(undefined, [undefined, "3.7.3"]), "3.0.0");
  assert.equal(decideClusterVersion(undefined, ["3.7.3", "3.7.1"]), "3.7.0");
  assert.equal(decideClusterVersion("3.0.0", ["3.7.3", "3.6.9", "3.7.0"]), "3.6.0");
  assert.equal(decideClusterVersion("3.0.0", ["3.7.3", undefined]), undefined);
  assert.equal(decideClusterVersion("3.7.0", ["3.7.3", "3.7.3"]), undefined);
  assert.equal(decideClusterVersion("3.7.0", ["3.6.0", "3.7.3"]), undefined);
});

test("decideClusterVersion() goes down one minor while a downgrade job runs", () => {
  const job = { enabled: true, targetVersion: "3.6.0" };
  assert.equal(decideClusterVersion("3.7.0", ["3.7.3", "3.7.1"], job), "3.6.0");
  assert.equal(decideClusterVersion("3.8.0", ["3.8.0"], job), undefined);
  assert.equal(decideClusterVersion("3.7.0", ["3.7.3", undefined], job), undefined);
  assert.equal(haveVersion("3.6.0", ["3.6.1", "3.6.16"]), true);
  assert.equal(haveVersion("3.6.0", ["3.6.1", "3.7.3"]), false);
  assert.equal(haveVersion("3.6.0", [undefined]), false);
});

test("parseTargetVersion() takes two or three numbers", () => {
  assert.equal(parseTargetVersion("3.6"), "3.6.0");
  assert.equal(parseTargetVersion("3.6.9"), "3.6.0");
  for (const bad of ["", "3", "x.y", "3.6.1.2"]) assert.equal(parseTargetVersion(bad), undefined);
});

test("isCompatibleWithCluster() wants one known version and none out of range", () => {
  assert.equal(isCompatibleWithCluster(["3.7.0", undefined, "not_decided"]), true);
  assert.equal(isCompatibleWithCluster(["3.0.0"]), true);
  assert.equal(isCompatibleWithCluster(["3.8.0", "3.7.0"]), false);
  assert.equal(isCompatibleWithCluster(["2.3.0"]), false);
  assert.equal(isCompatibleWithCluster([undefined]), false);
});
