#!/usr/bin/env bash
# make.sh [TOOL...]: makes the snapshots of this folder anew with real etcds (all, or those of
# e2e/tools named: etcd34 etcd35 etcd36 etcd). Needs Go and jq. Each run draws new ids and leases.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../../.. && pwd)
client=http://127.0.0.1:24379 peer=http://127.0.0.1:24380

scratch=$(mktemp -d)
pid=
cleanup() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap cleanup EXIT

ctl() { "$tools/etcdctl" --endpoints=$client "$@"; }

# Overwritten, deleted and made again, in transactions, binary, empty, large; two leases; a
# compaction in the middle and tombstones on both sides of it; users and roles (auth stays off).
fill() {
  local i
  for i in $(seq 60); do ctl put "key$((i % 37))" "value $i"; done
  ctl del key1; ctl del key5 key9; ctl put key5 again; ctl put key5 'and again'
  ctl put $'bin\x01\xff\xfe' $'\x02\xfd\n'; ctl put empty ''
  ctl put large "$(head -c 6000 /dev/zero | tr '\0' L)"
  ctl txn <<<$'\nput txn/a 1\nput txn/b 2\ndel key7\nput txn/c 3\n\n'
  for i in 3000 7000; do
    lease=$(ctl lease grant $i | cut -d' ' -f2)
    ctl put "leased/$i/a" x --lease="$lease"; ctl put "leased/$i/b" y --lease="$lease"
  done
  ctl role add reader; ctl role grant-permission reader read key --prefix=true
  ctl user add someone:secret; ctl user grant-role someone reader
  ctl compact 50
  for i in $(seq 10); do ctl put "after$i" "$i"; done
  ctl del after3; ctl del large; ctl put key36 last
}

# Rows as JSON. Leases go beyond what jq keeps exact, so they become text.
rows() { ctl get '' --prefix "$@" -w json | sed -E 's/"lease":([0-9]+)/"lease":"\1"/g'; }

# What the snapshot must hold, as that etcd says it.
truth() {
  local revision lease
  revision=$(ctl get x -w json | jq .header.revision)
  rows | jq '{all: {count, kvs}}'
  for i in 50 64 70 75; do
    rows --rev=$i | jq "{history: {\"$i\": {count, kvs}}}"
  done
  ctl endpoint hashkv -w json | jq ".[0].HashKV | {hash, compactRevision: .compact_revision}"
  for lease in $(ctl lease list | tail -n +2); do
    ctl lease timetolive "$lease" --keys -w json |
      jq "{leases: {\"$lease\": {grantedTtl: .[\"granted-ttl\"], keys: ((.keys // []) | sort)}}}"
  done
  if [ -x "$tools/etcdutl" ]; then "$tools/etcdutl" snapshot status "$1" -w json
  else ctl snapshot status "$1" -w json; fi | jq '{status: .}'
  "$tools/etcd" --version | sed -n 's/^etcd Version: //p' | jq -R '{version: .}'
  jq -n "{revision: $revision}"
}

make() {
  local name=$1 minor
  tools=$(bash "$root/e2e/tools/build.sh" "$name")
  minor=$("$tools/etcd" --version | sed -n 's/^etcd Version: \(3\.[0-9]*\).*/\1/p')
  "$tools/etcd" --name=old --data-dir="$scratch/$name" --listen-client-urls=$client \
    --advertise-client-urls=$client --listen-peer-urls=$peer --initial-advertise-peer-urls=$peer \
    --initial-cluster=old=$peer >"$scratch/$name.log" 2>&1 &
  pid=$!
  until ctl endpoint health >/dev/null 2>&1; do kill -0 "$pid"; done
  fill >/dev/null
  ctl snapshot save "$scratch/$name.db" >/dev/null 2>&1
  truth "$scratch/$name.db" | jq -sc 'reduce .[] as $part ({}; . * $part)' >"etcd-$minor.json"
  gzip -9nc "$scratch/$name.db" >"etcd-$minor.db.gz"
  kill "$pid"; wait "$pid" || true
  pid=
  ls -l "etcd-$minor".*
}

[ $# -gt 0 ] || set -- etcd34 etcd35 etcd36 etcd
for name in "$@"; do make "$name"; done
