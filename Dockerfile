# The image: the compiled program, its production dependencies and Node, without a shell or a package manager. It is built for
# several architectures by docker-bake.hcl, which pins both base images by the digests of docker-bake.digests.json
# (docs/image.md). `docker build .` builds it for this machine, from the tags.

ARG BUILD_IMAGE=node:24-bookworm-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian12:nonroot

# On the architecture of the machine that builds: the result has no machine code of its own.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Without install scripts: the only dependency that has one is the Node for development.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM ${RUNTIME_IMAGE}
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY proto ./proto
ENV NODE_ENV=production
# The threads of Node share one arena of the allocator, which keeps less memory: docs/adr/0014.
ENV MALLOC_ARENA_MAX=1
# 65532 is the `nonroot` user of the image. It is numeric so that Kubernetes can verify that it is not root.
USER 65532:65532
EXPOSE 2379 2381
# The Node flags and their effect are described in docs/performance.md. The size of the young generation is a variable, which
# a container can override; a flag of the command line would override the variable of the container.
ENV NODE_OPTIONS=--max-semi-space-size=8
ENTRYPOINT ["/nodejs/bin/node", "--single-threaded-gc", "--no-maglev", "/app/dist/main.js"]
