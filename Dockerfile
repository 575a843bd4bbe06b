# The image: one static binary, Debian's CA certificates, user 65532, nothing else; no shell.
#   docker build -t holdfast .      (or: podman build, buildah bud)
FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Static on the gnu target: glibc reads /etc/hosts and asks the DNS itself, without the shared NSS modules that are not there.
RUN RUSTFLAGS="-C target-feature=+crt-static" \
      cargo build --release --locked --bin holdfast --target "$(uname -m)-unknown-linux-gnu" \
 && mkdir -p /image/etc/ssl/certs /image/usr/bin \
 && strip -o /image/usr/bin/holdfast "target/$(uname -m)-unknown-linux-gnu/release/holdfast" \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && printf 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n' > /image/etc/passwd \
 && printf 'hosts: files dns\n' > /image/etc/nsswitch.conf

FROM scratch AS image
COPY --from=build /image/ /
USER 65532:65532
EXPOSE 9092 9100-9109 9901
ENTRYPOINT ["/usr/bin/holdfast"]
CMD ["--help"]
