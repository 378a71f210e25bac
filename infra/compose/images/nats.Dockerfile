# NATS with a folder that somebody else than root may write; alpine, whose wget asks for its health.
FROM nats:2.15.2-alpine
RUN mkdir /data && chown 65532:65532 /data
USER 65532:65532
VOLUME /data
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
  CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8222/healthz"]
ENTRYPOINT ["nats-server"]
CMD ["--config", "/etc/nats/nats.conf", "--store_dir", "/data", "--http_port", "8222"]
