# The Python worker: two wheels and what they require, pinned by hash, in a virtual environment.
FROM python:3.11.14-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1
RUN uv venv --python /usr/local/bin/python3 /venv
ENV VIRTUAL_ENV=/venv
WORKDIR /src
# Requirements first: packages are fetched again only when these change.
COPY packages/worker-core-py/requirements.txt ./
RUN uv pip sync --require-hashes requirements.txt
COPY packages/worker-core-py packages/worker-core-py
COPY apps/worker-py apps/worker-py
RUN uv build --wheel --out-dir /wheels packages/worker-core-py \
  && uv build --wheel --out-dir /wheels apps/worker-py \
  && uv pip install --no-deps --no-index /wheels/*.whl

FROM python:3.11.14-slim-bookworm
COPY --from=build /venv /venv
ENV PYTHONUNBUFFERED=1 MUSTER_HTTP_HOST=0.0.0.0 MUSTER_HTTP_PORT=9464
EXPOSE 9464
# Nobody's number; the base has no user of its own.
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
  CMD ["/venv/bin/python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9464/readyz', timeout=4)"]
ENTRYPOINT ["/venv/bin/python", "-m", "worker_py"]
