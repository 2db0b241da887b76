# syntax=docker/dockerfile:1

# The Debian release of both images must be the same: the binary is bound to the C library it was built with.
FROM rust:1.95-bookworm AS builder
WORKDIR /build

# The dependencies, with an empty crate in place of ours: made again only when they change.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked \
    && rm -r src

# The reference set is a part of the program.
COPY data data
COPY migrations migrations
# The examples that the API shows of itself.
COPY openapi openapi
COPY src src
# cargo goes by file times: without a touch, sources older than the empty crate count as built.
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked \
    && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=development
LABEL org.opencontainers.image.title="explaind" \
      org.opencontainers.image.description="An HTTP server that explains BERT text classifiers" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

# The bundled model is found beside the binary, and so is an explaind.toml that is mounted here.
WORKDIR /opt/explaind
COPY LICENSE-MIT LICENSE-APACHE ./
COPY models/movie-reviews models/movie-reviews
COPY --from=builder /build/target/release/explaind ./
# A volume takes its owner from the directory of the image; there is no shell here to make one.
COPY --from=builder --chown=65532:65532 /data /data

ENV EXPLAIND_DATA_DIR=/data \
    EXPLAIND_LISTEN=0.0.0.0:8080 \
    # Within the container every address must be listened on; who reaches it is decided by the
    # container's network: publish the port on 127.0.0.1, or to a network of your own.
    EXPLAIND_INSECURE=true

# By number, so that orchestrators can tell that it is not root.
USER 65532:65532
VOLUME /data
EXPOSE 8080
# There is no curl here. It asks where EXPLAIND_LISTEN says, so change the address there, not by a flag.
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 \
    CMD ["/opt/explaind/explaind", "health"]
ENTRYPOINT ["/opt/explaind/explaind"]
