# One image for every component of the reference stack, for the data proxy and for the door.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN python3 -m venv --without-pip /opt/mlchaos && python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv
ENV VIRTUAL_ENV=/opt/mlchaos PATH=/opt/uv/bin:$PATH UV_NO_CACHE=1
WORKDIR /src
COPY pyproject.toml constraints.txt ./
# What only the harness needs (charts, their renderer) stays out of the image.
RUN uv pip install --compile-bytecode --constraint constraints.txt --requirements pyproject.toml --extra containers \
    && uv pip uninstall vl-convert-python altair
COPY README.md docker-compose.yml ./
COPY chaos chaos
COPY reference_stack reference_stack
COPY scenarios scenarios
COPY targets targets
COPY deploy deploy
RUN uv pip install --compile-bytecode --no-deps .

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/mlchaos /opt/mlchaos
COPY deploy/stack.yaml deploy/healthy /opt/mlchaos/
# The stack's release: `--build-arg BUILD=2018.4` makes an image of an older one (docs/containers.md).
ARG BUILD=2026.1
RUN printf 'build: "%s"\n' "$BUILD" >> /opt/mlchaos/stack.yaml
# A volume takes its owner from the folder it is mounted at.
RUN useradd --uid 1000 --no-create-home --shell /usr/sbin/nologin k9s \
    && install -d -o k9s -g k9s /k9s /k9s/collector /k9s/outbox
ENV PATH=/opt/mlchaos/bin:$PATH HOME=/tmp XDG_CACHE_HOME=/tmp/cache PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
USER k9s
WORKDIR /tmp
ENTRYPOINT ["python", "-m"]
CMD ["reference_stack", "--help"]
