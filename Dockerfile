# One image for every process of Callboard: `callboard web | worker | scheduler | dashboard`.
# docker-compose.yml runs them; `docker build -t callboard .` builds it (BuildKit, or podman build).

# A tag that follows Python's and Debian's security fixes; an installation may name its own mirror or digest.
ARG BASE=docker.io/library/python:3.13-slim


# --- what it depends on: changes seldom, stays a layer of its own --------------------------------------------------
# hadolint ignore=DL3006
FROM ${BASE} AS dependencies
SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# gunicorn's HTTP parser is C source only. A base whose Python is Debian's has its headers in a package.
# Without versions (DL3008): Debian keeps one version of each, and none of it comes into the image.
# hadolint ignore=DL3008
RUN headers=$(python3 -c 'import pathlib, sysconfig as s; \
        print("" if pathlib.Path(s.get_path("include"), "Python.h").exists() else "python3-dev")') \
    && apt-get update -q && apt-get install -qy --no-install-recommends gcc libc6-dev ${headers:+"$headers"} \
    && rm -rf /var/lib/apt/lists/*

RUN python3 -m venv --without-pip /opt/callboard
COPY requirements/*.txt /requirements/
# dashboard.txt and otel.txt are run.txt and a little more (10 MB of 125): one image to build, to scan and to
# pull on each host weighs more than they do.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip() { python3 -m pip --python /opt/callboard/bin/python --disable-pip-version-check "$@"; } \
    && pip install -q --no-deps --require-hashes -r /requirements/dashboard.txt \
    && pip install -q --no-deps --require-hashes -r /requirements/otel.txt \
    && pip install -q --no-deps --require-hashes --no-build-isolation -r /requirements/fast.txt


# --- Callboard itself ----------------------------------------------------------------------------------------------
FROM dependencies AS application
WORKDIR /source
COPY . .
RUN python3 -m pip --python /opt/callboard/bin/python --disable-pip-version-check install -q \
        --no-deps --no-build-isolation --no-index --target /app .

# What only built it.
FROM dependencies AS lean
RUN python3 -m pip --python /opt/callboard/bin/python --disable-pip-version-check uninstall -qy \
        editables hatchling setuptools trove-classifiers


# --- the image -----------------------------------------------------------------------------------------------------
# hadolint ignore=DL3006
FROM ${BASE}
# Uploads go to /data/files unless CALLBOARD_FILES_URL says otherwise; a new volume there belongs to callboard.
RUN groupadd --gid 10001 callboard \
    && useradd --uid 10001 --gid callboard --home-dir /data --no-create-home --shell /usr/sbin/nologin callboard \
    && install -d -o callboard -g callboard -m 0750 /data /data/files

COPY --from=lean /opt/callboard /opt/callboard
COPY --from=application /app /app

# /opt/tasks: where task types of one's own are mounted or copied, see CALLBOARD_ACTORS.
ENV PATH=/opt/callboard/bin:/app/bin:$PATH \
    PYTHONPATH=/app:/opt/tasks \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CALLBOARD_FILES_URL=file:///data/files \
    CALLBOARD_LOG_FORMAT=json

USER 10001:10001
WORKDIR /data
EXPOSE 5000 5555

# Each process is asked about itself: the role is the command it was started with.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["callboard", "health"]

# No shell between: the process is number 1 and gets SIGTERM itself.
ENTRYPOINT ["callboard"]
CMD ["web"]

# Last, because they change with every commit.
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Callboard" \
      org.opencontainers.image.description="A lightweight, self-hosted task service" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
