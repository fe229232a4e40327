# The image of every process of sms-channel-operator: docker run IMAGE COMMAND [flags], in a pod `args: [COMMAND]`.
# docs/image.md says how it is built, checked and kept small. What is in it beside Node:
#
#   /app/smschannel.mjs   the program, started by the entrypoint; its parts lie beside it
#   /app/crds             the kinds, for `smschannel validate`
#   /app/migrations       the database's schema, for `smschannel migrate`
#   /app/sbom.cdx.json    the packages whose code is in the program; /app/licenses.txt their licences
#
# It listens on 8080 (texts) and 9090 (/healthz, /readyz, /metrics), writes no file, and runs as any user. There is no
# HEALTHCHECK: Kubernetes asks the probes itself, and there is no shell that could ask for Docker.

# Where the program is bundled: any Debian or Ubuntu with Node 24 and npm.
ARG BUILD_IMAGE=node:24-bookworm-slim
# What it runs on: any image with Node 24 at /nodejs/bin/node. `minimal`, the stage below, is such an image made of the build
# image's own files, for those who cannot reach the default's registry.
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Secrets are files that only this step sees, in no layer: npmrc for a registry of your own, ca for its certificate authority.
# Install scripts are not needed: they fetch what only tests and the demo use.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca,target=/run/ca.pem \
    if [ -s /run/ca.pem ]; then export NODE_EXTRA_CA_CERTS=/run/ca.pem; fi; \
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
COPY tsconfig.json ./
COPY crds crds
COPY scripts scripts
COPY src src
# One time for all files, so that the same sources give the same layer.
ARG SOURCE_DATE_EPOCH=0
RUN node scripts/bundle.ts && node scripts/sbom.ts && mkdir -p /out && mv dist /out/app && \
    find /out -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${BUILD_IMAGE} AS minimal-files
# Node, the libraries that it is linked with, and certificates where there are any; name look-ups are glibc's own.
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
# glibc gives each thread a heap of its own, and what one has freed no other may use: two are enough. What is large comes from the
# system and goes back to it, instead of leaving holes.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
# By number, so that Kubernetes can tell that it is not root (runAsNonRoot).
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
