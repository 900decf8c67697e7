# The image of every stage: `docker build -t mien:0.1.0 .`
# Two steps, so that pip and its caches stay behind. No compiler is needed: the whole lock is wheels, and they
# need no library beyond what the slim image has (libc, libstdc++, libgcc, libz).

FROM python:3.11.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/mien
WORKDIR /src
# The dependencies first: this layer stays as long as the lock does.
COPY requirements.txt ./
RUN /opt/mien/bin/pip install --no-deps --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY streams streams
COPY workers workers
COPY models models
RUN /opt/mien/bin/pip install --no-deps --no-build-isolation . \
    && /opt/mien/bin/pip uninstall --yes pip

FROM python:3.11.13-slim-bookworm
# A number, so that Kubernetes can see that it is not root.
ARG UID=10001
COPY --from=build /opt/mien /opt/mien
# The root file system is meant to be read-only: /tmp is the one place to write
# (Faust makes its data folder in the working directory, matplotlib its cache in the home).
ENV PATH=/opt/mien/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MIEN_LOG_FORMAT=json
WORKDIR /tmp
USER ${UID}:${UID}
EXPOSE 9100
ENTRYPOINT ["mien"]
CMD ["--help"]
