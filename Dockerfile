# One small image for every service: the command says which. Runs as an ordinary user on a read-only root.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
COPY requirements.lock /build/
RUN /venv/bin/pip install --quiet --require-hashes -r /build/requirements.lock
COPY pyproject.toml README.md /build/
COPY contracts /build/contracts
COPY messaging /build/messaging
COPY chassis /build/chassis
COPY services /build/services
COPY sandbox /build/sandbox
COPY cli /build/cli
RUN /venv/bin/pip install --quiet --no-deps --no-build-isolation /build

FROM python:3.11-slim
# Letters of most of the world's scripts, for the names on placeholders: 3 MB.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-wqy-microhei fonts-dejavu-core \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin darkroom \
 && install -d -o darkroom /var/lib/darkroom /var/lib/darkroom/blobs /var/lib/darkroom/definitions
COPY --from=build /venv /venv
COPY workflows /srv/darkroom/workflows
WORKDIR /srv/darkroom
# As a number, which Kubernetes can tell from root.
USER 10001
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 VAR_DIR=/var/lib/darkroom LOG_FORMAT=json
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health', timeout=2)"]
CMD ["python", "-m", "services"]
