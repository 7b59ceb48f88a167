#!/usr/bin/env bash
# build.sh NAME...: builds the Go programs of e2e/tools/NAME and prints the folder that holds them,
# one line per name. Progress goes to stderr.
#
#   etcd        etcd, etcdctl, etcdutl
#   k8s         kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy, kubectl
#   k8s-oldest  kube-apiserver of the oldest Kubernetes that is supported
#   coredns     coredns
#   helm        helm
#   clientv3    clientv3, etcd's Go client going through what programs rely on
#   h2spec      h2spec, conformance tests of HTTP/2
#   cert-manager  cert-manager, its controllers for issuers SelfSigned and CA
#   versitygw   versitygw, an S3 server on a folder
#   containerd  containerd, containerd-shim-runc-v2, ctr (only where the distribution has none)
#   etcd-suite  common/common.test, etcd's tests for any etcd and etcdctl, and their fixtures
#
# Any other folder here with a go.mod works too: its `tool` lines are built and, if it holds Go
# files, its own program under the folder's name. A file `tests` names test packages to compile
# instead, one a line: PACKAGE FILE [TAGS]; deadlines.sed goes over their module. What was built is
# kept outside the checkout under a key made from all files of that folder, so only a new machine or
# a new version pays for it.
# Two callers may run at once: the second waits for the first.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/quoin/tools

say() { printf 'tools: %s\n' "$*" >&2; }

# Writes "NAME: still building" every 15 s until it is killed.
report_progress() {
  local started=$SECONDS
  while sleep 15; do say "$1: building for $((SECONDS - started)) s"; done
}

linker_flags() {
  local flags="-s -w"
  if [[ $1 = k8s* ]]; then
    # Without these every program calls itself v0.0.0-master+$Format:%H$, which charts refuse.
    local version package
    version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
      flags+=" -X $package.gitVersion=$version -X $package.gitTreeState=clean"
      flags+=" -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<<"$version")"
    done
  fi
  printf '%s' "$flags"
}

# Writes $1/go.mod, which has a copy of the package's module in the module's place, its deadlines
# changed. (Go lets no -overlay replace what is in its module cache.) Fails where one of the lines
# changes nothing.
change_deadlines() {
  local folder=$1 package=$2 tags=$3 path source line
  path=$(go list -tags "$tags" -f '{{.Module.Path}}' "$package") &&
    source=$(go list -tags "$tags" -f '{{.Module.Dir}}' "$package") &&
    cp -rT --no-preserve=mode "$source" "$folder/module" &&
    cp go.mod go.sum "$folder/" &&
    go mod edit -replace "$path=$folder/module" "$folder/go.mod" || return 1
  while read -r line; do
    [ -n "$(find "$source" -name '*.go' -exec sed -E -n "${line}p" {} +)" ] && continue
    say "no line of $path is changed by this one of deadlines.sed: $line"
    return 1
  done < <(grep -v '^#' deadlines.sed)
  find "$folder/module" -name '*.go' -exec sed -E -i -f deadlines.sed {} +
}

# A test program finds its fixtures beside the folder that it runs in, as in its module. (What fails is
# returned by hand: bash's errexit sleeps where a function's status is asked for.)
compile_tests() {
  local out=$1 package file tags changed
  while read -r package file tags; do
    mkdir -p "$out/$(dirname "$file")"
    changed=$out/changed
    mkdir "$changed"
    change_deadlines "$changed" "$package" "$tags" || return 1
    CGO_ENABLED=0 GOFLAGS="-buildvcs=false" nice -n 10 go test -c -modfile "$changed/go.mod" \
      -tags "$tags" -ldflags "-s -w" -o "$out/$file" "$package" >&2 || return 1
    if [ -d "$changed/module/fixtures" ]; then cp -rT "$changed/module/fixtures" "$out/fixtures"; fi
    rm -r "$changed"
  done < <(grep -v '^#' tests)
}

# Runs in the folder of the tool; $2 is where the programs go.
compile() {
  local name=$1 out=$2
  if [ -f tests ]; then
    compile_tests "$out"
    return
  fi
  local what=()
  if grep -q '^tool' go.mod; then what+=(tool); fi
  if compgen -G '*.go' >/dev/null; then what+=(.); fi
  # A "." that stands alone would be named after the module's last element, which is the folder.
  CGO_ENABLED=0 GOFLAGS="-buildvcs=false" nice -n 10 \
    go build -ldflags "$(linker_flags "$name")" -o "$out/" "${what[@]}" >&2
  # etcd's main package is called server/v3, hence its program "server".
  if [ -e "$out/server" ]; then mv "$out/server" "$out/etcd"; fi
}

build() {
  local name=$1 key folder started=$SECONDS
  [ -f "$here/$name/go.mod" ] || { say "no such tool: $name"; return 2; }
  cd "$here/$name"
  key=$(find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16)
  folder=$cache/$name-$key
  if [ ! -d "$folder" ]; then
    command -v go >/dev/null || { say "$name needs Go (https://go.dev/dl); none in PATH"; return 3; }
    mkdir -p "$cache"
    exec 9>"$cache/$name-$key.lock"
    if ! flock -n 9; then
      say "$name: another build is at it, waiting"
      flock 9
    fi
    if [ ! -d "$folder" ]; then
      rm -rf "$folder.part"
      mkdir "$folder.part"
      say "$name: building (a new machine needs minutes for it; kept in $folder)"
      report_progress "$name" 9>&- &
      local reporter=$!
      local status=0
      compile "$name" "$folder.part" 9>&- || status=$?
      kill "$reporter" 2>/dev/null || true
      wait "$reporter" 2>/dev/null || true
      if [ "$status" != 0 ]; then
        say "$name: go build failed after $((SECONDS - started)) s"
        return 1
      fi
      mv -T "$folder.part" "$folder"
      say "$name: built in $((SECONDS - started)) s"
    fi
    exec 9>&-
  fi
  printf '%s\n' "$folder"
}

[ $# -gt 0 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
for name in "$@"; do build "$name"; done
