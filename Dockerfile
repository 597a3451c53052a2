# fhirbridge as a container: docker build -t fhirbridge .
# README.md, "In a container", says how to run it.

FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/fhirbridge \
 && /opt/fhirbridge/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY fhirbridge fhirbridge
COPY mappings mappings
# Everything it needs is there already, so that nothing unpinned is fetched.
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
 && /opt/fhirbridge/bin/pip install --no-cache-dir --no-deps --no-index wheels/*.whl

FROM python:3.13-slim
RUN groupadd --system --gid 10001 fhirbridge \
 && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin fhirbridge \
 && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/fhirbridge /opt/fhirbridge
ENV PATH=/opt/fhirbridge/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    FHIRBRIDGE_DATABASE_URL=sqlite:////data/fhirbridge.db
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + os.environ.get('FHIRBRIDGE_PORT', '8080') + '/health/ready', timeout=4)"]
ENTRYPOINT ["fhirbridge"]
CMD ["serve", "--host", "0.0.0.0"]
