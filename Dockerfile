# One image for every process of sms-channel-operator. Run it with `docker run IMAGE COMMAND [flags]`, or in a pod with
# `args: [COMMAND]`. docs/image.md says how it is built, checked and kept small. Beside Node it contains:
#
#   /app/smschannel.mjs   the program, which the entrypoint starts; its other files lie beside it
#   /app/crds             the kinds, for `smschannel validate`
#   /app/migrations       the database's schema, for `smschannel migrate`
#   /app/sbom.cdx.json    the packages whose code is in the program; /app/licenses.txt their licences
#
# The program listens on 8080 (texts) and 9090 (/healthz, /readyz, /metrics), writes no file, and runs as any user. There is no
# HEALTHCHECK: Kubernetes sends its probes itself, and the image has no shell or curl with which Docker could send one.

# The image in which the program is bundled: any Debian or Ubuntu with Node 24 and npm.
ARG BUILD_IMAGE=node:24-bookworm-slim
# The image that the program runs on: any image with Node 24 at /nodejs/bin/node. The stage `minimal` below makes such an image from
# the build image's own files, for builds that cannot reach the registry of the default.
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Build secrets are files that only this step sees and that are in no layer: `npmrc` for a registry of your own, `ca` for its
# certificate authority. Install scripts are not run: they fetch files that only tests and the demo use.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca,target=/run/ca.pem \
    if [ -s /run/ca.pem ]; then export NODE_EXTRA_CA_CERTS=/run/ca.pem; fi; \
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
COPY tsconfig.json ./
COPY crds crds
COPY scripts scripts
COPY src src
# All files get the same time, so that the same sources give the same layer.
ARG SOURCE_DATE_EPOCH=0
RUN node scripts/bundle.ts && node scripts/sbom.ts && mkdir -p /out && mv dist /out/app && \
    find /out -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${BUILD_IMAGE} AS minimal-files
# Copies Node, the libraries that it is linked with, and certificates if the build image has any. glibc itself looks up host names.
RUN node="$(readlink -f "$(command -v node)")" && mkdir -p /out/nodejs/bin /out/etc /out/tmp && chmod 1777 /out/tmp && \
    cp "$node" /out/nodejs/bin/node && \
    for library in $(ldd "$node" | grep -o '/[^ ]*'); do cp --dereference --parents "$library" /out; done && \
    if [ -d /etc/ssl/certs ]; then cp --dereference --parents /etc/ssl/certs/ca-certificates.crt /out; fi && \
    echo 'root:x:0:0:root:/root:/sbin/nologin' > /out/etc/passwd && \
    echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >> /out/etc/passwd && \
    echo 'hosts: files dns' > /out/etc/nsswitch.conf
FROM scratch AS minimal
COPY --from=minimal-files /out/ /

FROM ${RUNTIME_IMAGE}
COPY --from=build /out/ /
ENV NODE_ENV=production
# glibc would give each thread a heap of its own, and memory that is freed in one heap cannot be used by another. Two heaps are enough.
# Large blocks come from the system and go back to it, instead of leaving holes in a heap.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
# The user is a number, so that Kubernetes can check that it is not root (runAsNonRoot).
USER 65532:65532
ENTRYPOINT ["/nodejs/bin/node", "/app/smschannel.mjs"]
CMD ["--help"]
ARG VERSION=development
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sms-channel-operator" \
      org.opencontainers.image.description="A contact centre's SMS channel as Kubernetes resources" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
