# The daemon as an image (docs/containers.rst):
#
#     docker build -t tustwisted .
#     docker run --init -p 1080:1080 -v uploads:/uploads tustwisted
#
# make test replays these steps without an engine, make test-image asks one.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
# The environment gets no pip of its own, and no file whose hash is not known.
COPY requirements/run.txt requirements/
RUN python -m venv --without-pip /opt/tustwisted \
    && python -m pip --python /opt/tustwisted/bin/python install --no-cache-dir \
        --require-hashes -r requirements/run.txt
COPY . .
RUN python -m pip --python /opt/tustwisted/bin/python install --no-cache-dir \
        --no-deps --no-build-isolation .

FROM python:${PYTHON}-slim
COPY --from=build /opt/tustwisted /opt/tustwisted
ENV PATH=/opt/tustwisted/bin:$PATH PYTHONUNBUFFERED=1
ENV TUS_HOST=0.0.0.0 TUS_UPLOAD_DIR=/uploads
# twistd keeps the plugins that it has found in a file, which the user below cannot write.
RUN twistd --help >/dev/null \
    && install --directory --owner=10001 --group=10001 /uploads
VOLUME /uploads
USER 10001:10001
EXPOSE 1080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 1080, timeout=4); c.request('OPTIONS', '/'); c.getresponse().status < 500 or exit(1)"]
ENTRYPOINT ["twistd", "-n", "--pidfile=", "tus"]
