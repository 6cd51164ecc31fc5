# The sidecar image: the compiled program, its production dependencies and Node, without a shell or a package manager.
# Pin both base images by digest in release builds.

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Without install scripts: the only dependency that has one is the Node for development.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM gcr.io/distroless/nodejs24-debian12:nonroot
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
