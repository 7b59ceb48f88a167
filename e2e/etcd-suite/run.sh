#!/usr/bin/env bash
# run.sh: etcd's own common test suite against Quoin, in the rows of docs/compatibility.md.
#
#   --rows server,tools,all   server: our etcd, real etcdctl and etcdutl; tools: the other way round;
#                             all: ours only; real: real only, the yardstick (not in the default)
#   --tests REGEXP            only tests whose name matches
#   --shard I/N               only every N-th test, from the I-th on
#   --jobs N                  tests at the same time (as root: each has a network of its own)
#   --bin FOLDER              take etcd, etcdctl and etcdutl from there instead of the bundle of this checkout
#   --write                   write the table of docs/compatibility.md from all results kept
#
# Results and each test's whole output are kept in .out/etcd-suite.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "$here/../../node_modules/.bin/node" "$here/cli.ts" "$@"
