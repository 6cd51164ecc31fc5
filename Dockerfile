# The image of the sidecar: the compiled program, its production dependencies and Node, and neither shell nor package
# manager. Pin both base images by digest where images are released.

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Without install scripts: the one dependency that has one is a Node for development.
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
# 65532 is the image's own `nonroot`; as a number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 2379 2381
# What the collector and the compiler are told, and what it saves: docs/performance.md.
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=8", "--single-threaded-gc", "--no-maglev", "/app/dist/main.js"]
