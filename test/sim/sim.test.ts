import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runSeed } from "./l1/run.ts";
import { runMembers } from "./l2/run.ts";
import { failureReport } from "./report.ts";
import {
  freshMemberSeeds,
  freshSeeds,
  huntMutant,
  huntServerMutant,
  memberRegressionSeeds,
  mutantNames,
  regressionSeeds,
  serverMutantNames,
} from "./suite.ts";

/** Real time for fresh seeds, CI gives 60; of it Raft alone gets 60 %, full members 40 %. */
const totalSeconds = Number(process.env["SIM_SECONDS"] ?? (process.env["CI"] === "true" ? 60 : 10));
const seconds = totalSeconds * 0.6;
const memberSeconds = totalSeconds * 0.4;

describe("simulated raft clusters", () => {
  test("keep every rule with all regression seeds", () => {
    for (const seed of regressionSeeds()) {
      const o = runSeed(seed);
      assert.ok(o.ok, o.ok ? "" : failureReport(o));
    }
  });

  test("do exactly the same when a seed runs twice", () => {
    for (let i = 0; i < 10; i++) {
      const first = runSeed(`twice/${i}`);
      const second = runSeed(`twice/${i}`);
      assert.equal(second.traceHash, first.traceHash, `seed twice/${i} is not deterministic`);
      assert.equal(second.events, first.events);
    }
  });

  test(`keep every rule with fresh seeds for ${seconds} s`, (t) => {
    const base = Number(process.env["SIM_SEED"] ?? Date.now());
    const tally = freshSeeds(base, seconds * 1000);
    assert.ok(!tally.failure, tally.failure && failureReport(tally.failure));
    t.diagnostic(
      `${tally.seeds} seeds from ${base}: ${tally.events} events, ${tally.elections} elections, ${tally.writes} writes, ${tally.reads} reads`,
    );
    assert.ok(tally.elections > 0 && tally.writes > 0 && tally.reads > 0, "nothing happened");
  });
});

describe("simulated full members", () => {
  test("keep every rule with all regression seeds", async () => {
    for (const seed of memberRegressionSeeds()) {
      const o = await runMembers(seed);
      assert.ok(o.ok, o.ok ? "" : failureReport(o));
    }
  });

  test("do exactly the same when a seed runs twice", async () => {
    for (let i = 0; i < 2; i++) {
      const first = await runMembers(`twice/${i}`);
      const second = await runMembers(`twice/${i}`);
      assert.equal(second.traceHash, first.traceHash, `seed twice/${i} is not deterministic`);
      assert.equal(second.events, first.events);
    }
  });

  test(`keep every rule with fresh seeds for ${memberSeconds} s`, async (t) => {
    const base = Number(process.env["SIM_SEED"] ?? Date.now());
    const tally = await freshMemberSeeds(base, memberSeconds * 1000);
    assert.ok(!tally.failure, tally.failure && failureReport(tally.failure));
    t.diagnostic(
      `${tally.seeds} seeds from ${base}: ${tally.events} events, ${tally.elections} elections, ${tally.writes} writes, ${tally.reads} reads`,
    );
    assert.ok(tally.elections > 0 && tally.writes > 0 && tally.reads > 0, "nothing happened");
  });
});

describe("the checkers of full members", () => {
  for (const name of serverMutantNames()) {
    test(`kill the mutant ${name}`, async () => {
      const o = await huntServerMutant(name, 60);
      assert.ok(o !== undefined, `${name} survived 60 seeds`);
    });
  }
});

describe("the checkers", () => {
  for (const name of mutantNames()) {
    test(`kill the mutant ${name}`, async () => {
      const o = await huntMutant(name, 400);
      assert.ok(o !== undefined, `${name} survived 400 seeds`);
    });
  }
});
