# Image for NVIDIA GPUs: the same with CUDA, whose libraries come with torch and whose driver is the host's.
#
#   docker build -f bench/deploy/cuda.Dockerfile -t bench:cuda .    # in a checkout's top folder
#   docker run --init --gpus all --shm-size 2g -v "$PWD/results:/home/bench/results" bench:cuda run --dataset adult

FROM python:3.11-slim-bookworm

# LightGBM needs OpenMP; Ray's launcher and KubeRay's probes call the rest.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 procps rsync wget \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/bench
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY bench bench
COPY datasets datasets
COPY search_spaces search_spaces
RUN pip install --no-cache-dir -c constraints.txt ".[cluster]" \
    && python -c "import torch; assert torch.version.cuda, 'torch came without CUDA'"

ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN useradd --create-home --uid 1000 bench
USER bench
WORKDIR /home/bench
ENTRYPOINT ["bench"]
CMD ["--help"]
