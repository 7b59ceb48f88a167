# The one image: server, operator, etcdctl and etcdutl. It runs as user 65532, on a read-only root
# file system, and has no shell.
#
#   docker build -t quoin .
#   docker buildx build --platform linux/amd64,linux/arm64 ...   (nothing is emulated: no RUN below
#                                                                 executes the target's programs)
#
# Where packages come through a mirror or a CA of your own, give the build the two files it then
# needs; neither ends up in the image:
#
#   docker build --secret id=npmrc,src=$HOME/.npmrc --secret id=ca,src=/path/to/ca.crt ...

FROM --platform=$BUILDPLATFORM node:24-bookworm-slim AS build
ARG TARGETARCH
WORKDIR /build

# The engine's library wants libatomic, which the runtime image lacks.
RUN set -eu; \
    case $TARGETARCH in \
      amd64) triple=x86_64-linux-gnu ;; \
      arm64) triple=aarch64-linux-gnu ;; \
      *) echo "no build for $TARGETARCH" >&2; exit 1 ;; \
    esac; \
    if [ ! -e /usr/lib/$triple/libatomic.so.1 ]; then \
      dpkg --add-architecture $TARGETARCH; \
      apt-get update -q; \
      cd /tmp; \
      apt-get download libatomic1:$TARGETARCH; \
      dpkg-deb -x libatomic1_*.deb /; \
    fi; \
    mkdir -p /out/lib; \
    cp -L /usr/lib/$triple/libatomic.so.1 /out/lib/

# What cannot be bundled, for the target: its Node and the addons, without other platforms' builds.
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm \
    --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca \
    set -eu; \
    if [ -e /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    cpu=$TARGETARCH; if [ $cpu = amd64 ]; then cpu=x64; fi; \
    mkdir /quoin; \
    cp package.json package-lock.json .npmrc /quoin/; \
    cd /quoin; \
    npm pkg delete devDependencies scripts; \
    for name in $(node -p 'Object.keys(require("./package.json").dependencies).join(" ")'); do \
      case $name in rocksdb-native | @node-rs/*) ;; *) npm pkg delete "dependencies.$name" ;; esac; \
    done; \
    npm install --os=linux --cpu=$cpu --libc=glibc; \
    mv node_modules/node-linux-$cpu/bin/node /out/node; \
    mv node_modules/node-linux-$cpu/LICENSE /out/node.LICENSE; \
    rm -r node_modules/node-linux-$cpu node_modules/.bin package-lock.json .npmrc; \
    find node_modules -path '*/prebuilds/*' -prune -type d ! -name linux-$cpu -exec rm -r {} +; \
    find node_modules -type f \( -name '*.d.ts' -o -name '*.map' -o -name '*.bare' -o -name '*.md' \
      -o -name '*.cc' \) -delete

# The rest, with our own code, as a few files: a third of the time to start that a thousand small
# ones take. (Types are checked by the tests, not here.)
RUN --mount=type=cache,target=/root/.npm \
    --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca \
    set -eu; \
    if [ -e /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm ci; \
    npm ls --omit=dev --all --parseable | tail -n +2 | while read -r folder; do \
      mkdir -p "/quoin/licenses/${folder#*/node_modules/}"; \
      find "$folder" -maxdepth 1 -iname 'licen[cs]e*' -exec cp {} "/quoin/licenses/${folder#*/node_modules/}/" \; ; \
    done
COPY tsconfig.json ./
COPY src src
RUN set -eu; \
    npm run bundle -- --outdir=/quoin/dist/bin; \
    cd /quoin; \
    if [ $TARGETARCH != "$(dpkg --print-architecture)" ]; then rm dist/bin/etcdctl-program.cache; fi; \
    for main in quoin.js etcdctl.cjs; do \
      { echo '#!/usr/local/bin/node'; cat dist/bin/$main; } >main; \
      mv main dist/bin/$main; \
      chmod 755 dist/bin/$main; \
    done; \
    mkdir /out/bin; \
    for name in quoin etcd etcdutl; do ln -s /quoin/dist/bin/quoin.js /out/bin/$name; done; \
    ln -s /quoin/dist/bin/etcdctl.cjs /out/bin/etcdctl

# Each program once, as the user that will run it: V8's compiled code is kept for faster starts.
# (Another platform's Node cannot be run here; there it starts without.)
ENV NODE_COMPILE_CACHE=/quoin/cache
RUN set -eu; \
    install -d -o 65532 /quoin/cache; \
    if [ $TARGETARCH = "$(dpkg --print-architecture)" ]; then \
      for program in "server --version" "ctl version" "util version" "backup --help" "operator --help"; do \
        setpriv --reuid=65532 --regid=65532 --clear-groups \
          env -u NODE_EXTRA_CA_CERTS /out/node /quoin/dist/bin/quoin.js $program >/dev/null; \
      done; \
      setpriv --reuid=65532 --regid=65532 --clear-groups /out/node /quoin/dist/bin/quoin.js \
        ctl get nobody-listens --endpoints=127.0.0.1:1 --command-timeout=1ms 2>/dev/null || true; \
    fi

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/lib/ /usr/lib/
COPY --from=build /out/node /usr/local/bin/node
COPY --from=build /out/node.LICENSE /usr/local/share/licenses/node
COPY --from=build /quoin/node_modules /quoin/node_modules
COPY --from=build /quoin/package.json /quoin/package.json
COPY --from=build /quoin/licenses /quoin/licenses
COPY --from=build /quoin/dist /quoin/dist
COPY --from=build /quoin/cache /quoin/cache
COPY --from=build /out/bin/ /usr/local/bin/
COPY LICENSE /quoin/LICENSE
# As in bin/quoin: fsync must not wait behind a busy engine.
ENV UV_THREADPOOL_SIZE=16 NODE_COMPILE_CACHE=/quoin/cache
USER 65532:65532
EXPOSE 2379 2380 2381
ENTRYPOINT ["/usr/local/bin/quoin"]
