# The TypeScript processes. Targets: worker-ts, and control-plane with the CLI beside it (APP=cli, which needs both).
# Node runs the sources, there is no build step; `turbo prune` leaves only the packages that APP needs.
FROM node:24.21.0-bookworm-slim AS tools
RUN npm install --global --no-audit --no-fund pnpm@12.21.0 turbo@2.11.11
WORKDIR /src

FROM tools AS pruned
ARG APP
COPY . .
RUN TURBO_TELEMETRY_DISABLED=1 turbo prune "@muster/$APP" --docker

FROM tools AS installed
# Manifests first: packages are installed again only when one of these changes.
COPY --from=pruned /src/out/json/ .
RUN pnpm install --prod --frozen-lockfile
COPY --from=pruned /src/out/full/ .

FROM node:24.21.0-bookworm-slim AS runtime
ENV NODE_ENV=production
WORKDIR /app
COPY --from=installed /src /app
USER node

FROM runtime AS worker-ts
ENV MUSTER_HTTP_HOST=0.0.0.0 MUSTER_HTTP_PORT=9464
EXPOSE 9464
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "apps/worker-ts/src/main.ts"]

FROM runtime AS control-plane
# Where a set-up may leave tokens (compose mounts volumes here, which take over the owner).
USER root
RUN install --directory --owner=node --group=node /tokens/admin /tokens/prometheus
USER node
ENV MUSTER_HOST=0.0.0.0 MUSTER_PORT=4600
EXPOSE 4600
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:4600/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["apps/control-plane/start"]
