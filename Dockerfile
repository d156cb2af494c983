# The server of a model, for every client of OpenAI's API (docs/serving.md, "In a container"):
#   docker build -t tfchat .
#   docker run -p 127.0.0.1:8000:8000 -e TFCHAT_API_KEY -v "$PWD/runs/mine:/model:ro" tfchat
ARG PYTHON=3.13
FROM python:${PYTHON}-slim AS build
WORKDIR /src
RUN python -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY configs configs
COPY data_builders data_builders
COPY tfchat_hf tfchat_hf
# For a GPU, build with --build-arg TORCH_FROM=
ARG TORCH_FROM="--extra-index-url https://download.pytorch.org/whl/cpu"
RUN /opt/venv/bin/pip install --no-cache-dir $TORCH_FROM -c constraints.txt ".[serve]"

FROM python:${PYTHON}-slim
COPY --from=build /opt/venv /opt/venv
# The root may be read-only; what libraries write, they write in /tmp.
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp HF_HOME=/tmp/huggingface PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "tfchat_hf.serve"]
CMD ["/model", "--host", "0.0.0.0"]
