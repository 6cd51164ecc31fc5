# Builds the image for several architectures, with a software bill of materials and provenance: docs/image.md.
#
#   docker buildx bake                 for this machine, from the tags of the base images
#   npm run image:release -- TAG …     for a release: checks the digests, then builds and pushes the target release

variable "REPOSITORY" {
  default = "etcd-bulkhead"
}

variable "VERSION" {
  default = "dev"
}

# The commit that the image is built from.
variable "REVISION" {
  default = ""
}

# Seconds since the Unix epoch, of the commit: equal sources give equal images.
variable "SOURCE_DATE_EPOCH" {
  default = "0"
}

# docker-bake.digests.json sets both digests.
variable "BUILD_IMAGE" {
  default = "node:24-bookworm-slim"
}

variable "BUILD_DIGEST" {
  default = ""
}

variable "RUNTIME_IMAGE" {
  default = "gcr.io/distroless/nodejs24-debian12:nonroot"
}

variable "RUNTIME_DIGEST" {
  default = ""
}

group "default" {
  targets = ["image"]
}

target "image" {
  context    = "."
  dockerfile = "Dockerfile"
  tags       = ["${REPOSITORY}:${VERSION}"]
  args = {
    BUILD_IMAGE       = BUILD_DIGEST == "" ? BUILD_IMAGE : "${BUILD_IMAGE}@${BUILD_DIGEST}"
    RUNTIME_IMAGE     = RUNTIME_DIGEST == "" ? RUNTIME_IMAGE : "${RUNTIME_IMAGE}@${RUNTIME_DIGEST}"
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
  }
  labels = {
    "org.opencontainers.image.title"       = "etcd-bulkhead"
    "org.opencontainers.image.description" = "A proxy for the etcd v3 API that gives each tenant its own namespace"
    "org.opencontainers.image.licenses"    = "Apache-2.0"
    "org.opencontainers.image.version"     = VERSION
    "org.opencontainers.image.revision"    = REVISION
  }
}

target "release" {
  inherits  = ["image"]
  platforms = ["linux/amd64", "linux/arm64"]
  attest = [
    "type=provenance,mode=max",
    "type=sbom",
  ]
  output = ["type=registry,rewrite-timestamp=true"]
}
