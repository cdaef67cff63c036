# syntax=docker/dockerfile:1
# The image agent-vault: the program, to be copied into other images. In a clone of agent-vault:
#   docker build -f examples/docker/program.Dockerfile -t agent-vault .
FROM rust:1.89-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked

FROM scratch
COPY --from=build /source/target/release/agent-vault /agent-vault
