# One image for every command of badge-streams: the virtual environment that `make install` makes, without
# its development tools, on a slim Python (decision 0002).
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml hatch_build.py constraints.txt README.md LICENSE CHANGELOG.md ./
COPY avro avro
COPY streams streams
RUN python -m venv --without-pip /opt/badge-streams \
 && python -m pip --python /opt/badge-streams/bin/python install \
      --no-cache-dir --disable-pip-version-check --constraint constraints.txt '.[all]'

FROM python:3.11-slim-bookworm
COPY --from=build /opt/badge-streams /opt/badge-streams
ENV PATH=/opt/badge-streams/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BADGES_HTTP=*:8080
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080 8050
# Kubernetes has probes of its own. What a site needs to start is at most its 60 s of waiting for Kafka.
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/live', timeout=8)"]
ENTRYPOINT ["badge-streams"]
CMD ["site"]
