# The service as an image. Its steps are also run without a container: tests/packaging, and `make test-image` with a real install.
#
# The tag names one release of Python on one release of Debian. Where the registry can be asked, pin what it stands for:
#   --build-arg PYTHON_IMAGE=python:3.13.9-slim-trixie@sha256:...   (docker buildx imagetools inspect NAME prints the digest)
ARG PYTHON_IMAGE=python:3.13.9-slim-trixie

# Installs with a compiler-free pip: every locked package has a wheel, and a source package would run code of its own here.
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv --without-pip /opt/forescale
COPY requirements/service.txt /tmp/service.txt
RUN python -m pip --python /opt/forescale/bin/python install --require-hashes --no-deps --only-binary :all: -r /tmp/service.txt
COPY app /srv/app
COPY models /srv/models
# Compiled here once: the running user may not write, and the pipeline's processes start faster.
RUN /opt/forescale/bin/python -m compileall -q -j 0 /opt/forescale/lib /srv/app /srv/models

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Forescale" \
      org.opencontainers.image.description="Forecasts the load of workloads from Prometheus history and serves it to the HPA" \
      org.opencontainers.image.licenses="Apache-2.0"
# LightGBM's wheel expects the OpenMP runtime of the distribution, which slim images lack.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/forescale /opt/forescale
COPY --from=build /srv /srv
COPY LICENSE NOTICE THIRD_PARTY.md /srv/
# One thread per process for numpy's BLAS: the processes already share the cores, and more threads only add waiting.
# Two arenas of memory, not one a thread: each would keep what the largest answer of the store once took.
ENV PATH=/opt/forescale/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/tmp \
    OPENBLAS_NUM_THREADS=1 \
    MALLOC_ARENA_MAX=2
WORKDIR /srv
# A number, so that runAsNonRoot can be checked; nothing in the image belongs to it.
USER 65532:65532
EXPOSE 6443
STOPSIGNAL SIGTERM
# No HEALTHCHECK: Kubernetes probes /livez and /readyz.
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve"]
